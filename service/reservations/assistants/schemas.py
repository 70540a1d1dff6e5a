"""Answers of the MCP tools, and requests and responses of the tokens' routes.

Field names are English, for programs; texts for customers are Japanese.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, Name

DateTimeText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Answer(BaseModel):
    message: str = Field(description="お客様にそのまま伝えられる説明")
    guide: str | None = Field(
        None, description="はじめて使うときにだけ入る、予約の流れの説明。お客様に伝えてください。"
    )


class OfferedPlan(BaseModel):
    plan: str = Field(description="request_reservation の plan に指定するコード")
    name: str
    price_yen: int


class OfferedService(BaseModel):
    service: str = Field(description="request_reservation の service に指定するコード")
    name: str
    description: str
    plans: list[OfferedPlan]


class Services(Answer):
    services: list[OfferedService]
    earliest_start: DateTimeText = Field(description="予約できる最も早い日時")
    latest_start: DateTimeText = Field(description="予約できる最も遅い日時")


class BookedShop(BaseModel):
    name: str
    phone: str


class ReservationAnswer(Answer):
    reservation_id: str
    status: str = Field(description="ステータスのコード")
    status_label: str = Field(description="ステータスの日本語名")
    service_name: str
    plan_name: str
    price_yen: int
    starts_at: DateTimeText = Field(description="予約日時")
    next_by: DateTimeText | None = Field(
        None, description="次の動きがある（または、お客様の手続きができる）期限。なければ null"
    )
    shop: BookedShop | None = Field(None, description="確定した予約のお店")


class NewAssistant(BaseModel):
    """`is_shared`: several customers use it, so status and cancellation also require the telephone number."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    is_shared: bool = False


class IssuedAssistant(BaseModel):
    """The token is shown once; the service keeps only its hash. `url`: the MCP endpoint."""

    id: int
    token: str
    url: str


class AssistantItem(BaseModel):
    """`reservations`: the number of reservations requested with it."""

    id: int
    name: str
    is_shared: bool
    reservations: int
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class AssistantFilters(BaseModel):
    """`revoked`: only revoked tokens, otherwise only valid ones."""

    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    revoked: bool = False
    sort: Annotated[str, Field(max_length=50)] = "-created_at"
