"""What somebody decided about a finding."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base


class Dismissal(Base):
    """A finding that is none: 問題なし. `finding` names the check and what it is about."""

    __tablename__ = "loaners_dismissals"

    finding: Mapped[str] = mapped_column(String(200), primary_key=True)
    reason: Mapped[str] = mapped_column(String(200))
    dismissed_by: Mapped[str] = mapped_column(String(100))
    dismissed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
