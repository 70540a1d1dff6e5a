"""Who was reminded of what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base


class Reminder(Base):
    """One step of one loan, told once: `step` is before, due, or overdue and its week."""

    __tablename__ = "loaners_reminders"

    device_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("loaners_devices.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    # The loan's `first_event_id`.
    loan_event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    step: Mapped[str] = mapped_column(String(20), primary_key=True)
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
