"""Exports of the 端末, プリンタ and その他 masters, with the document's columns (2.4 to 2.6) and date format."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.core.pages.shell import address
from service.loaners.devices import queries, schemas
from service.loaners.exports import ACTIVE_LABELS, TIMESTAMP_FORMAT
from service.loaners.history.rules import LABEL_PATH
from service.loaners.rules import Kind

_TERMINAL_COLUMNS = (
    Column("asset_number", "資産管理番号"),
    Column("software", "ソフトウェア"),
    Column("os", "OS"),
)


def label_url() -> str:
    """The URL of a label, without the number."""
    return address() + LABEL_PATH


def _master(key: str, title: str, kind: Kind) -> ExportList:
    return ExportList(
        key=key,
        title=title,
        permission="loaners:device:read",
        columns=(
            Column("number", "拠点管理番号"),
            Column("model_name", "機種名"),
            Column("maker", "メーカー"),
            Column("category", "カテゴリ"),
            Column("serial", "製造番号"),
            *(_TERMINAL_COLUMNS if kind is Kind.TERMINAL else ()),
            Column("deposit_words", "預かり機のステータス"),
            Column("form_url", "共通フォームURL"),
            Column("qr_url", "QRコードURL"),
            Column("created_at", "作成日", "moment", form=TIMESTAMP_FORMAT),
            Column("updated_at", "更新日", "moment", form=TIMESTAMP_FORMAT),
            Column("site_key", "拠点ID"),
            Column("site_name", "拠点"),
            Column("alias_words", "別名"),
            Column("extra_words", "追加の項目"),
            Column("is_active", "ステータス", "choice", words=ACTIVE_LABELS),
        ),
        filters=schemas.MasterFilters,
        statement=queries.export_devices(kind, label_url),
    )


MASTERS = {
    Kind.TERMINAL: _master("loaners.terminals", "端末マスタ", Kind.TERMINAL),
    Kind.PRINTER: _master("loaners.printers", "プリンタマスタ", Kind.PRINTER),
    Kind.OTHER: _master("loaners.others", "その他マスタ", Kind.OTHER),
}
EXPORTS = tuple(MASTERS.values())
