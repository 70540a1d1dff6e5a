"""Request and response bodies of comments, shared by sales and operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.agencies.fields.schemas import WithoutCard
from service.agencies.rules import CommentType, Status
from service.core.values.texts import NO_NUL, NotBlank, RecordId


class RequestRow(BaseModel):
    """What every list of requests shows. 地点数: `site_count` as declared by sales or corrected by operators, `sites`:
    all except キャンセル, `entered_sites`: 投入済."""

    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    entered_sites: int
    sites: int
    site_count: int
    requested_by_id: int
    requested_by_name: str
    created_at: datetime
    updated_at: datetime


class CommentText(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    message: Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank, WithoutCard]


class ReadUpTo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    comment_id: RecordId


class CommentItem(BaseModel):
    """`is_open`: an unresolved 不備通知; `is_unread`: by another user, after the reader's read mark."""

    id: int
    site_id: int | None
    site_name: str
    type: CommentType
    message: str
    author_id: int
    author_name: str
    created_at: datetime
    resolved_at: datetime | None
    is_open: bool
    is_unread: bool
