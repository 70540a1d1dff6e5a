"""Everything that leaves goes through here: written in the transaction that decided it, sent outside any transaction.

A message is claimed with a lease: the sender that dies loses it to the next one after `LEASE`. The lease's own random
id fences off a sender that was only slow: what it reports after its lease was taken over is ignored.

A message is *in doubt* when an earlier try may have reached the vendor (its sender died, or the answer was lost). Then
the vendor is asked before anything is sent again. What people do with messages is in `messages`.

A message may belong to an earlier one (`follows`): a reply in its thread, a change of its words. It goes out when that
one has, after those that belong to it already, and its sender is told the vendor's id of the earlier one.

An area may want to know what became of its messages: its reaction is called in the transaction that settles one. A
reaction that raises takes the settling back. Before each try an area may say that it wants a message no more (`Check`):
what was true when it was written, and even when it was last tried, may be so no longer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import structlog
from sqlalchemy import (
    BigInteger,
    Computed,
    CursorResult,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from service.core.clock import app_now, clock_shift, in_words, real_now
from service.core.db import Base

# Longer than any vendor's client takes, with time left for what is still under way to arrive there.
LEASE = timedelta(minutes=2)
# Unless its vendor says otherwise.
BACK_OFF: Sequence[timedelta] = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 3600, 3600)]
# A vendor that did not answer may still be at work: it is asked once that has settled.
DOUBT_PAUSE = timedelta(seconds=30)

# How one try ended. `lost`: its sender died. `found`: an earlier try had arrived after all, nothing was sent again.
Outcome = Literal["sent", "found", "failed", "refused", "rate_limited", "unknown", "lost"]

# Where a message keeps the id of the request that it was written in, beside what its vendor reads.
REQUEST_ID = "request_id"

_OPEN = "sent_at IS NULL AND dead_at IS NULL"


class OutboxMessage(Base):
    __tablename__ = "outbox_messages"
    __table_args__ = (
        # The queue is the few rows still open; the many that are done stay out of its index.
        Index("ix_outbox_messages_queue", "topic", "next_attempt_at", "id", postgresql_where=text(_OPEN)),
        Index(
            "ix_outbox_messages_dead",
            "area",
            "id",
            postgresql_where=text("dead_at IS NOT NULL AND discarded_at IS NULL"),
        ),
        Index("ix_outbox_messages_sent", "area", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
        Index(
            "ix_outbox_messages_follows",
            "follows",
            "id",
            postgresql_where=text("follows IS NOT NULL AND sent_at IS NULL AND dead_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # Goes out with the message (Message-ID, Idempotency-Key), so that the receiver can tell a repeat.
    key: Mapped[uuid.UUID] = mapped_column(UUID, unique=True, server_default=func.gen_random_uuid())
    topic: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    next_attempt_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # All tries, which number the history.
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[uuid.UUID | None] = mapped_column(UUID)
    last_error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    dead_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Since when nothing comes of it by itself any more; retention counts from here.
    over_at: Mapped[datetime | None] = mapped_column(
        TIMESTAMP(timezone=True), Computed("coalesce(sent_at, discarded_at, dead_at)", persisted=True)
    )
    # Whose message it is.
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    # For people: to whom, and what it says in a line.
    recipient: Mapped[str] = mapped_column(String(400))
    title: Mapped[str] = mapped_column(String(200))
    # What it is about, so that a page can lead there.
    subject: Mapped[str | None] = mapped_column(String(64))
    subject_id: Mapped[str | None] = mapped_column(String(100))
    # On the product's clock; past it nobody wants the message any more.
    expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The vendor's own id of what was sent.
    external_id: Mapped[str | None] = mapped_column(String(255))
    # Tries that count against the vendor's pauses: since it was written or a person sent it again, without rate limits.
    tries: Mapped[int] = mapped_column(default=0)
    in_doubt: Mapped[bool] = mapped_column(default=False)
    # A person chose to send it although nobody can say whether it arrived.
    insisted: Mapped[bool] = mapped_column(default=False)
    # What a person last decided about it, and who.
    resent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    discarded_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    discard_reason: Mapped[str | None] = mapped_column(String(500))
    decided_by: Mapped[str | None] = mapped_column(String(100))
    # The key of the message that it belongs to.
    follows: Mapped[uuid.UUID | None] = mapped_column(UUID)


class OutboxAttempt(Base):
    """One try. Without an outcome it is under way, or its sender died a moment ago."""

    __tablename__ = "outbox_attempts"
    __table_args__ = (UniqueConstraint("message_id", "number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("outbox_messages.id", ondelete="CASCADE"))
    # The message's, for row-level security.
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    number: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)


# Those that are still to go out before one that belongs to an earlier message.
_before = aliased(OutboxMessage)
_WAITS = (
    select(_before.id)
    .where(_before.sent_at.is_(None), _before.dead_at.is_(None))
    .where(
        or_(
            _before.key == OutboxMessage.follows,
            and_(_before.follows == OutboxMessage.follows, _before.id < OutboxMessage.id),
        )
    )
    .correlate(OutboxMessage)
    .exists()
)
_MAY_GO = or_(OutboxMessage.follows.is_(None), ~_WAITS)


@dataclass(frozen=True)
class Claimed:
    """A message on loan to one sender. `earlier`: the vendor's id of the message that it belongs to; None when it
    belongs to none, or that one never went out."""

    id: int
    key: uuid.UUID
    topic: str
    payload: Mapping[str, Any]
    created_at: datetime
    lease: uuid.UUID
    attempt: int
    tries: int
    in_doubt: bool
    insisted: bool
    expires_at: datetime | None
    expired: bool
    area: str
    tenant_id: int | None
    subject: str | None
    subject_id: str | None
    earlier: str | None = None
    # Of the request that it was written in.
    request_id: str | None = None
    # Why nobody wants it any more, though an earlier try may have arrived: it is looked for, never sent again.
    unwanted: str | None = None


@dataclass(frozen=True)
class Settled:
    """What became of a message: the vendor has it, it was given up, or a person put a dead letter aside.

    `answer`: what the vendor said beside its id. `code`: the vendor's own name for why not. `in_doubt`: it may have
    arrived all the same. A dead letter may still be sent again by a person; then another one follows.
    """

    message: Claimed
    outcome: Literal["sent", "dead", "discarded"]
    external_id: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    code: str | None = None
    in_doubt: bool = False


# What an area makes of it, by the area's name.
Reaction = Callable[[Session, Settled], None]
NO_REACTIONS: Mapping[str, Reaction] = {}
# Why a message of the area's own is wanted no more; None: it is. By the area's name. It reads and locks nothing.
Check = Callable[[Session, OutboxMessage], str | None]
NO_CHECKS: Mapping[str, Check] = {}

log = structlog.get_logger()


def publish(
    db: Session,
    topic: str,
    payload: Mapping[str, Any],
    *,
    area: str,
    recipient: str,
    title: str,
    tenant_id: int | None = None,
    about: tuple[str, object] | None = None,
    expires_at: datetime | None = None,
    not_before: datetime | None = None,
    tries: int = 0,
    follows: uuid.UUID | None = None,
) -> OutboxMessage:
    """`recipient` and `title` are what people read in lists; `about` is what it concerns, as (subject, id).

    `not_before` is on the product's clock as it stands now. `tries`: those that an earlier message about the same has
    used up already. `follows`: the key of the message of the same topic that it belongs to.
    """
    subject, subject_id = about or (None, None)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    message = OutboxMessage(
        topic=topic,
        payload=dict(payload) | ({REQUEST_ID: request_id} if request_id else {}),
        area=area,
        tenant_id=tenant_id,
        recipient=recipient[:400],
        title=" ".join(title.split())[:200],
        subject=subject,
        subject_id=None if subject_id is None else str(subject_id)[:100],
        expires_at=expires_at,
        tries=tries,
        follows=follows,
    )
    if not_before is not None:
        message.next_attempt_at = not_before - clock_shift(db)
    db.add(message)
    return message


def is_known(db: Session, key: uuid.UUID) -> bool:
    """Messages are forgotten in the end (retention), and those written after a backup with the database it replaces."""
    return bool(db.scalar(select(exists().where(OutboxMessage.key == key))))


def topics_due(db: Session) -> list[str]:
    """The kinds of messages that wait for a sender now."""
    due = and_(text(_OPEN), OutboxMessage.next_attempt_at <= real_now())
    return sorted(db.scalars(select(OutboxMessage.topic).where(due, _MAY_GO).distinct()))


def claim(
    db: Session,
    topic: str,
    back_off: Sequence[timedelta] = BACK_OFF,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
    checks: Mapping[str, Check] = NO_CHECKS,
) -> Claimed | None:
    """The topic's message due longest, on loan for `LEASE`. Commit before sending: the lease must hold before anything
    leaves.

    One at a time: a batch would keep its last message waiting longer than the lease lasts. A message that expired, or
    whose senders died so often that its tries are used up, is a dead letter; one that its area wants no more is put
    aside, unless it may have arrived already.
    """
    now, product_now = real_now(), app_now(db)
    due = (
        select(OutboxMessage)
        .where(text(_OPEN), OutboxMessage.topic == topic, OutboxMessage.next_attempt_at <= now, _MAY_GO)
        .order_by(OutboxMessage.next_attempt_at, OutboxMessage.id)
        .limit(1)
        .with_for_update(of=OutboxMessage, skip_locked=True)
    )
    while (message := db.scalars(due).one_or_none()) is not None:
        if message.lease is not None:
            lost = "送信の途中で処理が止まりました。届いたかどうかは分かりません。"
            _end_attempt(db, message.id, message.attempts, "lost", lost)
            message.in_doubt, message.lease, message.last_error = True, None, lost
        unwanted = _unwanted(db, message, checks)
        if unwanted and not message.in_doubt and message.discarded_at is None:
            message.discarded_at, message.discard_reason = now, unwanted
        expired = message.expires_at is not None and message.expires_at <= product_now
        given_up = (expired and not message.in_doubt) or message.tries > len(back_off)
        if given_up or message.discarded_at is not None:
            _bury(db, message, expired, reactions)
            continue
        message.lease, message.next_attempt_at = uuid.uuid4(), now + LEASE
        message.attempts += 1
        message.tries += 1
        db.add(
            OutboxAttempt(
                message_id=message.id,
                area=message.area,
                tenant_id=message.tenant_id,
                number=message.attempts,
                started_at=now,
            )
        )
        return replace(_on_loan(message, message.lease, expired, _earlier(db, message)), unwanted=unwanted)
    return None


def _earlier(db: Session, message: OutboxMessage) -> str | None:
    if message.follows is None:
        return None
    return db.scalar(select(OutboxMessage.external_id).where(OutboxMessage.key == message.follows))


def _unwanted(db: Session, message: OutboxMessage, checks: Mapping[str, Check]) -> str | None:
    """A check that fails holds nothing up: the message is sent."""
    check = checks.get(message.area)
    if check is None or message.discarded_at is not None:
        return None
    try:
        with db.begin_nested():
            return check(db, message)
    except Exception:
        log.exception("no check of a message", area=message.area, topic=message.topic, key=str(message.key))
        return None


def _bury(db: Session, message: OutboxMessage, expired: bool, reactions: Mapping[str, Reaction]) -> None:
    """No sender gets this one any more. A reaction that fails must not hold up the messages behind it: the message
    waits for as long as one that is on loan."""
    try:
        with db.begin_nested():
            if message.discarded_at is None:
                message.dead_at = real_now()
                if expired and message.expires_at is not None:
                    message.last_error = expiry_in_words(message.expires_at)
            else:
                message.dead_at = min(message.next_attempt_at, message.discarded_at)
            db.flush()  # so that it is no longer found
            outcome: Literal["dead", "discarded"] = "discarded" if message.discarded_at else "dead"
            # A loan of nobody's: it cannot be settled once more.
            loan = _on_loan(message, uuid.uuid4(), expired)
            _react(db, Settled(loan, outcome, error=message.last_error, in_doubt=message.in_doubt), reactions)
    except Exception:
        log.exception("no reaction to a dead letter", area=message.area, topic=message.topic, key=str(message.key))
        message.next_attempt_at = real_now() + LEASE
        db.flush()


def _on_loan(message: OutboxMessage, lease: uuid.UUID, expired: bool, earlier: str | None = None) -> Claimed:
    return Claimed(
        id=message.id,
        key=message.key,
        topic=message.topic,
        payload=message.payload,
        created_at=message.created_at,
        lease=lease,
        attempt=message.attempts,
        tries=message.tries,
        in_doubt=message.in_doubt,
        insisted=message.insisted,
        expires_at=message.expires_at,
        expired=expired,
        area=message.area,
        tenant_id=message.tenant_id,
        subject=message.subject,
        subject_id=message.subject_id,
        earlier=earlier,
        request_id=message.payload.get(REQUEST_ID),
    )


def expiry_in_words(expires_at: datetime) -> str:
    return f"有効期限（{in_words(expires_at)}）を過ぎたため、送信しませんでした。"


def sent(
    db: Session,
    message: Claimed,
    external_id: str | None = None,
    *,
    found: bool = False,
    answer: Mapping[str, Any] | None = None,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
) -> bool:
    """`found`: the vendor had it already. False when the lease had passed to another sender meanwhile."""
    values = {"sent_at": real_now(), "last_error": None, "in_doubt": False, "external_id": external_id}
    settled = _settle(db, message, "found" if found else "sent", None, values)
    if settled:
        _react(db, Settled(message, "sent", external_id, answer or {}), reactions)
    return settled


def failed(
    db: Session,
    message: Claimed,
    error: str,
    *,
    permanent: bool = False,
    in_doubt: bool = False,
    code: str | None = None,
    back_off: Sequence[timedelta] = BACK_OFF,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
) -> bool:
    """Back to the queue after a pause, or, for good, among the dead letters. `in_doubt`: it may have arrived.
    False as in `sent`."""
    outcome: Outcome = "unknown" if in_doubt else "refused" if permanent else "failed"
    dead = permanent or message.tries > len(back_off)
    if dead:
        end: dict[str, Any] = {"dead_at": real_now()}
    else:
        pause = back_off[message.tries - 1]
        end = {"next_attempt_at": real_now() + (max(pause, DOUBT_PAUSE) if in_doubt else pause)}
    settled = _settle(db, message, outcome, error, end | {"in_doubt": in_doubt})
    if settled and dead:
        _react(db, Settled(message, "dead", error=error, code=code, in_doubt=in_doubt), reactions)
    return settled


def withdraw(db: Session, keys: Iterable[uuid.UUID], reason: str) -> list[uuid.UUID]:
    """Puts aside what nobody has begun to send and nobody wants any more; which ones that still was possible for. A
    reaction hears of each (`discarded`).

    One that a worker has in hand this moment is left to it: waiting for it could wait for each other, because its
    reaction may want the rows that this transaction holds.
    """
    now = real_now()
    idle = (
        select(OutboxMessage.id)
        .where(text(_OPEN), OutboxMessage.key.in_(list(keys)))
        .where(OutboxMessage.lease.is_(None), ~OutboxMessage.in_doubt, OutboxMessage.discarded_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    return list(
        db.scalars(
            update(OutboxMessage)
            .where(OutboxMessage.id.in_(idle))
            .values(discarded_at=now, discard_reason=reason, next_attempt_at=now)
            .returning(OutboxMessage.key)
            .execution_options(synchronize_session=False)
        )
    )


def rate_limited(db: Session, message: Claimed, error: str, retry_after: timedelta) -> bool:
    """Back to the queue until the vendor takes messages again, and every other waiting message of the topic with it:
    they would only be turned away too. It does not count as a try. False as in `sent`."""
    until = real_now() + retry_after
    back = {"next_attempt_at": until, "tries": message.tries - 1, "in_doubt": message.in_doubt}
    settled = _settle(db, message, "rate_limited", error, back)
    if settled:
        db.execute(
            update(OutboxMessage)
            .where(text(_OPEN), OutboxMessage.topic == message.topic, OutboxMessage.lease.is_(None))
            .where(OutboxMessage.next_attempt_at < until)
            .values(next_attempt_at=until)
        )
    return settled


def _react(db: Session, settled: Settled, reactions: Mapping[str, Reaction]) -> None:
    reaction = reactions.get(settled.message.area)
    if reaction is not None:
        reaction(db, settled)


def _settle(db: Session, message: Claimed, outcome: Outcome, error: str | None, values: Mapping[str, Any]) -> bool:
    error = error[:2000] if error else None
    done = db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message.id, OutboxMessage.lease == message.lease)
        .values({"lease": None, "last_error": error} | dict(values))
    )
    settled = cast("CursorResult[Any]", done).rowcount == 1
    if settled:
        _end_attempt(db, message.id, message.attempt, outcome, error)
    return settled


def _end_attempt(db: Session, message_id: int, number: int, outcome: Outcome, error: str | None) -> None:
    db.execute(
        update(OutboxAttempt)
        .where(OutboxAttempt.message_id == message_id, OutboxAttempt.number == number)
        .values(ended_at=real_now(), outcome=outcome, error=error)
    )
