"""Tables of weekly and monthly reports and their history."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Identity, Index, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.reservations.drafts.rules import Kind
from service.reservations.history import EventColumns


class ActivityReport(Base):
    """A report of the days `first_day` to `last_day`, both included. `figures`: `rules.Contents` at the time of
    drafting. A finished report is read-only; `pdf_id`: the file that was sent."""

    __tablename__ = "reservations_reports"
    __table_args__ = (
        UniqueConstraint("kind", "last_day", name="uq_reservations_reports_kind_last_day"),
        enum_check("kind", Kind),
        CheckConstraint("last_day >= first_day", name="last_day"),
        CheckConstraint("(finished_at IS NULL) = (finished_by IS NULL)", name="finished_by"),
        CheckConstraint("pdf_id IS NULL OR finished_at IS NOT NULL", name="pdf_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date] = mapped_column(Date)
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)
    findings: Mapped[str] = mapped_column(String(4000), server_default="")
    issues: Mapped[str] = mapped_column(String(4000), server_default="")
    next_steps: Mapped[str] = mapped_column(String(4000), server_default="")
    drafted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_by: Mapped[str | None] = mapped_column(String(100))
    pdf_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    version: Mapped[int] = mapped_column(server_default="1")


class ReportEvent(EventColumns, Base):
    """History of a report. Append-only."""

    __tablename__ = "reservations_report_events"
    __table_args__ = (Index("ix_reservations_report_events_report_id", "report_id", "id"),)

    report_id: Mapped[int] = mapped_column(ForeignKey("reservations_reports.id", ondelete="RESTRICT"))
