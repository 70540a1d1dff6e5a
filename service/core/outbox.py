"""Everything that leaves goes through here: written in the transaction that decided it, sent outside any transaction.

A message is claimed with a lease: the sender that dies loses it to the next one after `LEASE`. The lease's own random
id fences off a sender that was only slow: what it reports after its lease was taken over is ignored.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import BigInteger, CursorResult, Identity, Index, String, Text, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.clock import real_now
from service.core.db import Base

LEASE = timedelta(minutes=2)
BACK_OFF = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 3600, 3600)]


class OutboxMessage(Base):
    __tablename__ = "outbox_messages"
    __table_args__ = (
        # The queue is the few rows still open; the many that are done stay out of its index.
        Index(
            "ix_outbox_messages_due", "next_attempt_at", postgresql_where=text("sent_at IS NULL AND dead_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # Goes out with the message (Message-ID, Idempotency-Key), so that the receiver can tell a repeat.
    key: Mapped[uuid.UUID] = mapped_column(UUID, unique=True, server_default=func.gen_random_uuid())
    topic: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    next_attempt_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[uuid.UUID | None] = mapped_column(UUID)
    last_error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    dead_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


@dataclass(frozen=True)
class Claimed:
    """A message on loan to one sender."""

    id: int
    key: uuid.UUID
    topic: str
    payload: Mapping[str, Any]
    lease: uuid.UUID
    attempt: int


def publish(db: Session, topic: str, payload: Mapping[str, Any]) -> None:
    db.add(OutboxMessage(topic=topic, payload=dict(payload)))


def claim(db: Session) -> Claimed | None:
    """The message due longest, on loan for `LEASE`. Commit before sending: the lease must hold before anything leaves.

    One at a time: a batch would keep its last message waiting longer than the lease lasts. A message whose senders
    died so often that its tries are used up is a dead letter.
    """
    now = real_now()
    due = (
        select(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.dead_at.is_(None), OutboxMessage.next_attempt_at <= now)
        .order_by(OutboxMessage.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    while (message := db.scalars(due).one_or_none()) is not None:
        if message.attempts > len(BACK_OFF):
            message.dead_at = now
            db.flush()  # so that it is no longer found
            continue
        message.lease, message.next_attempt_at = uuid.uuid4(), now + LEASE
        message.attempts += 1
        return Claimed(message.id, message.key, message.topic, message.payload, message.lease, message.attempts)
    return None


def sent(db: Session, message: Claimed) -> bool:
    """False when the lease had passed to another sender meanwhile."""
    return _settle(db, message, sent_at=real_now(), last_error=None)


def failed(db: Session, message: Claimed, error: str, *, permanent: bool = False) -> bool:
    """Back to the queue after a pause, or, for good, among the dead letters. False as in `sent`."""
    if permanent or message.attempt > len(BACK_OFF):
        return _settle(db, message, dead_at=real_now(), last_error=error[:2000])
    return _settle(db, message, next_attempt_at=real_now() + BACK_OFF[message.attempt - 1], last_error=error[:2000])


def _settle(db: Session, message: Claimed, **values: Any) -> bool:
    done = db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message.id, OutboxMessage.lease == message.lease)
        .values(lease=None, **values)
    )
    return cast("CursorResult[Any]", done).rowcount == 1
