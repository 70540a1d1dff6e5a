"""The outbox for administrators: each sees the messages of the own areas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.outbox import messages
from service.core.outbox.messages import READ, RESEND
from service.core.outbox.schemas import Discard, MessageDetail, MessageItem, MessageSummary
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.values.states import MessageState
from service.core.values.texts import NO_NUL

router = APIRouter(prefix="/api/core/messages", tags=["messages"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/summary")
def summary(actor: Annotated[Actor, allow(READ)], db: ReadDb) -> MessageSummary:
    return messages.summary(db, actor)


@router.get("")
def listed(
    actor: Annotated[Actor, allow(READ)],
    db: ReadDb,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: MessageState | None = None,
    topic: Annotated[str | None, Query(max_length=64, pattern=NO_NUL)] = None,
    area: Annotated[str | None, Query(max_length=32, pattern=NO_NUL)] = None,
    q: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None,
) -> Page[MessageItem]:
    """Newest first."""
    return messages.page(db, actor, limit, cursor, state=state, topic=topic, area=area, q=q)


@router.get("/{message_id}", responses=refusals(404))
def detail(actor: Annotated[Actor, allow(READ)], db: Db, message_id: PathId) -> MessageDetail:
    return messages.detail(db, actor, message_id)


@router.post("/{message_id}/resend", responses=refusals(404, 409))
def resend(actor: Annotated[Actor, allow(RESEND)], db: Db, message_id: PathId) -> MessageDetail:
    """Puts a dead letter back into the queue, with new tries and the same key."""
    return messages.resend(db, actor, message_id)


@router.post("/{message_id}/discard", responses=refusals(404, 409))
def discard(actor: Annotated[Actor, allow(RESEND)], db: Db, message_id: PathId, decision: Discard) -> MessageDetail:
    """Discards a dead letter, with the reason."""
    return messages.discard(db, actor, message_id, decision.reason)
