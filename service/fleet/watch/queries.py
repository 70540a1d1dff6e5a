"""What the watch asks beside the incidents' own reads."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.clock import now_sql
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.incidents.queries import members_of
from service.fleet.incidents.rules import Missed, shared, where
from service.fleet.models import Alert, Terminal, TerminalState
from service.fleet.rules import Status


def total_terminals(db: Session) -> int:
    """Terminals in use: registered, not archived, heard of at least once."""
    counted = (
        select(func.count())
        .select_from(TerminalState)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(Terminal.archived_at.is_(None), TerminalState.last_heartbeat_at.is_not(None))
    )
    return db.scalar(counted) or 0


def overdue_steps(db: Session) -> list[Missed]:
    """Steps of open incidents whose time ran out and of which nobody was reminded; not while the incident sleeps, or
    while all of its terminals that are still in trouble are in maintenance."""
    waiting = (
        select(Alert.id)
        .join(TerminalState, TerminalState.terminal_id == Alert.terminal_id)
        .where(Alert.incident_id == Incident.id, ~Alert.is_resolved, TerminalState.status != Status.MAINTENANCE)
    )
    late = (
        select(IncidentStep.incident_id, IncidentStep.step)
        .join(Incident, Incident.id == IncidentStep.incident_id)
        .where(
            IncidentStep.done_at.is_(None),
            IncidentStep.reminded_at.is_(None),
            IncidentStep.due_at < now_sql(),
            Incident.resolved_at.is_(None),
            func.coalesce(Incident.snoozed_until <= now_sql(), True),
            waiting.exists(),
        )
        .order_by(IncidentStep.due_at, IncidentStep.incident_id)
    )
    rows = db.execute(late).all()
    members = members_of(db, sorted({incident_id for incident_id, _ in rows}))
    return [
        Missed(incident_id, where(shared(members[incident_id]), members[incident_id][0]), step)
        for incident_id, step in rows
    ]
