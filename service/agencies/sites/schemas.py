"""Request and response bodies of the sites' routes."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from service.agencies.fields.schemas import WithoutCard
from service.agencies.rules import Service, Status
from service.core.edits import Edit
from service.core.values.texts import CODE, NO_NUL, ONE_LINE, RecordId, RecordVersion

Code = Annotated[str, Field(max_length=20, pattern=CODE)]
Line20 = Annotated[str, Field(max_length=20, pattern=ONE_LINE)]
Line40 = Annotated[str, Field(max_length=40, pattern=ONE_LINE)]
Line100 = Annotated[str, Field(max_length=100, pattern=ONE_LINE), WithoutCard]
Line200 = Annotated[str, Field(max_length=200, pattern=ONE_LINE), WithoutCard]
Note = Annotated[str, Field(max_length=2000, pattern=NO_NUL), WithoutCard]
Usage = Annotated[
    Decimal, Field(ge=0, max_digits=12, decimal_places=2), PlainSerializer(float, return_type=float, when_used="json")
]
Charges = Annotated[int, Field(ge=0, le=999_999_999)]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2100, 12, 31))]


class SiteChange(Edit):
    """Fields that are missing or null stay unchanged, but null clears 料金, 使用量 and 入居日."""

    model_config = ConfigDict(hide_input_in_errors=True)

    pps_business_number: Code | None = None
    service_type: Service | None = None
    application_type: Code | None = None
    power_area: Code | None = None
    power_supplier_type: Code | None = None
    power_customer_number: Line40 | None = None
    power_customer_location_number: Line40 | None = None
    power_zip_code: Line20 | None = None
    power_prefecture: Annotated[str, Field(max_length=10, pattern=ONE_LINE)] | None = None
    power_city: Line100 | None = None
    power_town: Line100 | None = None
    power_street: Line200 | None = None
    power_building: Line200 | None = None
    power_room_number: Line20 | None = None
    power_building_type: Code | None = None
    power_branch_name: Line100 | None = None
    power_customer_name: Line200 | None = None
    power_customer_name_kana: Line200 | None = None
    latest_charges: Charges | None = None
    latest_power_usage: Usage | None = None
    latest_date: Line20 | None = None
    power_plan_name: Line100 | None = None
    contract_capacity: Line20 | None = None
    power_amounts_form: Code | None = None
    moving_in_date: Day | None = None
    option_plans: Annotated[list[Code], Field(max_length=50)] | None = None
    note: Note | None = None
    contract_corporation_type: Code | None = None
    saisan_gas_yoto: Code | None = None
    ecolog_gas_yoto: Code | None = None


class NewSite(BaseModel):
    """`copy_from`: a site of the same request whose values are copied, except those of `rules.NEVER_COPIED`;
    `with_address`: also 使用場所. `image_ids`: images of the request to be linked to the new site."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    copy_from: RecordId | None = None
    with_address: bool = False
    image_ids: Annotated[list[RecordId], Field(max_length=50)] = []


class NewStatus(BaseModel):
    """Does not set 不備, which is reported with a reason, nor キャンセル, which only sales set."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    to: Literal[Status.WORKING, Status.ENTERED]
    version: RecordVersion


class Read(Edit):
    model_config = ConfigDict(hide_input_in_errors=True)


class Link(BaseModel):
    """Null unlinks the image from its site. `before` is the site that it was linked to when it was read."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    site_id: RecordId | None
    before: RecordId | None


class SiteItem(BaseModel):
    """`required`: the fields that 投入済 needs; `missing`: those of them that are empty. `deficiency`: the latest open
    reason. `twins`: how many other sites of any request have the same 供給地点特定番号 and are not キャンセル."""

    id: int
    version: int
    status: Status
    pps_business_number: str
    service_type: Service
    application_type: str
    power_area: str
    power_supplier_type: str
    power_customer_number: str
    power_customer_location_number: str
    power_zip_code: str
    power_prefecture: str
    power_city: str
    power_town: str
    power_street: str
    power_building: str
    power_room_number: str
    power_building_type: str
    power_branch_name: str
    power_customer_name: str
    power_customer_name_kana: str
    latest_charges: int | None
    latest_power_usage: Usage | None
    latest_date: str
    power_plan_name: str
    contract_capacity: str
    power_amounts_form: str
    moving_in_date: date | None
    option_plans: list[str]
    note: str
    contract_corporation_type: str
    saisan_gas_yoto: str
    ecolog_gas_yoto: str
    required: list[str]
    missing: list[str]
    deficiency: str
    twins: int
    entered_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ImageItem(BaseModel):
    """`file_id` is the file's id in /api/core/files."""

    id: int
    site_id: int | None
    file_id: uuid.UUID
    file_name: str
    content_type: str
    size: int
    width: int | None
    height: int | None
    uploaded_at: datetime
