"""Tables of counted months and days, and of management reports."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class _Counts:
    """The columns of `figures.rules.Counts`."""

    requested: Mapped[int]
    confirmed: Mapped[int]
    failed: Mapped[int]
    completed: Mapped[int]
    cancelled: Mapped[int]
    links_paid: Mapped[int]
    links_unpaid: Mapped[int]
    paid: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)


class MonthCounts(_Counts, Base):
    """A month in Tokyo time, by its first day: the sum of its days."""

    __tablename__ = "reservations_months"
    __table_args__ = (CheckConstraint("date_trunc('month', month) = month", name="month"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    month: Mapped[date] = mapped_column(unique=True)
    counted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # 手動対応 that began in the month.
    operations: Mapped[int]


class DayCounts(_Counts, Base):
    """The counts of a day by service and shop. Without a shop: no shop has accepted yet, or an unlisted one has."""

    __tablename__ = "reservations_days"
    __table_args__ = (UniqueConstraint("day", "service_id", "shop_id", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date]
    service_id: Mapped[int] = mapped_column(ForeignKey("reservations_services.id", ondelete="RESTRICT"))
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"))


class ManagementReport(Base):
    """A requested report of a month, which a job sends. `is_automatic`: requested by the nightly count, not by a user.
    `recipients`: the addresses it was sent to; empty when no manager had an address."""

    __tablename__ = "reservations_management_reports"
    __table_args__ = (
        CheckConstraint("date_trunc('month', month) = month", name="month"),
        Index(
            "uq_reservations_management_reports_automatic",
            "month",
            unique=True,
            postgresql_where=text("is_automatic"),
        ),
        Index("ix_reservations_management_reports_open", "id", postgresql_where=text("sent_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    month: Mapped[date]
    is_automatic: Mapped[bool]
    asked_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    asked_by: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(String(254)), server_default="{}")
    pdf_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
