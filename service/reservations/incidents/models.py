"""Tables of incidents, their steps and history, and the recipients of status SMS."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, Text, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.reservations.history import EventColumns
from service.reservations.incidents.rules import Level, Mark

_INCIDENT = "reservations_incidents.id"


class Incident(Base):
    """The items of 5.3.1. `recovered_at`: when the service was restored; `resolved_at`: when staff recorded that."""

    __tablename__ = "reservations_incidents"
    __table_args__ = (
        enum_check("level", Level),
        CheckConstraint("recovered_at >= detected_at", name="recovered_at"),
        Index("ix_reservations_incidents_detected_at", "detected_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(10))
    detected_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    impact: Mapped[str] = mapped_column(String(2000), server_default="")
    cause: Mapped[str] = mapped_column(String(2000), server_default="")
    response: Mapped[str] = mapped_column(String(2000), server_default="")
    recovered_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    prevention: Mapped[str] = mapped_column(String(2000), server_default="")
    # ポストモーテム or インシデントレポート.
    report: Mapped[str] = mapped_column(Text, server_default="")
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    opened_by: Mapped[str] = mapped_column(String(100))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(server_default="1")


class IncidentMark(Base):
    """A step with its deadline, and who did it. `notify_at`: when its one notification is due."""

    __tablename__ = "reservations_incident_marks"
    __table_args__ = (
        enum_check("mark", Mark),
        Index("ix_reservations_incident_marks_open", "due_at", postgresql_where=text("done_at IS NULL")),
        Index(
            "ix_reservations_incident_marks_notify",
            "notify_at",
            postgresql_where=text("done_at IS NULL AND notified_at IS NULL"),
        ),
    )

    incident_id: Mapped[int] = mapped_column(ForeignKey(_INCIDENT, ondelete="RESTRICT"), primary_key=True)
    mark: Mapped[str] = mapped_column(String(20), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    notify_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    notified_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    done_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    done_by: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(String(1000), server_default="")


class IncidentEvent(EventColumns, Base):
    """History of an incident. Append-only."""

    __tablename__ = "reservations_incident_events"
    __table_args__ = (Index("ix_reservations_incident_events_incident_id", "incident_id", "id"),)

    incident_id: Mapped[int] = mapped_column(ForeignKey(_INCIDENT, ondelete="RESTRICT"))


class IncidentText(Base):
    """A customer who was sent the status SMS: one SMS per incident and phone number, however many reservations.
    Append-only."""

    __tablename__ = "reservations_incident_texts"

    incident_id: Mapped[int] = mapped_column(ForeignKey(_INCIDENT, ondelete="RESTRICT"), primary_key=True)
    phone: Mapped[str] = mapped_column(String(16), primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey("reservations_reservations.id", ondelete="RESTRICT"))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
