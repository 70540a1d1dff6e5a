"""What was measured by the minute, the alarms it led to, and the incidents it speaks for.

Measures and alarms are on real time, as the machines that they are about; proposals on the product's.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base, one_of
from service.reservations.alarms.rules import Case, Kind


class Measure(Base):
    """A minute: means of CPU and memory in percent, of the busiest machine, over `samples` looks; the least and the
    most that waited; of the last look what that was (`queries.Waiting`)."""

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
    """From when something was wrong until when it was well again. Of a kind there is one open alarm at a time."""

    __tablename__ = "reservations_alarms"
    __table_args__ = (
        one_of("kind", Kind),
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
    # What the figure was made of when it began.
    detail: Mapped[str] = mapped_column(String(500), server_default="")
    # The message of the outbox that told of it, and when its thread last heard that it goes on.
    told_key: Mapped[uuid.UUID] = mapped_column(UUID)
    told_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Proposal(Base):
    """An incident that the figures speak for, until people open it or say why not; one of a kind at a time."""

    __tablename__ = "reservations_incident_proposals"
    __table_args__ = (
        one_of("kind", Case),
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
    # The figures in words: what an incident's 影響範囲 begins with.
    impact: Mapped[str] = mapped_column(String(2000))
    # Since when the figures no longer speak for it.
    calm_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    told_key: Mapped[uuid.UUID] = mapped_column(UUID)
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    decided_by: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(String(500), server_default="")
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_incidents.id", ondelete="RESTRICT"))
