"""Every write of maintenance windows. A window mutes alerts, not the monitoring: heartbeats are stored and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now, now_sql
from service.core.problems import Conflict, Invalid
from service.fleet.actions import record_terminal_events
from service.fleet.hours.queries import next_alert_at
from service.fleet.incidents.actions import record_event
from service.fleet.incidents.models import Incident
from service.fleet.incidents.rules import SYSTEM
from service.fleet.maintenance import queries, rules, schemas
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Liveness, TerminalState
from service.fleet.rules import AREA, Status, silence_allowed
from service.fleet.settings import settings

_LOCK = "fleet.maintenance"


def plan(db: Session, by: Actor, new: schemas.NewMaintenance) -> list[int]:
    """Plans a window for each of the terminals. A window that starts now begins at once.

    Raises:
        Invalid: neither terminals nor a customer are set, or both; or the times are out of bounds.
        NotFound: a terminal does not exist or is archived.
        Conflict: a terminal already has a window in that time; then nothing is planned.
    """
    if (new.terminal_ids is None) == (new.customer_id is None) or (new.store and new.customer_id is None):
        raise Invalid(
            "対象を、端末（terminal_ids）か、顧客企業（customer_id）と店舗（store）のどちらかで指定してください。"
        )
    now = app_now(db)
    starts_at = new.starts_at or now
    if error := rules.window_error(starts_at, new.ends_at, now):
        raise Invalid(error[1], [error])
    terminals = queries.lock_selected_terminals(db, new)
    if overlapping := queries.overlapping_serials(db, list(terminals), starts_at, new.ends_at):
        more = f" ほか{len(overlapping) - 1}台" if len(overlapping) > 1 else ""
        raise Conflict(
            f"この時間には、すでにメンテナンスの予定があります（{overlapping[0]}{more}）。予定を確認してください。"
        )
    common = {"starts_at": starts_at, "ends_at": new.ends_at, "reason": new.reason, "user_id": by.user_id}
    rows = [{"terminal_id": terminal_id} | common for terminal_id in terminals]
    windows = list(db.scalars(insert(Maintenance).returning(Maintenance, sort_by_parameter_order=True), rows))
    times = {"starts_at": starts_at.isoformat(), "ends_at": new.ends_at.isoformat(), "reason": new.reason}
    entries = ((window.id, None, {"serial_number": terminals[window.terminal_id]} | times) for window in windows)
    audit.record_many(db, by, "create", AREA.name, "maintenance", entries)
    if starts_at <= now:
        _begin_windows(db, windows)
    else:
        record_terminal_events(db, list(terminals), "maintenance_planned", by, **times)
    return [window.id for window in windows]


def end(db: Session, by: Actor, ids: Sequence[int]) -> int:
    """Ends current windows and cancels those that have not begun. Past windows stay unchanged. Returns how many were
    ended. Raises NotFound."""
    windows = [window for window in queries.lock_windows(db, ids) if window.ended_at is None]
    _end_windows(db, windows, by)
    entries = [(window.id, {"ended_at": None}, {"ended_at": app_now(db).isoformat()}) for window in windows]
    audit.record_many(db, by, "update", AREA.name, "maintenance", entries)
    return len(windows)


def end_terminal_windows(db: Session, by: Actor, terminal_id: int) -> int:
    """Ends the open windows of a terminal that is archived. Returns how many, for the terminal's audit entry."""
    windows = queries.lock_open_windows(db, terminal_id)
    _end_windows(db, windows, by)
    return len(windows)


def begin_and_end_due(db: Session) -> dict[str, int]:
    """Begins and ends the windows that are due. Returns how many. Idempotent, also when two runs are concurrent."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"maintenance_begun": 0, "maintenance_ended": 0}
    ending = queries.due_to_end(db)
    _end_windows(db, ending, SYSTEM)
    beginning = queries.due_to_begin(db)
    _begin_windows(db, beginning)
    return {"maintenance_begun": len(beginning), "maintenance_ended": len(ending)}


def _begin_windows(db: Session, windows: Sequence[Maintenance]) -> None:
    if not windows:
        return
    now, planners = app_now(db), queries.planner_names(db, windows)
    _set_states(db, windows, status=Status.MAINTENANCE, status_since=now)
    for window in windows:
        window.begun_at = now
    by_plan: dict[tuple[str, str, str], list[int]] = {}
    for window in windows:
        planner = planners.get(window.user_id or 0, SYSTEM)
        by_plan.setdefault((planner, window.reason, window.ends_at.isoformat()), []).append(window.terminal_id)
    for (planner, reason, ends_at), terminal_ids in by_plan.items():
        record_terminal_events(db, terminal_ids, "maintenance_started", planner, reason=reason, ends_at=ends_at)
        _record_in_incidents(db, terminal_ids, planner, reason)
    db.flush()


def _record_in_incidents(db: Session, terminal_ids: Sequence[int], by: str, reason: str) -> None:
    """Records the maintenance in the incidents with open alerts of these terminals. The alerts stay open."""
    statement = (
        select(Incident.id, func.count())
        .join(Alert, Alert.incident_id == Incident.id)
        .where(Alert.terminal_id.in_(terminal_ids), ~Alert.is_resolved, Incident.resolved_at.is_(None))
        .group_by(Incident.id)
        .order_by(Incident.id)
    )
    for incident_id, terminals in db.execute(statement).all():
        record_event(db, incident_id, "maintenance", by, reason, terminals=terminals)


def _end_windows(db: Session, windows: Sequence[Maintenance], by: Actor | str) -> None:
    """Ends current windows and sets the status by the latest facts: silent terminals are offline. The usual silence is
    allowed again before an alert is opened. Windows that have not begun are cancelled."""
    now, name = app_now(db), by.name if isinstance(by, Actor) else by
    current = [window for window in windows if window.begun_at is not None]
    for window in windows:
        window.ended_at, window.ended_by = now, name[:100]
    db.flush()
    if current:
        alerts_from = now + silence_allowed(settings().heartbeat_interval_seconds)
        is_silent = TerminalState.offline_after < func.least(now_sql(), _alive_at())
        _set_states(
            db,
            current,
            status=case(
                (func.coalesce(is_silent, True), Status.OFFLINE.value),
                (
                    TerminalState.error.is_not(None) | ~func.coalesce(TerminalState.terminal_connected, True),
                    Status.ERROR.value,
                ),
                else_=Status.ONLINE.value,
            ),
            status_since=now,
            offline_after=case((TerminalState.last_heartbeat_at.is_not(None), alerts_from)),
            cpu_run=0,
            memory_run=0,
            alerts_from=alerts_from,
            alert_after=next_alert_at(now_sql()).scalar_subquery(),
        )
    record_terminal_events(db, [window.terminal_id for window in current], "maintenance_ended", by)
    record_terminal_events(
        db, [window.terminal_id for window in windows if window.begun_at is None], "maintenance_cancelled", by
    )


def _alive_at() -> Any:
    return select(Liveness.alive_at).where(Liveness.id == 1).scalar_subquery()


def _set_states(db: Session, windows: Sequence[Maintenance], **values: Any) -> None:
    """Updates the terminals' states. Locks the rows in the same order as the ingest."""
    ids = sorted(window.terminal_id for window in windows)
    statement = select(TerminalState.terminal_id).where(TerminalState.terminal_id.in_(ids))
    db.execute(statement.order_by(TerminalState.terminal_id).with_for_update(key_share=True))
    db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id.in_(ids))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
