"""Incidents, their response steps and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import CIDR, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.fleet.incidents.rules import Scope
from service.fleet.rules import AlertType


class Incident(Base):
    """Alerts that belong together: the unit of work. Customer, store and network: what its members have in common."""

    __tablename__ = "fleet_incidents"
    __table_args__ = (
        enum_check("alert_type", AlertType),
        enum_check("scope", Scope),
        Index("ix_fleet_incidents_open", "opened_at", "id", postgresql_where=text("resolved_at IS NULL")),
        Index("ix_fleet_incidents_opened_at", "opened_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    alert_type: Mapped[str] = mapped_column(String(20))
    scope: Mapped[str] = mapped_column(String(20), server_default=Scope.TERMINAL)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("fleet_customers.id", ondelete="RESTRICT"), index=True)
    store_name: Mapped[str | None] = mapped_column(String(100))
    network: Mapped[str | None] = mapped_column(CIDR)
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    # When the newest alert joined; for ten minutes after that, others may join.
    joined_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    acknowledged_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    acknowledged_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    snoozed_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When the notification about it was queued.
    told_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(String(50))
    resolution: Mapped[str | None] = mapped_column(String(500))
    version: Mapped[int] = mapped_column(server_default="1")


class IncidentStep(Base):
    """One of the six response steps (requirements document 4.2). The time of the sixth starts when the fifth is
    done."""

    __tablename__ = "fleet_incident_steps"
    __table_args__ = (
        CheckConstraint("step BETWEEN 1 AND 6", name="step"),
        Index(
            "ix_fleet_incident_steps_due_at",
            "due_at",
            postgresql_where=text("done_at IS NULL AND reminded_at IS NULL"),
        ),
    )

    incident_id: Mapped[int] = mapped_column(ForeignKey("fleet_incidents.id", ondelete="RESTRICT"), primary_key=True)
    step: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    due_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    done_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    done_by: Mapped[str | None] = mapped_column(String(100))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    note: Mapped[str | None] = mapped_column(String(500))
    reminded_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class IncidentEvent(Base):
    """An event in the history of an incident. Append-only."""

    __tablename__ = "fleet_incident_events"
    __table_args__ = (Index("ix_fleet_incident_events_incident_id", "incident_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("fleet_incidents.id", ondelete="RESTRICT"))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    kind: Mapped[str] = mapped_column(String(30))
    by: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    text: Mapped[str | None] = mapped_column(String(2000))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
