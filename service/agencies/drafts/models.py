"""Drafts: one for each user, form and subject."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Draft(Base):
    """`number` counts the saves (optimistic locking): a tab with an older number gets a conflict and overwrites
    nothing."""

    __tablename__ = "agencies_drafts"
    __table_args__ = (
        # A user who changes to another agency starts with new drafts.
        UniqueConstraint("user_id", "agency_id", "form", "subject", postgresql_nulls_not_distinct=True),
        CheckConstraint("jsonb_typeof(\"values\") = 'object'", name="values"),
        Index("ix_agencies_drafts_updated_at", "updated_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    agency_id: Mapped[int | None] = mapped_column(ForeignKey("agencies_agencies.id", ondelete="RESTRICT"))
    form: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(20), server_default="")
    values: Mapped[dict[str, Any]] = mapped_column(JSONB)
    number: Mapped[int] = mapped_column(server_default="1")
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
