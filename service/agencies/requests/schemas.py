"""What is said of requests on either side of the desk."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.agencies.fields.schemas import WithoutCard
from service.agencies.rules import CommentType
from service.core.texts import NO_NUL, Key, NotBlank


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    message: Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank, WithoutCard]


class ReadUpTo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    comment_id: Key


class CommentItem(BaseModel):
    """`is_open`: a 不備通知 that nobody has put right; `is_unread`: of others, after what the reader has read."""

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
