"""The queue of 手動対応."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base, one_of
from service.reservations.operations.rules import Priority


class Operation(Base):
    """Something that people have to do (document 2.2). Its target is fixed when it is opened; of a reservation there is
    one open operation of a kind at a time."""

    __tablename__ = "reservations_operations"
    __table_args__ = (
        one_of("priority", Priority),
        Index(
            "uq_reservations_operations_open",
            "reservation_id",
            "kind",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_reservations_operations_open", "due_at", "id", postgresql_where=text("resolved_at IS NULL")),
        Index("ix_reservations_operations_opened_at", "opened_at", "id"),
        Index("ix_reservations_operations_reservation_id", "reservation_id", "id"),
        Index("ix_reservations_operations_untold", "id", postgresql_where=text("told_at IS NULL")),
        Index("ix_reservations_operations_gathered", "told_key", "id", postgresql_where=text("is_gathered")),
        Index(
            "ix_reservations_operations_end_untold",
            "id",
            postgresql_where=text("resolved_at IS NOT NULL AND told_key IS NOT NULL AND end_told_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reservation_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_reservations.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(30))
    priority: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str] = mapped_column(String(2000), server_default="")
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    due_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # When people are warned that it will be late, and when they were; when it was found to be late.
    warn_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    warned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    breached_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    claimed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(String(100))
    outcome: Mapped[str | None] = mapped_column(String(1000))
    version: Mapped[int] = mapped_column(server_default="1")
    # What Slack is told of it; when it was, and by which message of the outbox (with others that were gathered in one);
    # the message whose thread it stands in; when that message was told that it is done.
    notice: Mapped[str] = mapped_column(String(500), server_default="")
    told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    told_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
    thread_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
    is_gathered: Mapped[bool] = mapped_column(server_default="false")
    end_told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class OperationEvent(Base):
    """What somebody did about it. Rows are only added."""

    __tablename__ = "reservations_operation_events"
    __table_args__ = (Index("ix_reservations_operation_events_operation_id", "operation_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    operation_id: Mapped[int] = mapped_column(ForeignKey("reservations_operations.id", ondelete="RESTRICT"))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    kind: Mapped[str] = mapped_column(String(30))
    by: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    text: Mapped[str | None] = mapped_column(String(2000))
