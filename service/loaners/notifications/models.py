"""A row for each device that a mail was about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base, one_of
from service.loaners.notifications.rules import Notice


class Notification(Base):
    """To whom, when, and what became of it. The outbox forgets its messages after some months; this stays, with the
    history that it belongs to. `state` and what follows are copied from the outbox; until then they are read there."""

    __tablename__ = "loaners_notifications"
    __table_args__ = (
        one_of("kind", Notice),
        UniqueConstraint("message_id", "device_id"),
        Index("ix_loaners_notifications_device_id", "device_id", "id"),
        Index("ix_loaners_notifications_event_id", "event_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    device_id: Mapped[int] = mapped_column(ForeignKey("loaners_devices.id", ondelete="RESTRICT"))
    # The form, or what began the loan. By number alone, as the message: either may have been put away.
    event_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[int] = mapped_column(BigInteger)
    recipient: Mapped[str] = mapped_column(String(400))
    title: Mapped[str] = mapped_column(String(200))
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    state: Mapped[str] = mapped_column(String(10), server_default="waiting")
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    error: Mapped[str | None] = mapped_column(Text)
