"""Definitions in the document's JSON, and request and response models of views."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from service.core.edits import Edit, change_of
from service.core.values.messages import described
from service.core.values.texts import NO_NUL, ONE_LINE, NotBlank
from service.loaners.rules import CATEGORIES, STATUS_COLUMN, STATUS_LABELS, Kind, Status
from service.loaners.views.rules import BY_DEVICE_TYPE, FROM_FORMS, HEADER, Definition, Nesting

_LETTERS = re.compile(r"[A-Z]{1,2}列")
MasterSheet = Literal["端末マスタ", "プリンタマスタ", "その他マスタ"]
CollectionSheet = Literal["端末ステータス収集", "プリンタステータス収集", "その他ステータス収集"]
KindWord = Literal["端末", "プリンタ", "その他"]
CategoryName = Literal["Desktop", "Laptop", "Server", "Tablet", "Printer", "Router", "Hub", "Other"]
Card = Literal["返却可能", "商談や金額の問題で返却不可", "お客様による返却拒否", "HW延長保守中"]
StatusWord = Literal["1.貸出中", "2.回収後社内保管", "3.社内にて保管中"]


def _letters(value: str) -> str:
    if not _LETTERS.fullmatch(value):
        raise ValueError(f"「{value}」は列の位置（例: A列）ではありません。")
    return value


def _require_unique(values: list[Any]) -> list[Any]:
    if repeated := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"「{repeated[0]}」が2回書かれています。")
    return values


Name = Annotated[str, Field(min_length=1, max_length=100)]
Names = Annotated[list[Name], Field(min_length=1, max_length=100), AfterValidator(_require_unique)]
Text = Annotated[str, Field(max_length=500)]


class Part(BaseModel):
    """A part of a definition, with exactly the fields of the document. A field that supports only one value refuses
    other values, so that no administrator turns off something that stays on."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class DeviceTypes(Part):
    logic: Literal["categoryToDeviceType"]
    mapping: dict[CategoryName, KindWord]


class FromForms(Part):
    description: Text = ""


class DynamicFields(Part):
    device_type: Annotated[DeviceTypes | None, Field(alias="機器種別")] = None
    from_forms: Annotated[FromForms | None, Field(alias=FROM_FORMS)] = None


class Dynamic(Part):
    source_type: Literal["dynamic"]
    description: Text = ""
    source_sheets: Annotated[list[MasterSheet], Field(min_length=1), AfterValidator(_require_unique)]
    column_mappings: dict[Name, Name]
    dynamic_fields: DynamicFields = DynamicFields()

    @model_validator(mode="after")
    def _types_are_there(self) -> Dynamic:
        if BY_DEVICE_TYPE in self.column_mappings.values() and self.dynamic_fields.device_type is None:
            raise ValueError(f"「{BY_DEVICE_TYPE}」を使うには、dynamicFields に「機器種別」が必要です。")
        return self


class Alternatives(Part):
    enabled: bool
    description: Text = ""
    header_based_mapping: dict[Name, Names]


class Sheets(Part):
    source_type: Literal["specific_sheets"]
    description: Text = ""
    source_sheets: Annotated[list[CollectionSheet], Field(min_length=1), AfterValidator(_require_unique)]
    column_mappings: dict[Name, Annotated[str, AfterValidator(_letters)]]
    alternative_mapping: Alternatives | None = None


class Aggregation(Part):
    group_by: Annotated[
        list[Literal["預かり機のステータス", "拠点", "デバイスタイプ"]],
        Field(min_length=3),
        AfterValidator(_require_unique),
    ]
    count_field: Literal["拠点管理番号"]
    device_type_mapping: dict[Name, Annotated[list[CategoryName], Field(min_length=1)]]

    @model_validator(mode="after")
    def _each_once(self) -> Aggregation:
        named = [category for group in self.device_type_mapping.values() for category in group]
        _require_unique(named)
        if missing := [category for category in CATEGORIES if category not in named]:
            raise ValueError(f"カテゴリ「{'」「'.join(missing)}」がどのデバイスタイプにも入っていません。")
        return self


class Generation(Part):
    enabled: Literal[True]
    description: Text = ""


class Aggregated(Part):
    source_type: Literal["aggregated"]
    description: Text = ""
    source_sheets: Annotated[list[MasterSheet], Field(min_length=1), AfterValidator(_require_unique)]
    aggregation_logic: Aggregation
    dynamic_generation: Generation | None = None


def _pattern(value: str) -> str:
    if not re.fullmatch(r"[0-9]+-(\{X\}-)?\*", value):
        raise ValueError(f"「{value}」は列の形（例: 3-* または 3-{{X}}-*）ではありません。")
    return value


class Detection(Part):
    enabled: bool
    detection_logic: Literal["extractNestedPrefixesFromAvailableColumns"]
    base_pattern: Annotated[str, AfterValidator(_pattern)]
    nested_pattern: Annotated[str, AfterValidator(_pattern)]
    description: Text = ""


class Nested(Part):
    nested_status_column_key: Annotated[
        str,
        Field(
            pattern=described(HEADER.pattern, "列の名前を、質問番号から入力してください（例: 3-0.社内ステータス）。")
        ),
    ]
    description: Text = ""
    dynamic_detection: Detection


class FilterRules(Part):
    description: Text = ""
    filter_logic: Literal["showOnlyMatchingPrefix"]
    dynamic_nested_filtering: bool
    nested_status_rules: dict[StatusWord, Nested]
    fallback_columns: Names

    @model_validator(mode="after")
    def _of_its_status(self) -> FilterRules:
        for label, rule in self.nested_status_rules.items():
            number, detection = label[0], rule.dynamic_detection
            names = (rule.nested_status_column_key, detection.base_pattern, detection.nested_pattern)
            prefixes = (f"{number}-0.", f"{number}-", f"{number}-{{X}}-")
            if wrong := [name for name, start in zip(names, prefixes, strict=True) if not name.startswith(start)]:
                raise ValueError(f"「{label}」の「{wrong[0]}」は、質問番号 {number} のものではありません。")
        return self


class StatusDriven(Part):
    status_driven: Literal[True]
    status_column_key: Literal["0-4.ステータス"]
    prefix_based_filtering: Literal[True]
    nested_status_filtering: bool
    base_columns: Names
    column_filter_rules: FilterRules


class JurisdictionFiltering(Part):
    enabled: Literal[True]
    description: Text = ""
    filter_logic: Literal["getLocationsByJurisdiction"]


class Plain(Part):
    display_mode: Literal["jurisdiction_filtered"] | None = None
    jurisdiction_filtering: JurisdictionFiltering | None = None
    columns: Names


class DeviceTypeDetection(Part):
    method: Text
    implementation: Text


class ExpectedFormat(Part):
    description: Text
    header_pattern: Text
    location_data: Text
    device_types: Text
    device_type_detection: DeviceTypeDetection


class CardGeneration(Part):
    category_detection: Text
    location_filtering: Text
    aggregation: Text
    jurisdiction_filtering: Literal[True]


class CardLook(Part):
    icon: Annotated[
        str,
        Field(
            pattern=described(
                r"^[a-z0-9 -]{1,50}$",
                "アイコンの名前を、半角の小文字の英字・数字・ハイフン・空白で入力してください（例: laptop）。",
            )
        ),
    ]
    color: Literal["success", "warning", "danger", "info", "primary", "secondary"]
    description: Text


class Cards(Part):
    display_type: Literal["cards"]
    data_structure: Literal["categorized_summary"]
    expected_format: ExpectedFormat
    card_generation: CardGeneration
    categories: Annotated[dict[Card, CardLook], Field(min_length=1)]
    fallback_columns: Names


class Condition(Part):
    """フィルタ条件, as JSON: status=active is {"status": "active"}."""

    status: Literal["active", "inactive"] | None = None
    kinds: Annotated[list[KindWord] | None, Field(alias="機器種別", min_length=1)] = None
    statuses: Annotated[list[StatusWord] | None, Field(alias=STATUS_COLUMN, min_length=1)] = None


def parse_json(text: str | None) -> Any:
    """Raises ValueError with a message for the user for invalid JSON."""
    try:
        return None if text is None else json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"JSONとして読み取れません（{error.lineno}行目の{error.colno}文字目）。") from None


def read_definition(source: Any, columns: Any, condition: Any = None) -> Definition:
    """A definition from parsed JSON. Raises ValidationError (pydantic), or ValueError with a message for the user."""
    source_type = source.get("sourceType") if isinstance(source, dict) else None
    conditions = Condition.model_validate({} if condition is None else condition)
    if source_type == "dynamic":
        return _definition_of_masters(Dynamic.model_validate(source), columns, conditions)
    if source_type == "specific_sheets":
        sheets = Sheets.model_validate(source)
        alternatives = sheets.alternative_mapping
        return Definition(
            **_conditions(sheets.source_sheets, conditions),
            columns=tuple(Plain.model_validate(columns).columns),
            letters=sheets.column_mappings,
            names=alternatives.header_based_mapping if alternatives and alternatives.enabled else {},
        )
    if source_type == "aggregated":
        aggregated = Aggregated.model_validate(source)
        groups = aggregated.aggregation_logic.device_type_mapping
        return Definition(
            **_conditions(aggregated.source_sheets, conditions),
            columns=tuple(Cards.model_validate(columns).fallback_columns),
            groups={category: group for group, categories in groups.items() for category in categories},
        )
    raise ValueError("sourceType は dynamic、specific_sheets、aggregated のどれかにしてください。")


def _definition_of_masters(source: Dynamic, columns: Any, conditions: Condition) -> Definition:
    common: dict[str, Any] = {
        "mapping": source.column_mappings,
        "device_types": source.dynamic_fields.device_type.mapping if source.dynamic_fields.device_type else {},
        **_conditions(source.source_sheets, conditions),
    }
    if not (isinstance(columns, dict) and "statusDriven" in columns):
        return Definition(**common, columns=tuple(Plain.model_validate(columns).columns))
    display = StatusDriven.model_validate(columns)
    rules = display.column_filter_rules
    has_nesting = display.nested_status_filtering and rules.dynamic_nested_filtering
    return Definition(
        **common,
        columns=tuple(rules.fallback_columns),
        base=tuple(display.base_columns),
        nesting={
            status: Nesting(rule.dynamic_detection.base_pattern, rule.dynamic_detection.nested_pattern)
            for status in Status
            for label, rule in rules.nested_status_rules.items()
            if has_nesting and label == STATUS_LABELS[status] and rule.dynamic_detection.enabled
        },
    )


def _conditions(sheets: list[Any], condition: Condition) -> dict[str, Any]:
    """The kinds in the order of the masters, and the values of the condition."""
    in_sheets = {sheet.removesuffix("マスタ").removesuffix("ステータス収集") for sheet in sheets}
    requested: set[str] = {*(condition.kinds or Kind.labels().values())}
    return {
        "kinds": tuple(kind for kind in Kind if kind.label in in_sheets and kind.label in requested),
        "archived": None if condition.status is None else condition.status == "inactive",
        "statuses": tuple(status for status, label in STATUS_LABELS.items() if label in (condition.statuses or ())),
    }


ViewKey = Annotated[
    str,
    Field(
        max_length=30,
        pattern=described(
            r"^[A-Z][A-Z_]*$", "半角の大文字の英字で始まる、大文字の英字・下線で入力してください（例: AUDIT）。"
        ),
    ),
]
Line = Annotated[str, Field(max_length=200, pattern=ONE_LINE)]
Title = Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
Json = Annotated[str, Field(max_length=20_000, pattern=NO_NUL)]


def _as_json(text: str) -> str:
    """Converts the document's other format of a condition (2.3.2): status=active."""
    match = re.fullmatch(r"\s*([^\s={}]+)\s*=\s*([^\s={}]+)\s*", text)
    return json.dumps({match[1]: match[2]}, ensure_ascii=False) if match else text


ConditionJson = Annotated[Json, AfterValidator(_as_json)]
Position = Annotated[int, Field(ge=1, le=1_000_000)]


class ViewItem(BaseModel):
    """`filter`, `source` and `columns`: JSON in the format of the document."""

    id: int
    version: int
    key: str
    name: str
    description: str
    position: int
    filter: str | None
    source: str
    columns: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class NewView(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: ViewKey
    name: Title
    description: Line = ""
    position: Position
    filter: ConditionJson | None = None
    source: Json
    columns: Json


@change_of(NewView, fixed=("key",))
class ViewChange(Edit):
    pass


class ViewFilters(BaseModel):
    archived: bool = False
    sort: Annotated[str, Field(max_length=50)] = "position"
