"""Dismissed findings, and runs of the jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, String, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.loaners.upkeep.rules import Job


class Dismissal(Base):
    """A dismissed finding: 問題なし. `finding` is the check and its subject."""

    __tablename__ = "loaners_dismissals"

    finding: Mapped[str] = mapped_column(String(200), primary_key=True)
    reason: Mapped[str] = mapped_column(String(200))
    dismissed_by: Mapped[str] = mapped_column(String(100))
    dismissed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class UpkeepRun(Base):
    """A finished rotation (8.2) or check (8.3), and its report."""

    __tablename__ = "loaners_upkeep_runs"
    __table_args__ = (enum_check("job", Job), Index("ix_loaners_upkeep_runs_job", "job", "at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    report: Mapped[dict[str, Any]] = mapped_column(JSONB)
