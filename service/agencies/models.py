"""Agencies. Every record of an agency has its id, also in the foreign keys between records: a record cannot refer to
another agency's record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Agency(Base):
    __tablename__ = "agencies_agencies"
    __table_args__ = (
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(30), unique=True)
    referral_shop_code: Mapped[str] = mapped_column(String(30), server_default="")
    referral_shop_name: Mapped[str] = mapped_column(String(100), server_default="")
    contact_name: Mapped[str] = mapped_column(String(100), server_default="")
    phone: Mapped[str] = mapped_column(String(20), server_default="")
    mail_address: Mapped[str] = mapped_column(String(254), server_default="")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    # is_active in the specification: null is 有効.
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
