"""Commands for agents, and the machines of a terminal."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.fleet.agents.rules import CommandName, CommandState, Fate


class Command(Base):
    """A command for an agent. It is sent in the answers to the terminal's heartbeats until the agent has reported on
    it. A terminal has at most one open command of each kind."""

    __tablename__ = "fleet_commands"
    __table_args__ = (
        enum_check("name", CommandName),
        enum_check("state", CommandState),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        CheckConstraint("(finished_at IS NULL) = (state IN ('waiting', 'accepted', 'running'))", name="finished_at"),
        Index("ix_fleet_commands_terminal_id_id", "terminal_id", "id"),
        Index("ix_fleet_commands_expires_at", "expires_at", postgresql_where=text("finished_at IS NULL")),
        Index("ix_fleet_commands_waiting", "terminal_id", postgresql_where=text("state = 'waiting'")),
        Index(
            "uq_fleet_commands_open", "terminal_id", "name", unique=True, postgresql_where=text("finished_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(30))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(String(20), server_default=CommandState.WAITING)
    step: Mapped[str | None] = mapped_column(String(30))
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    message: Mapped[str | None] = mapped_column(String(500))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # The diagnostic bundle that the agent sent.
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reported_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Device(Base):
    """A present or former machine of a terminal. The terminal keeps its id and its history when the machine is
    replaced."""

    __tablename__ = "fleet_devices"
    __table_args__ = (
        enum_check("fate", Fate),
        CheckConstraint("(removed_at IS NULL) = (fate IS NULL)", name="removed_at"),
        Index("uq_fleet_devices_placed", "terminal_id", unique=True, postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), index=True)
    serial_number: Mapped[str] = mapped_column(String(50), index=True)
    placed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    removed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    fate: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(200))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
