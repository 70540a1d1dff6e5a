"""The table of vendors' webhooks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Webhook(Base):
    """A vendor's webhook, stored once. A worker processes it later; `outcome` says with what result."""

    __tablename__ = "reservations_webhooks"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index("ix_reservations_webhooks_due", "next_try_at", postgresql_where=text("processed_at IS NULL")),
        Index("ix_reservations_webhooks_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    provider: Mapped[str] = mapped_column(String(10))
    event_id: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(100))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    processed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    reservation_id: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(500))
