"""Scan stations: browsers that logged in with a nursery's code and password."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Station(Base):
    """A session of a device at the entrance. Its tokens expire after hours; the session ends by log-out, by staff, or
    when the nursery's password changes. All times are of the real clock, like those of the tokens."""

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
    # Created and stored by the browser. It identifies the device; it is not a credential.
    device_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    # The name that staff gave the device.
    label: Mapped[str] = mapped_column(String(50), server_default="")
    user_agent: Mapped[str] = mapped_column(String(300), server_default="")
    address: Mapped[str] = mapped_column(String(64), server_default="")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # When the last token expires; each heartbeat renews it.
    token_expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # Reported by the station with its last heartbeat.
    queue_depth: Mapped[int] = mapped_column(server_default="0")
    needs_attention: Mapped[int] = mapped_column(server_default="0")
    oldest_queued_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Seconds that its clock is ahead of the server's.
    skew_seconds: Mapped[int | None]
    app_version: Mapped[str] = mapped_column(String(20), server_default="")
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[str | None] = mapped_column(String(100))
