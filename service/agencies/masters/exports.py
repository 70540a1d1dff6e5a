"""The masters as files, with the columns of the specification."""

from __future__ import annotations

from service.agencies.masters import queries, schemas
from service.agencies.rules import CarrierRecord, ChoiceList, FieldPart
from service.core.exports.declared import Column, ExportList

READ = "agencies:master:read"
CHOICES = ExportList(
    key="agencies.choices",
    title="選択肢マスタ",
    permission=READ,
    columns=(
        Column("list", "選択肢の種類", "choice", words=ChoiceList.labels()),
        Column("code", "コード"),
        Column("name", "名称"),
        Column("example", "例", "choice", words={"true": "例", "false": ""}),
        Column("position", "表示順", "number"),
    ),
    filters=schemas.ChoiceFilters,
    statement=queries.choices_export,
)
OPTIONS = ExportList(
    key="agencies.options",
    title="オプションサービスマスタ",
    permission=READ,
    columns=(
        Column("code", "コード"),
        Column("name", "オプション名"),
        Column("price", "料金"),
        Column("pack", "サポートパック", "choice", words={"true": "対象", "false": "対象外"}),
        Column("position", "表示順", "number"),
    ),
    filters=schemas.OptionFilters,
    statement=queries.options_export,
)
CARRIER_FIELDS = ExportList(
    key="agencies.carrier-fields",
    title="元フィールド対応表",
    permission=READ,
    columns=(
        Column("page", "ページ"),
        Column("carrier_field", "元フィールド"),
        Column("record", "対象", "choice", words=CarrierRecord.labels()),
        Column("title", "項目"),
        Column("field", "カラム名"),
        Column("part", "部分", "choice", words=FieldPart.labels()),
        Column("position", "表示順", "number"),
    ),
    filters=schemas.CarrierFieldFilters,
    statement=queries.carrier_fields_export,
)
EXPORTS = (CHOICES, OPTIONS, CARRIER_FIELDS)
