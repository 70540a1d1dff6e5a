"""Request and response models of the shop routes."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.edits import Edit, change_of
from service.core.values import phones
from service.core.values.hours import opens_before_it_closes
from service.core.values.texts import CODE, NO_NUL, ONE_LINE, MailOrEmpty, Name, NotBlank, RecordId
from service.reservations.shops.rules import ALL_DAYS_CLOSED, CLOSES_BEFORE_OPENING


def _check_weekdays(days: list[int]) -> list[int]:
    if len(set(days)) == 7:
        raise ValueError(ALL_DAYS_CLOSED)
    return sorted(set(days))


def _check_unique(keys: list[int]) -> list[int]:
    if len(set(keys)) < len(keys):
        raise ValueError("同じものが2つあります。")
    return keys


Code = Annotated[str, Field(min_length=1, max_length=30, pattern=CODE)]
# In any notation; stored as +81….
Phone = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE), AfterValidator(phones.e164)]
# May be empty: a shop without a mail address is informed by phone.
Contact = Annotated[str, Field(max_length=100, pattern=ONE_LINE), AfterValidator(str.strip)]
Note = Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
# ISO: 1 is Monday.
Weekdays = Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7), AfterValidator(_check_weekdays)]
Keys = Annotated[list[RecordId], Field(max_length=1000), AfterValidator(_check_unique)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class ShopValues(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    phone: Phone
    mail: MailOrEmpty = ""
    contact_name: Contact = ""
    note: Note = ""
    opens_at: time = time(9)
    closes_at: time = time(20)
    closed_weekdays: Weekdays = []

    _check_hours = opens_before_it_closes(CLOSES_BEFORE_OPENING)


class NewShop(ShopValues):
    """`services`: ids; the shop is called last for each of them."""

    services: Keys = []


@change_of(NewShop)
class ShopChange(Edit):
    """`services` replaces all services: the shop comes last in a new one, and keeps its place in the others."""

    _check_hours = opens_before_it_closes(CLOSES_BEFORE_OPENING)


class Offered(BaseModel):
    """A service that a shop offers. `place`: of the shop in the order of calls, from 1."""

    id: int
    code: str
    name: str
    place: int


class ShopItem(BaseModel):
    """`phone`: +81…. `phone_shown`: in Japanese notation."""

    id: int
    version: int
    code: str
    name: str
    phone: str
    phone_shown: str
    mail: str
    contact_name: str
    note: str
    opens_at: time
    closes_at: time
    closed_weekdays: list[int]
    services: list[Offered]
    state: Literal["active", "blacklisted", "archived"]
    blacklisted_at: datetime | None
    blacklist_reason: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ShopFilters(BaseModel):
    """`q`: part of a name, a code or a phone number in any notation. `blacklisted`: true for blacklisted shops only,
    false for the others only. `archived`: true for archived shops only, false for the others only."""

    q: Search | None = None
    service_id: RecordId | None = None
    blacklisted: bool | None = None
    archived: bool = False
    sort: Sort = "code"


class Summary(BaseModel):
    """Without archived shops. `unplaced`: in no service's order, and therefore never called."""

    shops: int
    blacklisted: int
    without_mail: int
    unplaced: int


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Called(BaseModel):
    """A shop in the order of a service."""

    id: int
    code: str
    name: str
    phone_shown: str
    opens_at: time
    closes_at: time
    closed_weekdays: list[int]
    blacklisted_at: datetime | None


class Order(BaseModel):
    """The shops in the order of calls. `version`: of the service."""

    service_id: int
    service_name: str
    version: int
    items: list[Called]


class NewOrder(Edit):
    """`shops`: exactly the shops of the order."""

    shops: Keys


class ShopRow(ShopValues):
    """A shop as a row of an import file. `services`: code → place."""

    services: dict[str, int] = {}


def import_row(shop: Any, services: dict[str, int]) -> dict[str, Any]:
    """The shop as the values of an import row."""
    return {name: getattr(shop, name) for name in ShopValues.model_fields} | {"services": services}
