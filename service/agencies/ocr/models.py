"""Readings of images, one for each image that was requested to be read."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.agencies.models import request_key
from service.agencies.ocr.rules import State
from service.core.database.session import Base, enum_check


class Reading(Base):
    """At most one per image. The result is in the image's `ocr_result`; `decisions`: field → accepted or corrected."""

    __tablename__ = "agencies_readings"
    __table_args__ = (
        request_key("agencies_readings"),
        ForeignKeyConstraint(
            ["image_id", "request_id"],
            ["agencies_images.id", "agencies_images.request_id"],
            ondelete="RESTRICT",
            name="fk_agencies_readings_image_id_request_id",
        ),
        enum_check("state", State),
        CheckConstraint(
            "(state = 'reading') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until IS NULL)", "lease"
        ),
        Index(
            "ix_agencies_readings_open", "created_at", "id", postgresql_where=text("state IN ('waiting', 'reading')")
        ),
        Index("ix_agencies_readings_request_id", "request_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(BigInteger)
    request_id: Mapped[int] = mapped_column(BigInteger)
    image_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    state: Mapped[str] = mapped_column(String(10), server_default=State.WAITING.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease: Mapped[uuid.UUID | None] = mapped_column(UUID)
    # Real time, not the product's clock, as the lease of a task.
    lease_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # A message for operators: why the image could not be read.
    error: Mapped[str] = mapped_column(Text, server_default="")
    decisions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    asked_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    done_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
