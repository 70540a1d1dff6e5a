"""Maintenance windows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Maintenance(Base):
    """Work at a terminal, planned from `starts_at` to `ends_at`. `begun_at`, `ended_at`: when the watch (or a user)
    actually began and ended it."""

    __tablename__ = "fleet_maintenances"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_at"),
        Index("ix_fleet_maintenances_terminal_id", "terminal_id", "starts_at"),
        Index("ix_fleet_maintenances_open", "starts_at", postgresql_where=text("ended_at IS NULL")),
        Index(
            "uq_fleet_maintenances_under_way",
            "terminal_id",
            unique=True,
            postgresql_where=text("begun_at IS NOT NULL AND ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"))
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    reason: Mapped[str] = mapped_column(String(200))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    begun_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_by: Mapped[str | None] = mapped_column(String(100))
