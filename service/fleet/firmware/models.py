"""Firmware images, roll-outs, and the update of each terminal (UpdateTask in the requirements document)."""

from __future__ import annotations

import uuid
from datetime import datetime, time
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.fleet.firmware.rules import UNDER_WAY, RolloutState, TaskState

_UNDER_WAY = "state IN ({})".format(", ".join(f"'{state}'" for state in UNDER_WAY))


class Firmware(Base):
    """A firmware image with the manufacturer's Ed25519 signature over its version, size and SHA-256."""

    __tablename__ = "fleet_firmwares"
    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("octet_length(signature) = 64", name="signature"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    version: Mapped[str] = mapped_column(String(20), unique=True)
    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    notes: Mapped[str] = mapped_column(String(2000), server_default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    withdrawn_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Rollout(Base):
    """Which terminals get a firmware (`targets`: customer_ids, tags, versions), in which waves (percent of all targets
    that have been offered it at the end of the wave), and the thresholds that pause it."""

    __tablename__ = "fleet_rollouts"
    __table_args__ = (
        enum_check("state", RolloutState),
        CheckConstraint(
            "success_percent BETWEEN 1 AND 100 AND error_percent BETWEEN 1 AND 100 AND error_count > 0",
            name="percents",
        ),
        Index("ix_fleet_rollouts_running", "id", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    firmware_id: Mapped[int] = mapped_column(ForeignKey("fleet_firmwares.id", ondelete="RESTRICT"), index=True)
    # The roll-out that this one rolls back.
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("fleet_rollouts.id", ondelete="RESTRICT"))
    state: Mapped[str] = mapped_column(String(20), server_default=RolloutState.DRAFT)
    targets: Mapped[dict[str, Any]] = mapped_column(JSONB)
    waves: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    wave: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    success_percent: Mapped[int] = mapped_column(SmallInteger)
    error_percent: Mapped[int] = mapped_column(SmallInteger)
    error_count: Mapped[int]
    healthy_heartbeats: Mapped[int] = mapped_column(SmallInteger)
    step_minutes: Mapped[int] = mapped_column(SmallInteger)
    # Tokyo time; offered only between these (over midnight when from > until); null: at any time.
    offer_from: Mapped[time | None]
    offer_until: Mapped[time | None]
    # Why it is paused or was aborted.
    reason: Mapped[str | None] = mapped_column(String(500))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    started_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Failures before this time were accepted by the operator who resumed it, and do not pause it again.
    resumed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class UpdateTask(Base):
    """The update of one terminal in a roll-out. After `deadline_at` its present step counts as failed."""

    __tablename__ = "fleet_update_tasks"
    __table_args__ = (
        enum_check("state", TaskState),
        UniqueConstraint("rollout_id", "terminal_id"),
        Index("ix_fleet_update_tasks_rollout_id_state", "rollout_id", "wave", "state"),
        Index("ix_fleet_update_tasks_rollout_id_wave", "rollout_id", "wave", "id"),
        Index("ix_fleet_update_tasks_deadline_at", "deadline_at", postgresql_where=text(_UNDER_WAY)),
        Index("uq_fleet_update_tasks_under_way", "terminal_id", unique=True, postgresql_where=text(_UNDER_WAY)),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    rollout_id: Mapped[int] = mapped_column(ForeignKey("fleet_rollouts.id", ondelete="RESTRICT"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("fleet_terminals.id", ondelete="RESTRICT"), index=True)
    command_id: Mapped[int | None] = mapped_column(ForeignKey("fleet_commands.id", ondelete="RESTRICT"))
    wave: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(20), server_default=TaskState.WAITING)
    step: Mapped[str | None] = mapped_column(String(30))
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    from_version: Mapped[str] = mapped_column(String(20))
    healthy: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(String(500))
    offered_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    deadline_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    proving_since: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
