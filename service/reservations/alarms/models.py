"""Tables of measurements per minute, alarms and proposed incidents.

Measures and alarms use real time, like the machines; proposals use the product's clock.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.reservations.alarms.rules import Case, Kind


class Measure(Base):
    """A minute: means of CPU and memory in percent of the busiest machine over `samples` samples; the minimum and
    maximum backlog; the backlog's parts in the last sample (`queries.Backlog`)."""

    __tablename__ = "reservations_measures"

    minute: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    cpu: Mapped[float | None] = mapped_column(Double)
    memory: Mapped[float | None] = mapped_column(Double)
    samples: Mapped[int]
    queue_least: Mapped[int]
    queue_most: Mapped[int]
    waiting_ticks: Mapped[int]
    waiting_outbox: Mapped[int]
    waiting_inbox: Mapped[int]
    waiting_flow: Mapped[int]


class Alarm(Base):
    """An alarm from its begin to its end. There is at most one open alarm of a kind."""

    __tablename__ = "reservations_alarms"
    __table_args__ = (
        enum_check("kind", Kind),
        CheckConstraint("over_at >= begun_at", name="over_at"),
        Index("uq_reservations_alarms_open", "kind", unique=True, postgresql_where=text("over_at IS NULL")),
        Index("ix_reservations_alarms_begun_at", "begun_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    begun_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    over_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    worst: Mapped[float] = mapped_column(Double)
    latest: Mapped[float] = mapped_column(Double)
    # The parts of the figure when the alarm began.
    detail: Mapped[str] = mapped_column(String(500), server_default="")
    # The outbox message about the alarm, and when its thread was last notified that it continues.
    told_key: Mapped[uuid.UUID] = mapped_column(UUID)
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Proposal(Base):
    """A proposed incident, until a user opens it or dismisses it with a reason; at most one open proposal of a kind."""

    __tablename__ = "reservations_incident_proposals"
    __table_args__ = (
        enum_check("kind", Case),
        Index(
            "uq_reservations_incident_proposals_open",
            "kind",
            unique=True,
            postgresql_where=text("decided_at IS NULL"),
        ),
        Index("ix_reservations_incident_proposals_kind", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    found_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    title: Mapped[str] = mapped_column(String(200))
    # The figures as text: the start of the incident's 影響範囲.
    impact: Mapped[str] = mapped_column(String(2000))
    # Since when the figures are normal again.
    calm_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    told_key: Mapped[uuid.UUID] = mapped_column(UUID)
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    decided_by: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(String(500), server_default="")
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_incidents.id", ondelete="RESTRICT"))
