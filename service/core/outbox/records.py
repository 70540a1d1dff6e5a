"""The outbox's tables, and the values that senders and areas get about a message."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Computed, ForeignKey, Identity, Index, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.session import Base

# How a try ended. `lost`: its sender died. `found`: an earlier try had arrived after all, nothing was sent again.
Outcome = Literal["sent", "found", "failed", "refused", "rate_limited", "unknown", "lost"]

OPEN = "sent_at IS NULL AND dead_at IS NULL"


class OutboxMessage(Base):
    __tablename__ = "outbox_messages"
    __table_args__ = (
        # The queue is the few open rows; the many settled ones are not in its index.
        Index("ix_outbox_messages_queue", "topic", "next_attempt_at", "id", postgresql_where=text(OPEN)),
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
    # Sent with the message (Message-ID, Idempotency-Key), so that the receiver can recognise a repeat.
    key: Mapped[uuid.UUID] = mapped_column(UUID, unique=True, server_default=func.gen_random_uuid())
    topic: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    next_attempt_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # All tries; the number of the last one.
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[uuid.UUID | None] = mapped_column(UUID)
    last_error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    dead_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When it was sent, discarded or given up; retention counts from here.
    over_at: Mapped[datetime | None] = mapped_column(
        TIMESTAMP(timezone=True), Computed("coalesce(sent_at, discarded_at, dead_at)", persisted=True)
    )
    # The owner of the message.
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    # For lists: to whom, and a one-line summary.
    recipient: Mapped[str] = mapped_column(String(400))
    title: Mapped[str] = mapped_column(String(200))
    # What it is about, for a link.
    subject: Mapped[str | None] = mapped_column(String(64))
    subject_id: Mapped[str | None] = mapped_column(String(100))
    # On the product's clock; the message is not wanted after that.
    expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # The vendor's own id of what was sent.
    external_id: Mapped[str | None] = mapped_column(String(255))
    # Tries that count for the back-off: since the message was written or a user sent it again, without rate limits.
    tries: Mapped[int] = mapped_column(default=0)
    in_doubt: Mapped[bool] = mapped_column(default=False)
    # A user chose to send it although it is unknown whether it has arrived.
    insisted: Mapped[bool] = mapped_column(default=False)
    # What a user decided last about it, and the user's name.
    resent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    discarded_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    discard_reason: Mapped[str | None] = mapped_column(String(500))
    decided_by: Mapped[str | None] = mapped_column(String(100))
    # The key of the earlier message that it belongs to.
    follows: Mapped[uuid.UUID | None] = mapped_column(UUID)


class OutboxAttempt(Base):
    """One try. Without an outcome it is under way, or its sender has just died."""

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


@dataclass(frozen=True)
class Claimed:
    """A message that a sender has leased. `earlier`: the vendor's id of the message that it follows; None when it
    follows none, or that one was never sent."""

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
    # Of the request that wrote it.
    request_id: str | None = None
    # Why it is no longer wanted although an earlier try may have arrived: the vendor is asked for it, it is not sent.
    unwanted: str | None = None


@dataclass(frozen=True)
class Settled:
    """The result of a message: the vendor has it (`sent`), it was given up (`dead`), or discarded.

    `answer`: the vendor's answer in addition to its id. `code`: the vendor's own error code. `in_doubt`: it may have
    arrived all the same. A user can still send a dead letter again; then another `Settled` follows.
    """

    message: Claimed
    outcome: Literal["sent", "dead", "discarded"]
    external_id: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    code: str | None = None
    in_doubt: bool = False


# An area's handler for settled messages, by the area's name.
Reaction = Callable[[Session, Settled], None]
NO_REACTIONS: Mapping[str, Reaction] = {}
# Returns why the area no longer wants a message, None when it does; by the area's name. It only reads and locks
# nothing.
Check = Callable[[Session, OutboxMessage], str | None]
NO_CHECKS: Mapping[str, Check] = {}
