"""Messages of the outbox as administrators see them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.states import MessageState
from service.core.values.texts import NO_NUL


class MessageSummary(BaseModel):
    """`open`: still to be sent; `tried`: open ones that failed at least once; `dead`: given up. `areas`: the areas
    whose messages the user sees, code → title."""

    as_of: datetime
    areas: dict[str, str]
    open: int
    tried: int
    oldest_open_at: datetime | None
    dead: int
    sent_today: int
    sent_yesterday_by_now: int


class MessageItem(BaseModel):
    """`key` is sent with the message; `external_id` is the vendor's. `in_doubt`: an earlier try may have arrived.
    `decided_by`: the user who last sent it again or discarded it."""

    id: int
    key: uuid.UUID
    area: str
    topic: str
    state: MessageState
    recipient: str
    title: str
    subject: str | None
    subject_id: str | None
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    last_error: str | None
    in_doubt: bool
    sent_at: datetime | None
    dead_at: datetime | None
    resent_at: datetime | None
    discarded_at: datetime | None
    discard_reason: str | None
    decided_by: str | None
    expires_at: datetime | None
    external_id: str | None


class MessageAttempt(BaseModel):
    """`outcome` is null while it is under way; `lost`: its sender died; `found`: an earlier try had arrived."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None


class MessageDetail(MessageItem):
    text: str
    history: list[MessageAttempt]


class Discard(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]
