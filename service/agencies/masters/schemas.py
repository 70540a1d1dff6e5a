"""Request and response bodies of the masters' routes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.agencies.fields.schemas import Search
from service.agencies.masters.rules import COLUMNS
from service.agencies.rules import CarrierRecord, ChoiceList, FieldPart
from service.agencies.schemas import Line, Sort, usable_code
from service.core.edits import Edit, change_of
from service.core.values.messages import WrongField
from service.core.values.texts import ONE_LINE, Name, NotBlank

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_\-\[\].]*")


def _carrier_field(name: str) -> str:
    name = name.strip()
    if not _FIELD.fullmatch(name):
        raise ValueError("半角の英字で始まる、英数字・下線の項目名を入力してください。")
    return name


MasterCode = Annotated[str, Field(min_length=1, max_length=20, pattern=ONE_LINE), AfterValidator(usable_code)]
CarrierName = Annotated[str, Field(min_length=1, max_length=60, pattern=ONE_LINE), AfterValidator(_carrier_field)]
ScreenPage = Annotated[str, Field(min_length=1, max_length=10, pattern=ONE_LINE), NotBlank]
Price = Annotated[str, Field(max_length=50, pattern=ONE_LINE), AfterValidator(str.strip)]
Position = Annotated[int, Field(ge=1, le=1000)]


class MasterFilters(BaseModel):
    q: Search | None = None
    archived: bool = False
    sort: Sort


class NewChoice(BaseModel):
    """A code can be used only once, because records refer to it. Without a position the choice comes last."""

    model_config = ConfigDict(extra="forbid")

    list: ChoiceList
    code: MasterCode
    name: Name
    is_example: bool = False
    position: Position | None = None


@change_of(NewChoice, fixed=("list", "code"))
class ChoiceChange(Edit):
    pass


class ChoiceItem(BaseModel):
    """`is_example`: the specification names the list but none of its values. `is_fixed`: choices of its list cannot be
    added or archived."""

    id: int
    version: int
    list: str
    code: str
    name: str
    is_example: bool
    is_fixed: bool
    position: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ChoiceFilters(MasterFilters):
    list: ChoiceList | None = None
    sort: Sort = "list"


class NewOption(BaseModel):
    """オプションサービス (8)."""

    model_config = ConfigDict(extra="forbid")

    code: MasterCode
    name: Name
    price: Price = ""
    is_support_pack: bool = False
    position: Position | None = None


@change_of(NewOption, fixed=("code",))
class OptionChange(Edit):
    pass


class OptionItem(BaseModel):
    id: int
    version: int
    code: str
    name: str
    price: str
    is_support_pack: bool
    position: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class OptionFilters(MasterFilters):
    sort: Sort = "position"


class NewCarrierField(BaseModel):
    """元フィールド: where a part of a column goes in the carrier's screen."""

    model_config = ConfigDict(extra="forbid")

    record: CarrierRecord
    field: Annotated[str, Field(max_length=60, pattern=ONE_LINE)]
    part: FieldPart = FieldPart.WHOLE
    page: ScreenPage
    carrier_field: CarrierName
    position: Position | None = None

    @model_validator(mode="after")
    def _check_column(self) -> NewCarrierField:
        if self.field not in COLUMNS[self.record]:
            raise WrongField("field", "この対象にその項目はありません。一覧から選んでください。")
        return self


@change_of(NewCarrierField, fixed=("record", "field", "part"))
class CarrierFieldChange(Edit):
    pass


class CarrierFieldItem(BaseModel):
    """`title` is the name of the column for users."""

    id: int
    version: int
    record: str
    field: str
    title: str
    part: str
    page: str
    carrier_field: str
    position: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class CarrierFieldFilters(MasterFilters):
    record: CarrierRecord | None = None
    page: Line | None = None
    sort: Sort = "position"


class MasterChoice(BaseModel):
    code: str
    name: str
    is_example: bool
    in_use: bool


class MasterOption(BaseModel):
    code: str
    name: str
    price: str
    is_support_pack: bool
    in_use: bool


class Masters(BaseModel):
    """All choices and options in their order, for forms and for labels in lists, archived ones included. `lists`: the
    names of the lists of `choices`; `records`: what can have a 元フィールド, with `columns` of each and `parts` of a
    column."""

    lists: dict[str, str]
    choices: dict[str, list[MasterChoice]]
    options: list[MasterOption]
    records: dict[str, str]
    columns: dict[str, dict[str, str]]
    parts: dict[str, str]
