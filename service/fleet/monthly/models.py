"""Monthly reports."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Numeric,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class MonthlyReport(Base):
    """A month's report about one customer or, without one, about all. `month`: the first day of the month; `figures`:
    as of the draft."""

    __tablename__ = "fleet_monthly_reports"
    __table_args__ = (
        UniqueConstraint("month", "customer_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("date_trunc('month', month) = month", name="month"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    month: Mapped[date]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("fleet_customers.id", ondelete="RESTRICT"), index=True)
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # The figures that lists show.
    terminals: Mapped[int] = mapped_column(Computed("(figures ->> 'terminals')::integer", persisted=True))
    incidents: Mapped[int] = mapped_column(Computed("(figures #>> '{counts,incidents}')::integer", persisted=True))
    uptime: Mapped[Decimal | None] = mapped_column(Numeric, Computed("(figures ->> 'uptime')::numeric", persisted=True))
    pdf_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    csv_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    drafted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    sent_to: Mapped[str | None] = mapped_column(String(254))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    version: Mapped[int] = mapped_column(server_default="1")
