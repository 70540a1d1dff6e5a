"""A stocktake of a room's devices, and the result for each device."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Stocktake(Base):
    """A stocktake of a site, or of one of its rooms (free text). `closed_at` None: open."""

    __tablename__ = "loaners_stocktakes"
    __table_args__ = (Index("ix_loaners_stocktakes_started_at", "started_at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("loaners_sites.id", ondelete="RESTRICT"))
    room: Mapped[str] = mapped_column(String(100), server_default="")
    started_by: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    closed_by: Mapped[str | None] = mapped_column(String(100))
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Counted(Base):
    """A device that was expected or scanned. Scanned but not expected: misplaced; expected but not scanned: missing. An
    unknown number has no device."""

    __tablename__ = "loaners_counted"
    __table_args__ = (
        Index(
            "uq_loaners_counted_device_id",
            "stocktake_id",
            "device_id",
            unique=True,
            postgresql_where="device_id IS NOT NULL",
        ),
        Index(
            "uq_loaners_counted_scanned",
            "stocktake_id",
            "scanned",
            unique=True,
            postgresql_where="device_id IS NULL",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    stocktake_id: Mapped[int] = mapped_column(ForeignKey("loaners_stocktakes.id", ondelete="CASCADE"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("loaners_devices.id", ondelete="RESTRICT"))
    expected: Mapped[bool]
    # The scanned text: number or URL.
    scanned: Mapped[str] = mapped_column(String(300), server_default="")
    scanned_by: Mapped[str | None] = mapped_column(String(100))
    scanned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Why the device is missing or misplaced.
    note: Mapped[str] = mapped_column(String(200), server_default="")
