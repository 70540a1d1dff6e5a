"""Table of the on-call roster."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns


class Shift(RecordColumns, Base):
    """A user who is on call from `starts_at` to `ends_at`, under the number `phone` (2.3.1)."""

    __tablename__ = "reservations_shifts"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_at"),
        CheckConstraint(r"phone ~ '^\+[0-9]{8,15}$'", name="phone"),
        Index("ix_reservations_shifts_starts_at", "starts_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    phone: Mapped[str] = mapped_column(String(16))
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
