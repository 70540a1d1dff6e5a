"""Request and response bodies of the corporations' routes (2.4)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.cards.schemas import CardIn, CardSummary
from service.agencies.fields.schemas import Search, WithoutCard
from service.core.edits import Edit, change_of
from service.core.values.texts import CODE, ONE_LINE, RecordId

Code = Annotated[str, Field(max_length=20, pattern=CODE)]
_Trimmed = AfterValidator(str.strip)
# Validated and normalized in `fields.rules`.
Typed = Annotated[str, Field(max_length=40, pattern=ONE_LINE), _Trimmed, WithoutCard]
Prefecture = Annotated[str, Field(max_length=10, pattern=ONE_LINE), _Trimmed]
Text100 = Annotated[str, Field(max_length=100, pattern=ONE_LINE), _Trimmed, WithoutCard]
Text200 = Annotated[str, Field(max_length=200, pattern=ONE_LINE), _Trimmed, WithoutCard]
Mail = Annotated[str, Field(max_length=254, pattern=ONE_LINE), _Trimmed, WithoutCard]
# A plausible date.
Day = Annotated[date, Field(ge=date(1800, 1, 1), le=date(2999, 12, 31))]
Sort = Literal["kana", "-kana", "name", "-name", "created_at", "-created_at"]


class NewCorporation(BaseModel):
    """All fields of 2.4. Fields that the 契約者区分 or the billing address does not use are cleared. `card` only with
    クレカ."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    customer_type: Code
    corporation_number: Typed = ""
    last_name: Text100
    first_name: Text100 = ""
    last_name_kana: Text100 = ""
    first_name_kana: Text100 = ""
    representative_last_name: Text100 = ""
    representative_first_name: Text100 = ""
    representative_last_name_kana: Text100 = ""
    representative_first_name_kana: Text100 = ""
    zip_code: Typed = ""
    prefecture: Prefecture = ""
    city: Text100 = ""
    town: Text100 = ""
    street: Text200 = ""
    building_name: Text200 = ""
    phone1: Typed = ""
    phone2: Typed = ""
    mail_address: Mail = ""
    birthday: Day | None = None
    representative_birthday: Day | None = None
    job_type: Code = ""
    payment_type: Code
    invoice: Code = "0"
    payment_certificate: Code = "0"
    billing_address_same: bool = True
    billing_zip_code: Typed = ""
    billing_prefecture: Prefecture = ""
    billing_city: Text100 = ""
    billing_town: Text100 = ""
    billing_street: Text200 = ""
    billing_building: Text200 = ""
    billing_customer_name: Text200 = ""
    sales_channel_id: Code = ""
    card: CardIn | None = None


@change_of(NewCorporation)
class CorporationChange(Edit):
    """`card` replaces the stored card. No response contains it, not even that of a conflict, which has the other
    fields."""

    model_config = ConfigDict(hide_input_in_errors=True)


@change_of(NewCorporation, fixed=("card",))
class FieldsChange(Edit):
    model_config = ConfigDict(hide_input_in_errors=True)


class CorporationItem(BaseModel):
    """`reading`: the kana without the legal form; 「カナ順」 sorts by it."""

    id: int
    agency_id: int
    agency_name: str
    name: str
    kana: str
    reading: str
    customer_type: str
    corporation_number: str
    phone1: str
    prefecture: str
    city: str
    requests: int
    sites: int
    created_at: datetime


class CorporationFilters(BaseModel):
    """`q` is part of a name, its kana, a 法人番号 or a telephone number; width, case, blanks and hyphens do not matter.
    `agency_id` filters the list of users who see all agencies."""

    q: Search | None = None
    agency_id: RecordId | None = None
    sort: Sort = "kana"


class Facts(BaseModel):
    """All fields of the 法人; the card has its own routes."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    customer_type: str
    corporation_number: str
    name: str
    kana: str
    representative_last_name: str
    representative_first_name: str
    representative_last_name_kana: str
    representative_first_name_kana: str
    zip_code: str
    prefecture: str
    city: str
    town: str
    street: str
    building_name: str
    phone1: str
    phone2: str
    mail_address: str
    birthday: date | None
    representative_birthday: date | None
    job_type: str
    payment_type: str
    invoice: str
    payment_certificate: str
    billing_address_same: bool
    billing_zip_code: str
    billing_prefecture: str
    billing_city: str
    billing_town: str
    billing_street: str
    billing_building: str
    billing_customer_name: str
    sales_channel_id: str


class CorporationDetail(Facts):
    """`needs_card`: it pays by card, but no card is stored, or only its last four digits remain."""

    version: int
    agency_id: int
    agency_name: str
    last_name: str
    first_name: str
    last_name_kana: str
    first_name_kana: str
    card: CardSummary | None
    needs_card: bool
    requests: int
    open_requests: int
    sites: int
    created_at: datetime
    updated_at: datetime


class Sought(BaseModel):
    """What duplicates are searched by. `except_id`: the corporation that is being edited."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    corporation_number: Typed | None = None
    name: Text200 | None = None
    kana: Text200 | None = None
    phone: Typed | None = None
    except_id: RecordId | None = None


class Duplicate(BaseModel):
    """`same`: the fields that match."""

    id: int
    agency_id: int
    agency_name: str
    name: str
    kana: str
    corporation_number: str
    phone1: str
    prefecture: str
    city: str
    created_at: datetime
    same: list[str]


class Duplicates(BaseModel):
    items: list[Duplicate]


class RequestOf(BaseModel):
    """A request of a corporation, with the names of its sites; the counts of sites as in lists of requests."""

    id: int
    status: str
    is_open: bool
    requested_by_name: str
    entered_sites: int
    sites: int
    site_count: int
    site_names: list[str]
    created_at: datetime
