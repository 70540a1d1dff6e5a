"""Request and response bodies of the cases' routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.agencies.corporations.schemas import Facts
from service.agencies.fields.schemas import Search
from service.agencies.requests.schemas import CommentText, RequestRow
from service.core.edits import Edit
from service.core.values.periods import not_before
from service.core.values.texts import Day, RecordId, RecordVersion


class CaseFilters(BaseModel):
    """Without `status` and `open`: only open requests; `status` all or `open` false: all."""

    status: Literal["deficient", "working", "entered", "cancelled", "all"] | None = None
    open: bool | None = None
    q: Search | None = None
    sales_id: RecordId | None = None
    agency_id: RecordId | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    unread: bool | None = None
    claimed: Literal["me", "others", "nobody"] | None = None
    sort: Annotated[str, Field(max_length=50)] = "created_at"


class CaseItem(RequestRow):
    """`unread`: comments of others that the reader has not read."""

    unread: int
    claimed_by_id: int | None
    claimed_by_name: str | None
    is_claimed_by_me: bool


class CaseCounts(BaseModel):
    """Open requests by their status; `waiting`: 対応中 and not claimed."""

    as_of: datetime
    open: int
    deficient: int
    working: int
    waiting: int
    mine: int
    unread: int
    oldest: datetime | None


class AgencyItem(BaseModel):
    id: int
    name: str


class PersonItem(BaseModel):
    id: int
    name: str
    agency_name: str = ""


class CaseDetail(CaseItem):
    """`deficiency`: the latest open reason that concerns the whole request. `viewers`: who else has it open."""

    remarks: str
    corporation: Facts
    cancelled_at: datetime | None
    claimed_at: datetime | None
    deficiency: str
    viewers: list[str]


class CaseChange(Edit):
    """Fields that are missing or null stay unchanged."""

    model_config = ConfigDict(hide_input_in_errors=True)

    site_count: Annotated[int, Field(ge=0, le=999)] | None = None


class OfCase(CommentText):
    """A message about a request. `version` is the one that was read."""

    version: RecordVersion


class Deficiency(OfCase):
    """Without sites it concerns the whole request."""

    site_ids: Annotated[list[RecordId], Field(max_length=999, default_factory=list)]


class PutRight(OfCase):
    """How the deficiencies were resolved."""


class NewComment(CommentText):
    site_id: RecordId | None = None


class Claim(BaseModel):
    """`take_over`: also when a colleague has claimed it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    take_over: bool = False


class HandOver(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user_id: RecordId


class Viewers(BaseModel):
    """Who else has it open, and the request's current version: a page that read another version is out of date."""

    names: list[str]
    version: int


class EntryItem(BaseModel):
    """One field of the carrier's screen: `value` goes into it, `words` is the name of a code."""

    id: int
    page: str
    carrier_field: str
    title: str
    value: str
    words: str
