"""Tables of operators' tasks (手動対応)."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.reservations.history import EventColumns
from service.reservations.operations.rules import Priority


class Operation(Base):
    """A task for operators (document 2.2). Its target time is fixed when it is opened; a reservation has at most one
    open operation of a kind."""

    __tablename__ = "reservations_operations"
    __table_args__ = (
        enum_check("priority", Priority),
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
    # When operators are to be warned that it is due soon, when they were warned, and when it was found overdue.
    warn_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    warned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    breached_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    claimed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(String(100))
    outcome: Mapped[str | None] = mapped_column(String(1000))
    version: Mapped[int] = mapped_column(server_default="1")
    # The Slack text; when it was sent and by which outbox message (`is_gathered`: one message for a burst); the message
    # that started its thread; when that message was edited to show that the task is resolved.
    notice: Mapped[str] = mapped_column(String(500), server_default="")
    told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    told_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
    thread_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
    is_gathered: Mapped[bool] = mapped_column(server_default="false")
    end_told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class OperationEvent(EventColumns, Base):
    """The history of an operation. Append-only."""

    __tablename__ = "reservations_operation_events"
    __table_args__ = (Index("ix_reservations_operation_events_operation_id", "operation_id", "id"),)

    operation_id: Mapped[int] = mapped_column(ForeignKey("reservations_operations.id", ondelete="RESTRICT"))
