"""Tables of partner shops and of the order in which they are called."""

from __future__ import annotations

from datetime import datetime, time

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Shop(Base):
    """A partner shop. It is called between `opens_at` and `closes_at` (Tokyo), not on its closed weekdays (ISO: 1 is
    Monday). A blacklisted shop is not called."""

    __tablename__ = "reservations_shops"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint(r"phone ~ '^\+[0-9]{8,15}$'", name="phone"),
        CheckConstraint("closes_at > opens_at", name="closes_at"),
        # For the job that looks for due manuals every minute.
        Index(
            "ix_reservations_shops_manual",
            "id",
            postgresql_where=text(
                "manual_sent_at IS NULL AND mail <> '' AND archived_at IS NULL AND blacklisted_at IS NULL"
            ),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(16))
    mail: Mapped[str] = mapped_column(String(254), server_default="")
    contact_name: Mapped[str] = mapped_column(String(100), server_default="")
    note: Mapped[str] = mapped_column(String(1000), server_default="")
    opens_at: Mapped[time] = mapped_column(server_default="09:00")
    closes_at: Mapped[time] = mapped_column(server_default="20:00")
    closed_weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default="{}")
    blacklisted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    blacklist_reason: Mapped[str | None] = mapped_column(String(500))
    # When the manual was last mailed; null: it is due.
    manual_sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class ShopService(Base):
    """A service that a shop offers, and its place in that service's order."""

    __tablename__ = "reservations_shop_services"
    __table_args__ = (Index("ix_reservations_shop_services_service_id", "service_id", "position", "shop_id"),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"), primary_key=True)
    service_id: Mapped[int] = mapped_column(
        ForeignKey("reservations_services.id", ondelete="RESTRICT"), primary_key=True
    )
    position: Mapped[int]
