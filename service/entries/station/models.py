"""Scan stations: browsers that have logged in with a nursery's code and password."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base


class Station(Base):
    """A device at the door. Its tokens expire after hours, its session does not: it ends by log-out, by staff, or
    when the nursery's password changes. Real times throughout: tokens live by the real clock."""

    __tablename__ = "entries_stations"
    __table_args__ = (
        # One live session for each device of a nursery.
        Index(
            "uq_entries_stations_device", "nursery_id", "device_id", unique=True, postgresql_where="revoked_at IS NULL"
        ),
        CheckConstraint("queue_depth >= 0", name="queue_depth"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"))
    # Made by the browser and kept there; it names the device, it opens nothing.
    device_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    # What staff call it.
    label: Mapped[str] = mapped_column(String(50), server_default="")
    user_agent: Mapped[str] = mapped_column(String(300), server_default="")
    address: Mapped[str] = mapped_column(String(64), server_default="")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # Until when the last token counts; renewed with each heartbeat.
    token_expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # What the station said of itself with its last heartbeat.
    queue_depth: Mapped[int] = mapped_column(server_default="0")
    needs_attention: Mapped[int] = mapped_column(server_default="0")
    oldest_queued_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Seconds that its clock is ahead of ours.
    skew_seconds: Mapped[int | None]
    app_version: Mapped[str] = mapped_column(String(20), server_default="")
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[str | None] = mapped_column(String(100))
