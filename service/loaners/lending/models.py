"""Reminders that were sent."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, ForeignKey, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Reminder(Base):
    """A reminder of one step of a loan for one 返却予定日; each step is sent once. `step` is before, due, or overdue
    with its week. When 返却予定日 changes, the steps start again."""

    __tablename__ = "loaners_reminders"

    device_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("loaners_devices.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    # The loan's `first_event_id`.
    loan_event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    due_on: Mapped[date] = mapped_column(Date, primary_key=True)
    step: Mapped[str] = mapped_column(String(20), primary_key=True)
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
