"""Request and response bodies of the agencies' routes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.fields.schemas import Search, WithoutCard
from service.core.edits import Edit, change_of
from service.core.values.texts import NO_NUL, ONE_LINE, MailOrEmpty, Name, PhoneOrEmpty, RecordId

_CODE = re.compile(r"[A-Za-z0-9_-]+")


def usable_code(code: str) -> str:
    code = code.strip()
    if not _CODE.fullmatch(code):
        raise ValueError("半角の英数字・ハイフン・下線で入力してください。")
    return code


Code = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE), AfterValidator(usable_code)]
# 任意: may be left empty.
ShortLine = Annotated[str, Field(max_length=30, pattern=ONE_LINE), AfterValidator(str.strip)]
Line = Annotated[str, Field(max_length=100, pattern=ONE_LINE), AfterValidator(str.strip)]
Reason = Annotated[str, Field(max_length=500, pattern=NO_NUL), AfterValidator(str.strip), WithoutCard]
Sort = Annotated[str, Field(max_length=50)]


class NewAgency(BaseModel):
    """代理店 (2.1)."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    code: Code
    referral_shop_code: ShortLine = ""
    referral_shop_name: Line = ""
    contact_name: Line = ""
    phone: PhoneOrEmpty = ""
    mail_address: MailOrEmpty = ""


@change_of(NewAgency)
class AgencyChange(Edit):
    pass


class Deactivation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


class Deactivated(BaseModel):
    """How many sessions of the agency's users were ended."""

    sessions_ended: int


class AgencyItem(BaseModel):
    """`sales_count`: 所属営業担当数, users who may sign in, or could if the agency were active."""

    id: int
    version: int
    name: str
    code: str
    referral_shop_code: str
    referral_shop_name: str
    contact_name: str
    phone: str
    mail_address: str
    sales_count: int
    is_active: bool
    created_at: datetime
    updated_at: datetime


class AgencyFilters(BaseModel):
    """`q` is part of a name, a code, a referral shop code or a contact name."""

    q: Search | None = None
    is_active: bool | None = None
    sort: Sort = "name"


class AgencySummary(BaseModel):
    """`without_sales`, `without_shop`: how many active agencies have no sales staff, or no 紹介店コード."""

    active: int
    inactive: int
    without_sales: int
    without_shop: int


class SalesPerson(BaseModel):
    """A sales user on whose behalf a request can be made."""

    id: int
    name: str
    agency_id: int
    agency_name: str


class SalesPeopleFilters(BaseModel):
    q: Search | None = None
    agency_id: RecordId | None = None
    sort: Sort = "name"
