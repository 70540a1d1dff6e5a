"""What goes in and out of the shops' doors over HTTP."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core import phones
from service.core.texts import NO_NUL, ONE_LINE, Edition, Key, Name, NotBlank
from service.reservations.shops.rules import CLOSES_FIRST, EVERY_DAY_CLOSED


def _days(days: list[int]) -> list[int]:
    if len(set(days)) == 7:
        raise ValueError(EVERY_DAY_CLOSED)
    return sorted(set(days))


def _once(keys: list[int]) -> list[int]:
    if len(set(keys)) < len(keys):
        raise ValueError("同じものが2つあります。")
    return keys


Code = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9_-]+$")]
# However it is written; kept as +81….
Phone = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE), AfterValidator(phones.e164)]
# A shop without one is told by phone.
ShopMail = Annotated[str, Field(max_length=254, pattern=r"^([^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+)?$")]
Contact = Annotated[str, Field(max_length=100, pattern=ONE_LINE), AfterValidator(str.strip)]
Note = Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
# ISO: 1 is Monday.
Weekdays = Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7), AfterValidator(_days)]
Keys = Annotated[list[Key], Field(max_length=1000), AfterValidator(_once)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class Hours(BaseModel):
    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Hours:
        opens, closes = getattr(self, "opens_at", None), getattr(self, "closes_at", None)
        if opens is not None and closes is not None and opens >= closes:
            raise ValueError(CLOSES_FIRST)
        return self


class ShopValues(Hours):
    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    phone: Phone
    mail: ShopMail = ""
    contact_name: Contact = ""
    note: Note = ""
    opens_at: time = time(9)
    closes_at: time = time(20)
    closed_weekdays: Weekdays = []


class NewShop(ShopValues):
    """`services` are ids; of each the shop is called last."""

    services: Keys = []


class ShopChange(Hours):
    """What is left out, or null, stays as it is. `version` is the one that was read. `services`, when given, are all of
    them from now on: in a new one the shop comes last, in the others it keeps its place."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    code: Code | None = None
    name: Name | None = None
    phone: Phone | None = None
    mail: ShopMail | None = None
    contact_name: Contact | None = None
    note: Note | None = None
    opens_at: time | None = None
    closes_at: time | None = None
    closed_weekdays: Weekdays | None = None
    services: Keys | None = None


class Offered(BaseModel):
    """A service that a shop offers; `place` is the shop's in the order of calls, 1 being the first."""

    id: int
    code: str
    name: str
    place: int


class ShopItem(BaseModel):
    """`phone` is +81…, `phone_shown` as people write it."""

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
    """`q` is part of a name, a code or a telephone number, however that is written; `blacklisted`: only those that are,
    or that are not; `archived`: only those that are, else only those that are not."""

    q: Search | None = None
    service_id: Key | None = None
    blacklisted: bool | None = None
    archived: bool = False
    sort: Sort = "code"


class Summary(BaseModel):
    """Of those that are not archived. `unplaced` are in no service's order, and never called."""

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
    """The first is called first. `version` is the service's."""

    service_id: int
    service_name: str
    version: int
    items: list[Called]


class NewOrder(BaseModel):
    """`shops` are all of the order's, none more and none less."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    shops: Keys


class ShopRow(ShopValues):
    """A shop as a row of a file has it: the places in its services' orders by their codes."""

    services: dict[str, int] = {}


def row_of(shop: Any, services: dict[str, int]) -> dict[str, Any]:
    """What a row of a file would say of it."""
    return {name: getattr(shop, name) for name in ShopValues.model_fields} | {"services": services}
