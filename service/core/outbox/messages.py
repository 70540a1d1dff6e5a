"""The outbox for users: lists, the tries of a message, resending and discarding dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.access.tenant_scope import in_bound_scope, in_scope, scope_parameters
from service.core.areas import areas
from service.core.database.clock import real_now
from service.core.database.paging import Key, Listing, Page, contains, equals, when_true
from service.core.outbox.records import OutboxAttempt, OutboxMessage
from service.core.outbox.schemas import MessageDetail, MessageItem, MessageSummary
from service.core.problems import Conflict, NotFound
from service.core.values.states import MessageState
from service.core.values.times import TOKYO

READ, RESEND = "core:message:read", "core:message:resend"


STATE = case(
    (OutboxMessage.sent_at.is_not(None), MessageState.SENT),
    (OutboxMessage.discarded_at.is_not(None), MessageState.DISCARDED),
    (OutboxMessage.dead_at.is_not(None), MessageState.DEAD),
    (OutboxMessage.lease.is_not(None), MessageState.SENDING),
    (OutboxMessage.attempts > 0, MessageState.RETRYING),
    else_=MessageState.WAITING,
)
# Written as the conditions of the partial indexes, so that these are used.
_WHERE = {
    MessageState.SENT: OutboxMessage.sent_at.is_not(None),
    MessageState.DEAD: OutboxMessage.dead_at.is_not(None) & OutboxMessage.discarded_at.is_(None),
    MessageState.DISCARDED: OutboxMessage.discarded_at.is_not(None),
}
_OPEN = OutboxMessage.sent_at.is_(None) & OutboxMessage.dead_at.is_(None) & OutboxMessage.discarded_at.is_(None)
_ITEM = [STATE.label("state") if name == "state" else getattr(OutboxMessage, name) for name in MessageItem.model_fields]
_MESSAGES = Listing(
    select(*_ITEM).where(in_bound_scope(OutboxMessage.area, OutboxMessage.tenant_id)),
    model=MessageItem,
    unique=OutboxMessage.id,
    keys={"id": Key(OutboxMessage.id)},
    default="-id",
    filters={
        **{state: when_true(_WHERE.get(state, _OPEN & (state == STATE))) for state in MessageState},
        "topic": equals(OutboxMessage.topic),
        "area": equals(OutboxMessage.area),
        "q": contains(OutboxMessage.recipient, OutboxMessage.title),
    },
)


def dead_count(db: Session, by: Actor) -> int:
    """Messages that nobody has decided about since all tries failed."""
    return db.scalar(select(func.count()).where(_scope(by, READ), _WHERE[MessageState.DEAD])) or 0


def summary(db: Session, by: Actor) -> MessageSummary:
    """The outbox as of now, limited to messages that the user may see; sent messages are counted by Tokyo day."""
    in_user_scope = _scope(by, READ)
    now = real_now()
    today = now.astimezone(TOKYO).replace(hour=0, minute=0, second=0, microsecond=0)
    still_open = db.execute(
        select(func.count(), func.count().filter(OutboxMessage.attempts > 0), func.min(OutboxMessage.created_at)).where(
            in_user_scope, _OPEN
        )
    ).one()
    return MessageSummary(
        as_of=now,
        areas={name: area.title for name, area in areas().items() if name in by.areas_where(READ)},
        open=still_open[0],
        tried=still_open[1],
        oldest_open_at=still_open[2],
        dead=dead_count(db, by),
        sent_today=_count_sent(db, in_user_scope, today, now),
        sent_yesterday_by_now=_count_sent(db, in_user_scope, today - timedelta(days=1), now - timedelta(days=1)),
    )


def _count_sent(db: Session, in_user_scope: Any, since: datetime, until: datetime) -> int:
    statement = select(func.count()).where(
        in_user_scope, OutboxMessage.sent_at >= since, OutboxMessage.sent_at <= until
    )
    return db.scalar(statement) or 0


def page(
    db: Session,
    by: Actor,
    limit: int,
    cursor: str | None,
    *,
    state: MessageState | None = None,
    topic: str | None = None,
    area: str | None = None,
    q: str | None = None,
) -> Page[MessageItem]:
    """Messages that the user may see, newest first; filtered by state, topic, area and part of recipient or title."""
    state_filter: dict[str, Any] = {state: True} if state else {}
    parameters = scope_parameters(by, READ)
    return _MESSAGES.read(
        db, limit, cursor, item=_item, parameters=parameters, **state_filter, topic=topic, area=area, q=q
    )


def detail(db: Session, by: Actor, message_id: int) -> MessageDetail:
    """A message with its tries, the last one first.

    Raises:
        NotFound: there is none, or it is another area's or tenant's.
    """
    row = db.execute(
        _visible_messages(by).add_columns(OutboxMessage.payload).where(OutboxMessage.id == message_id)
    ).one_or_none()
    if row is None:
        raise _not_found()
    tries = db.scalars(
        select(OutboxAttempt).where(OutboxAttempt.message_id == message_id).order_by(OutboxAttempt.number.desc())
    )
    return MessageDetail.model_validate(_item(row._asdict()) | {"text": _text(row.payload), "history": list(tries)})


def resend(db: Session, by: Actor, message_id: int) -> MessageDetail:
    """Puts a dead letter back into the queue with new tries and the same key. It no longer expires, because a user
    wants it sent now. When it may have arrived, the vendor is asked first; when the vendor cannot say, it is sent.

    Raises:
        NotFound: there is none, or it is another area's or tenant's.
        Conflict: it is not a dead letter.
    """
    message = _dead_letter(db, by, message_id)
    before = {"state": MessageState.DEAD, "last_error": message.last_error, "expires_at": _iso(message.expires_at)}
    message.dead_at, message.expires_at, message.tries = None, None, 0
    message.insisted = message.in_doubt
    message.next_attempt_at = message.resent_at = real_now()
    message.decided_by = by.name
    after = {"state": MessageState.RETRYING, "expires_at": None}
    audit.record(db, by, "status_change", message.area, "message", message.id, before=before, after=after)
    db.flush()
    return detail(db, by, message.id)


def discard(db: Session, by: Actor, message_id: int, reason: str) -> MessageDetail:
    """Discards a dead letter for good. Raises as `resend`."""
    message = _dead_letter(db, by, message_id)
    message.discarded_at, message.discard_reason = real_now(), reason
    # Due once more: the next `queue.claim` closes it as discarded and calls the area's reaction.
    message.next_attempt_at, message.dead_at = message.dead_at or message.discarded_at, None
    message.decided_by = by.name
    before = {"state": MessageState.DEAD, "last_error": message.last_error}
    after = {"state": MessageState.DISCARDED, "reason": reason}
    audit.record(db, by, "status_change", message.area, "message", message.id, before=before, after=after)
    db.flush()
    return detail(db, by, message.id)


def _dead_letter(db: Session, by: Actor, message_id: int) -> OutboxMessage:
    in_user_scope = _scope(by, RESEND)
    message = db.scalars(
        select(OutboxMessage).where(in_user_scope, OutboxMessage.id == message_id).with_for_update()
    ).first()
    if message is None:
        raise _not_found()
    if message.dead_at is None or message.discarded_at is not None:
        raise Conflict(
            "この通知は「送信失敗」の状態ではありません。ほかの人がすでに操作したか、送信が進んでいます。"
            "最新の状態を確認してください。"
        )
    return message


def _visible_messages(by: Actor) -> Select[Any]:
    return select(*_ITEM).where(_scope(by, READ))


def _scope(by: Actor, permission: str) -> ColumnElement[bool]:
    return in_scope(by, permission, OutboxMessage.area, OutboxMessage.tenant_id)


def _item(row: dict[str, Any]) -> dict[str, Any]:
    # Only these states have a next try.
    has_next_attempt = row["state"] in (MessageState.WAITING, MessageState.RETRYING)
    # Discarded a moment ago: see `discard`.
    was_dead_at = row["next_attempt_at"] if row["state"] == MessageState.DISCARDED else None
    return {name: value for name, value in row.items() if name != "payload"} | {
        "next_attempt_at": row["next_attempt_at"] if has_next_attempt else None,
        "dead_at": row["dead_at"] or was_dead_at,
    }


def _text(payload: Mapping[str, Any]) -> str:
    """What the recipient reads or hears; the payload's field differs by topic."""
    return str(payload.get("body") or payload.get("text") or payload.get("task") or payload.get("name") or "")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _not_found() -> NotFound:
    return NotFound("この通知は見つかりません。一覧から選び直してください。")
