"""What goes in and out over HTTP."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.corporations.schemas import NewCorporation
from service.agencies.fields.schemas import Search, WithoutCard
from service.agencies.rules import MOST_IMAGES, Service, Status
from service.core.texts import NO_NUL, Day, Edition, Key, NotBlank

Remarks = Annotated[str, Field(max_length=4000, pattern=NO_NUL), AfterValidator(str.strip), WithoutCard]
SiteCount = Annotated[int, Field(ge=0, le=999)]


def _once_each(files: list[uuid.UUID]) -> list[uuid.UUID]:
    return list(dict.fromkeys(files))


Images = Annotated[list[uuid.UUID], Field(max_length=MOST_IMAGES), AfterValidator(_once_each)]


class NewRequest(BaseModel):
    """Either a new `corporation` or one that is known. `client_id` is the same until the answer is seen: sent again, it
    is answered with the first request. `agency_id` and `requested_by` are for who sends for an agency. Without
    `site_count` there are as many as images, and one at least."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    client_id: uuid.UUID
    agency_id: Key | None = None
    requested_by: Key | None = None
    corporation: NewCorporation | None = None
    corporation_id: Key | None = None
    images: Images = []
    remarks: Remarks = ""
    site_count: SiteCount | None = None


class Created(BaseModel):
    id: int


class RequestFilters(BaseModel):
    """`mine` is the default for who sees one agency. `open`: only those with something left to do."""

    mine: bool | None = None
    status: Status | None = None
    open: bool | None = None
    unread: bool | None = None
    q: Search | None = None
    agency_id: Key | None = None
    since: Day | None = None
    until: Day | None = None
    sort: Annotated[str, Field(max_length=50)] = "-created_at"


class RequestItem(BaseModel):
    """地点数: `site_count` was declared, `sites` are there but for キャンセル, `entered_sites` of them are 投入済.
    `unread`: 不備通知 that the reader has not read; `unread_comments`: of anything."""

    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    site_count: int
    sites: int
    entered_sites: int
    requested_by_id: int
    requested_by_name: str
    is_mine: bool
    unread: int
    unread_comments: int
    created_at: datetime
    updated_at: datetime


class RequestDetail(RequestItem):
    """What the reader may do now stands in `may_…`."""

    remarks: str
    images: int
    cancelled_at: datetime | None
    may_put_right: bool
    may_cancel: bool


class Counts(BaseModel):
    """Of one's own, or for who sees the area whole of all; `working` without 残りなし. `waiting`: requests with unread
    不備通知 for the person who sent them, which the menu shows."""

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
    """All that sales see of a site. `deficiency`: what is wrong with it."""

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
    """再提出. `version` is the one that was read; without `remarks` these stay."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: Edition
    message: Annotated[str, Field(max_length=1000, pattern=NO_NUL), AfterValidator(str.strip), WithoutCard] = ""
    remarks: Remarks | None = None
    images: Images = []


class RemarksChange(BaseModel):
    version: int
    remarks: str | None = None
