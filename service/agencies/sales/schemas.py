"""Request and response bodies of the requests' routes, for sales."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.corporations.schemas import NewCorporation
from service.agencies.fields.schemas import Search, WithoutCard
from service.agencies.requests.schemas import RequestRow
from service.agencies.rules import MAX_IMAGES, Service, Status
from service.core.edits import Edit
from service.core.values.periods import not_before
from service.core.values.texts import NO_NUL, Day, NotBlank, RecordId, RecordVersion

Remarks = Annotated[str, Field(max_length=4000, pattern=NO_NUL), AfterValidator(str.strip), WithoutCard]
SiteCount = Annotated[int, Field(ge=0, le=999)]


def _unique(files: list[uuid.UUID]) -> list[uuid.UUID]:
    return list(dict.fromkeys(files))


Images = Annotated[list[uuid.UUID], Field(max_length=MAX_IMAGES), AfterValidator(_unique)]


class NewRequest(BaseModel):
    """Either a new `corporation`, or the `corporation_id` of an existing one. `client_id` is the idempotency key: a
    replay gets the first request as its answer. `agency_id` and `requested_by` are for users who submit for an agency.
    `site_count` defaults to the number of images, but at least one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    client_id: uuid.UUID
    agency_id: RecordId | None = None
    requested_by: RecordId | None = None
    corporation: NewCorporation | None = None
    corporation_id: RecordId | None = None
    images: Images = []
    remarks: Remarks = ""
    site_count: SiteCount | None = None


class RequestFilters(BaseModel):
    """`mine` defaults to true for users who see one agency. `open`: only open requests."""

    mine: bool | None = None
    status: Status | None = None
    open: bool | None = None
    unread: bool | None = None
    q: Search | None = None
    agency_id: RecordId | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    sort: Annotated[str, Field(max_length=50)] = "-created_at"


class RequestItem(RequestRow):
    """`unread`: 不備通知 that the reader has not read; `unread_comments`: comments of both types."""

    is_mine: bool
    unread: int
    unread_comments: int


class RequestDetail(RequestItem):
    """`may_…`: what the user may do now."""

    remarks: str
    images: int
    cancelled_at: datetime | None
    may_put_right: bool
    may_cancel: bool


class Counts(BaseModel):
    """Counts of the user's own requests, or of all for users who see the whole area; `working` without 残りなし.
    `waiting`: the user's own requests with unread 不備通知, which the menu shows."""

    as_of: datetime
    deficient: int
    working: int
    entered: int
    cancelled: int
    unread: int
    waiting: int
    oldest_deficient: datetime | None


class ImageItem(BaseModel):
    id: int
    file_id: uuid.UUID
    file_name: str
    content_type: str
    size: int
    site_id: int | None
    uploaded_at: datetime


class SiteItem(BaseModel):
    """The fields of a site that sales see. `deficiency`: the latest open reason."""

    id: int
    branch_name: str
    service_type: Service
    status: Status
    deficiency: str
    entered_at: datetime | None


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank, WithoutCard]


class MoreImages(BaseModel):
    model_config = ConfigDict(extra="forbid")

    images: Annotated[Images, Field(min_length=1)]


class Correction(BaseModel):
    """再提出. `version` is the one that was read; without `remarks` they stay unchanged."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: RecordVersion
    message: Annotated[str, Field(max_length=1000, pattern=NO_NUL), AfterValidator(str.strip), WithoutCard] = ""
    remarks: Remarks | None = None
    images: Images = []


class RemarksChange(Edit):
    remarks: str | None = None
