"""One row for each device that a mail is about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.loaners.notifications.rules import Notice


class Notification(Base):
    """Recipient, time and delivery result of a mail. The outbox deletes its messages after some months; these rows stay
    with the history. `state`, `sent_at` and `error` are copied from the outbox; until then they are read there."""

    __tablename__ = "loaners_notifications"
    __table_args__ = (
        enum_check("kind", Notice),
        UniqueConstraint("message_id", "device_id"),
        Index("ix_loaners_notifications_device_id", "device_id", "id"),
        Index("ix_loaners_notifications_event_id", "event_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    device_id: Mapped[int] = mapped_column(ForeignKey("loaners_devices.id", ondelete="RESTRICT"))
    # The form event, or the event that started the loan. Not foreign keys: the event may be archived, and the message
    # deleted.
    event_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[int] = mapped_column(BigInteger)
    recipient: Mapped[str] = mapped_column(String(400))
    title: Mapped[str] = mapped_column(String(200))
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    state: Mapped[str] = mapped_column(String(10), server_default="waiting")
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    error: Mapped[str | None] = mapped_column(Text)
