"""Tables of services and their plans (sizes with prices)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Service(Base):
    """A type of service that customers request by name."""

    __tablename__ = "reservations_services"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z0-9-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), server_default="")
    position: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Plan(Base):
    """A size of a service with its price in yen. A reservation keeps the price at which it was made."""

    __tablename__ = "reservations_plans"
    __table_args__ = (
        UniqueConstraint("service_id", "code"),
        UniqueConstraint("id", "service_id", name="uq_reservations_plans_id_service_id"),
        CheckConstraint("code ~ '^[a-z0-9-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("price BETWEEN 50 AND 9999999", name="price"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("reservations_services.id", ondelete="RESTRICT"))
    code: Mapped[str] = mapped_column(String(30))
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[int]
    position: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
