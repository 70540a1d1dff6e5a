"""What staff entered about a child's day."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.entries.models import of_same_nursery
from service.entries.rules import Presence


class Attendance(Base):
    __tablename__ = "entries_attendances"
    __table_args__ = (
        enum_check("presence", Presence),
        of_same_nursery("child_id", "entries_children"),
        Index("ix_entries_attendances_nursery_id_day", "nursery_id", "day"),
    )

    child_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    nursery_id: Mapped[int] = mapped_column(BigInteger)
    # None: staff entered only a note.
    presence: Mapped[str | None] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(String(500), server_default="")
    version: Mapped[int] = mapped_column(server_default="1")
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_by: Mapped[str] = mapped_column(String(100))
