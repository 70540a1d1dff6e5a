"""Request and response models of sites, models and custom columns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core.edits import Edit, change_of
from service.core.values.messages import described
from service.core.values.texts import NO_NUL, ONE_LINE, Mail, Name, NotBlank
from service.loaners.rules import CATEGORIES, Kind, ValueType, model_name_refusal


def _valid_model_name(name: str) -> str:
    name = name.strip()
    if refusal := model_name_refusal(name):
        raise ValueError(refusal)
    return name


CategoryKey = Literal["Desktop", "Laptop", "Server", "Tablet", "Printer", "Router", "Hub", "Other"]
SiteKey = Annotated[
    str,
    Field(
        max_length=20, pattern=described(r"^[a-z0-9]+$", "半角の小文字の英字・数字で入力してください（例: tokyo）。")
    ),
]
SiteCode = Annotated[
    str, Field(max_length=20, pattern=described(r"^[A-Z]+$", "半角の大文字の英字で入力してください（例: TKO）。"))
]
Jurisdiction = Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
# Short enough for a management number.
ModelName = Annotated[str, Field(min_length=1, max_length=60, pattern=ONE_LINE), AfterValidator(_valid_model_name)]
Note = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Title = Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
Choices = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]], Field(max_length=50)
]
Position = Annotated[int, Field(ge=1, le=1000)]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class NewSite(BaseModel):
    """拠点; `key` is the document's 拠点ID."""

    model_config = ConfigDict(extra="forbid")

    key: SiteKey
    code: SiteCode
    name: Name
    jurisdiction: Jurisdiction
    group_mail: Mail
    notifies: bool = False


@change_of(NewSite, fixed=("key",))
class SiteChange(Edit):
    pass


class SiteItem(BaseModel):
    """`devices`: how many are at the site now; `state` is the document's ステータス."""

    id: int
    version: int
    key: str
    code: str
    name: str
    jurisdiction: str
    group_mail: str
    notifies: bool
    devices: int
    state: Literal["active", "inactive"]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class SiteFilters(BaseModel):
    """`q` is part of an id, a code or a name. `archived`: only archived rows, else only active ones."""

    q: Search | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Sort = "key"


class NewModel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: ModelName
    maker: Name
    category: CategoryKey
    note: Note = ""


@change_of(NewModel)
class ModelChange(Edit):
    """Devices keep their numbers and their category."""


class ModelItem(BaseModel):
    """`code` is the document's 機種ID."""

    id: int
    version: int
    code: str
    name: str
    maker: str
    category: str
    note: str
    devices: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ModelFilters(BaseModel):
    q: Search | None = None
    category: CategoryKey | None = None
    archived: bool = False
    sort: Sort = "name"


class ColumnShape(BaseModel):
    @model_validator(mode="after")
    def _choices_are_for_choosing(self) -> ColumnShape:
        choices, value_type = getattr(self, "choices", None), getattr(self, "value_type", None)
        if choices and len(set(choices)) < len(choices):
            raise ValueError("同じ選択肢が2つあります。")
        if value_type == "choice" and not choices:
            raise ValueError("選択肢を1つ以上入力してください。")
        if value_type not in ("choice", None) and choices:
            raise ValueError("選択肢は、形式が「選択」の列だけに入力できます。")
        return self


class NewColumn(ColumnShape):
    """A custom column of a master (2.4 to 2.6), without a migration."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    title: Title
    value_type: ValueType = ValueType.TEXT
    choices: Choices = []
    required: bool = False
    position: Position = 1


@change_of(NewColumn, fixed=("kind", "value_type"))
class ColumnChange(Edit, ColumnShape):
    pass


class ColumnItem(BaseModel):
    id: int
    version: int
    kind: Kind
    title: str
    value_type: ValueType
    choices: list[str]
    required: bool
    position: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ColumnFilters(BaseModel):
    kind: Kind | None = None
    archived: bool = False
    sort: Sort = "position"


class CategoryItem(BaseModel):
    """A row of the document's カテゴリマスタ with its 略称."""

    key: str
    title: str
    description: str
    abbreviation: str
    kind: Kind
    group: str


class Categories(BaseModel):
    items: list[CategoryItem]


def categories() -> Categories:
    return Categories(items=[CategoryItem(key=key, **vars(category)) for key, category in CATEGORIES.items()])


class SiteRow(NewSite):
    """A site in a row of a file; `archived` is the document's inactive."""

    archived: bool = False


class ModelRow(NewModel):
    """A model in a row of a file."""
