"""Request and response models of nurseries, parents and children."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.core.edits import Edit, change_of
from service.core.values.hours import opens_before_it_closes
from service.core.values.messages import described
from service.core.values.texts import NO_NUL, ONE_LINE, MailOrEmpty, Name, NotBlank, PhoneOrEmpty, RecordId
from service.entries.rules import CLOSES_BEFORE_OPENING

Code = Annotated[
    str,
    Field(
        min_length=4,
        max_length=50,
        pattern=described(
            r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
            "半角の英数字で始まる、英数字・ハイフン・下線で入力してください（例: sakura-01）。",
        ),
    ),
]
Kana = Annotated[str, Field(max_length=100, pattern=ONE_LINE)]
ClassName = Annotated[str, Field(max_length=50, pattern=ONE_LINE)]
Relation = Annotated[str, Field(max_length=20, pattern=ONE_LINE)]


# Short, because it is typed at the entrance; the lock-out compensates for that (AR-EL-003).
StationPassword = Annotated[SecretStr, Field(min_length=8, max_length=100)]
Cap = Annotated[int, Field(ge=1, le=5000)]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]
MAX_RELATIVES = 20


class NewNursery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    code: Code
    opens_at: time = time(7)
    closes_at: time = time(18)
    offline_cap: Cap = 100

    _check_hours = opens_before_it_closes(CLOSES_BEFORE_OPENING)


@change_of(NewNursery)
class NurseryChange(Edit):
    _check_hours = opens_before_it_closes(CLOSES_BEFORE_OPENING)


class NewStationPassword(BaseModel):
    """Null switches the log-in of stations off. All stations are logged out."""

    model_config = ConfigDict(extra="forbid")

    password: StationPassword | None


class NurseryItem(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    version: int
    name: str
    code: str
    has_station_password: bool
    opens_at: time
    closes_at: time
    offline_cap: int
    parents: int
    children: int
    stations: int
    silent_stations: int
    archived_at: datetime | None


class ListFilters(BaseModel):
    """`q` is part of a name, or of a nursery's code, or of a person's kana. `archived`: only archived rows, else only
    active ones."""

    q: Search | None = None
    archived: bool = False
    sort: Sort


class NurseryFilters(ListFilters):
    sort: Sort = "name"


class PersonFilters(ListFilters):
    nursery_id: RecordId | None = None
    sort: Sort = "kana"


class ParentFilters(PersonFilters):
    """`id` is the number on the card; `class_name`: with a child in that class."""

    id: RecordId | None = None
    class_name: ClassName | None = None
    card: Literal["issued", "none"] | None = None


class ChildFilters(PersonFilters):
    class_name: ClassName | None = None


class Tie(BaseModel):
    """A relation between parent and child; `id` is the id of the other person."""

    model_config = ConfigDict(extra="forbid")

    id: RecordId
    relation: Relation = ""


class NewPerson(BaseModel):
    model_config = ConfigDict(extra="forbid")

    nursery_id: RecordId
    name: Name
    kana: Kana = ""


class NewParent(NewPerson):
    phone_number: PhoneOrEmpty = ""
    mail: MailOrEmpty = ""
    children: Annotated[list[Tie], Field(max_length=MAX_RELATIVES)] = []


@change_of(NewParent, fixed=("nursery_id",))
class ParentChange(Edit):
    """`children`, when given, replace all children of the parent."""


class NewChild(NewPerson):
    class_name: ClassName = ""


@change_of(NewChild, fixed=("nursery_id",))
class ChildChange(Edit):
    pass


class Relative(BaseModel):
    id: int
    name: str
    relation: str


class PersonItem(BaseModel):
    id: int
    version: int
    nursery_id: int
    nursery_name: str
    name: str
    kana: str
    archived_at: datetime | None


class ParentItem(PersonItem):
    phone_number: str
    mail: str
    children: list[Relative]
    card_issued_at: datetime | None
    last_scanned_at: datetime | None


class ChildItem(PersonItem):
    class_name: str
    parents: list[Relative]


class ClassSize(BaseModel):
    name: str
    children: int


class People(BaseModel):
    """Counts of active parents and children, of one nursery or of all."""

    parents: int
    without_card: int
    without_mail: int
    children: int
    without_parent: int
    classes: list[ClassSize]


class ParentRow(BaseModel):
    """A parent in a row of a file: the number on the card, the nursery by its code, children by their names."""

    id: Annotated[int, Field(ge=1, le=9_999_999_999)]
    nursery_code: Code
    name: Annotated[Name, NotBlank]
    kana: Kana = ""
    phone_number: PhoneOrEmpty = ""
    mail: MailOrEmpty = ""
    children: Annotated[list[Name], Field(max_length=MAX_RELATIVES)] = []
