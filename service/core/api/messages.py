"""The outbox for administrators: each sees the messages of the own areas."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.outbox import messages
from service.core.outbox.messages import READ, RESEND
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.core.values.states import MessageState
from service.core.values.texts import NO_NUL

router = APIRouter(prefix="/api/core/messages", tags=["messages"], responses=refusals(400, 401, 403, 422, 503))


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

    model_config = ConfigDict(from_attributes=True)

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


@router.get("/summary")
def summary(actor: Annotated[Actor, allow(READ)], db: ReadDb) -> MessageSummary:
    return MessageSummary.model_validate(messages.summary(db, actor))


@router.get("", response_model=Page[MessageItem])
async def listed(
    requested: Annotated[ListRequest, list_request(READ, may_lag=True)],
    limit: Limit = 50,
    cursor: Cursor = None,
    state: MessageState | None = None,
    topic: Annotated[str | None, Query(max_length=64, pattern=NO_NUL)] = None,
    area: Annotated[str | None, Query(max_length=32, pattern=NO_NUL)] = None,
    q: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None,
) -> Response:
    """Newest first."""
    return await requested.page(
        lambda db, actor: messages.page(db, actor, limit, cursor, state=state, topic=topic, area=area, q=q)
    )


@router.get("/{message_id}", responses=refusals(404))
def detail(actor: Annotated[Actor, allow(READ)], db: Db, message_id: PathId) -> MessageDetail:
    return MessageDetail.model_validate(messages.detail(db, actor, message_id))


@router.post("/{message_id}/resend", responses=refusals(404, 409))
def resend(actor: Annotated[Actor, allow(RESEND)], db: Db, message_id: PathId) -> MessageDetail:
    """Puts a dead letter back into the queue, with new tries and the same key."""
    messages.resend(db, actor, message_id)
    db.flush()
    return MessageDetail.model_validate(messages.detail(db, actor, message_id))


@router.post("/{message_id}/discard", responses=refusals(404, 409))
def discard(actor: Annotated[Actor, allow(RESEND)], db: Db, message_id: PathId, decision: Discard) -> MessageDetail:
    """Discards a dead letter, with the reason."""
    messages.discard(db, actor, message_id, decision.reason)
    db.flush()
    return MessageDetail.model_validate(messages.detail(db, actor, message_id))
