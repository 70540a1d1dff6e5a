"""Every write of maintenance. It mutes alerts, not the monitoring: heartbeats are stored and shown as ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, now_sql
from service.core.problems import Conflict, Invalid
from service.fleet.actions import note_down_many
from service.fleet.hours.queries import next_alert
from service.fleet.incidents.actions import event
from service.fleet.incidents.models import Incident
from service.fleet.incidents.rules import SYSTEM
from service.fleet.maintenance import queries, rules, schemas
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Liveness, TerminalState
from service.fleet.rules import AREA, Status, silence_allowed
from service.fleet.settings import settings

_LOCK = "fleet.maintenance"


def plan(db: Session, by: Actor, new: schemas.NewMaintenance) -> list[int]:
    """A window for each of the terminals; those that begin now, begin at once.

    Raises:
        Invalid: neither terminals nor a customer are given, or both; or the times make no sense.
        NotFound: a terminal is not there or is archived.
        Conflict: a terminal has a window in that time already; then nothing is planned.
    """
    if (new.terminal_ids is None) == (new.customer_id is None) or (new.store and new.customer_id is None):
        raise Invalid(
            "対象を、端末（terminal_ids）か、顧客企業（customer_id）と店舗（store）のどちらかで指定してください。"
        )
    now = app_now(db)
    starts_at = new.starts_at or now
    if wrong := rules.refused(starts_at, new.ends_at, now):
        raise Invalid(wrong[1], [wrong])
    terminals = queries.chosen_terminals(db, new)
    if taken := queries.overlapping(db, list(terminals), starts_at, new.ends_at):
        more = f" ほか{len(taken) - 1}台" if len(taken) > 1 else ""
        raise Conflict(
            f"この時間には、すでにメンテナンスの予定があります（{taken[0]}{more}）。予定を確認してください。"
        )
    same = {"starts_at": starts_at, "ends_at": new.ends_at, "reason": new.reason, "user_id": by.user_id}
    rows = [{"terminal_id": key} | same for key in terminals]
    windows = list(db.scalars(insert(Maintenance).returning(Maintenance, sort_by_parameter_order=True), rows))
    times = {"starts_at": starts_at.isoformat(), "ends_at": new.ends_at.isoformat(), "reason": new.reason}
    entries = ((one.id, None, {"serial_number": terminals[one.terminal_id]} | times) for one in windows)
    audit.record_many(db, by, "create", AREA.name, "maintenance", entries)
    if starts_at <= now:
        _begin(db, windows)
    else:
        note_down_many(db, list(terminals), "maintenance_planned", by, **times)
    return [one.id for one in windows]


def end(db: Session, by: Actor, ids: Sequence[int]) -> int:
    """Ends windows under way and calls off those that have not begun; how many. What is over already stays as it is.
    Raises NotFound."""
    return _end_by_hand(db, by, [one for one in queries.to_end(db, ids) if one.ended_at is None])


def end_all_of(db: Session, by: Actor, terminal_id: int) -> int:
    """For a terminal that is put out of use; how many."""
    return _end_by_hand(db, by, queries.open_of(db, terminal_id))


def _end_by_hand(db: Session, by: Actor, windows: Sequence[Maintenance]) -> int:
    _end(db, windows, by)
    entries = [(one.id, {"ended_at": None}, {"ended_at": app_now(db).isoformat()}) for one in windows]
    if entries:
        audit.record_many(db, by, "update", AREA.name, "maintenance", entries)
    return len(windows)


def tick(db: Session) -> dict[str, int]:
    """Begins and ends what is due; how many. Running it twice, or two at once, does nothing twice."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return {"maintenance_begun": 0, "maintenance_ended": 0}
    over = queries.due_to_end(db)
    _end(db, over, SYSTEM)
    due = queries.due_to_begin(db)
    _begin(db, due)
    return {"maintenance_begun": len(due), "maintenance_ended": len(over)}


def _begin(db: Session, windows: Sequence[Maintenance]) -> None:
    if not windows:
        return
    now, planners = app_now(db), queries.planners(db, windows)
    _set_states(db, windows, status=Status.MAINTENANCE, status_since=now)
    for one in windows:
        one.begun_at = now
    by_plan: dict[tuple[str, str, str], list[int]] = {}
    for one in windows:
        planner = planners.get(one.user_id or 0, SYSTEM)
        by_plan.setdefault((planner, one.reason, one.ends_at.isoformat()), []).append(one.terminal_id)
    for (planner, reason, ends_at), terminal_ids in by_plan.items():
        note_down_many(db, terminal_ids, "maintenance_started", planner, reason=reason, ends_at=ends_at)
        _tell_incidents(db, terminal_ids, planner, reason)
    db.flush()


def _tell_incidents(db: Session, terminal_ids: Sequence[int], by: str, reason: str) -> None:
    """Their open alerts stay open; whoever looks at the incident reads why nothing is heard of it."""
    concerned = (
        select(Incident.id, func.count())
        .join(Alert, Alert.incident_id == Incident.id)
        .where(Alert.terminal_id.in_(terminal_ids), ~Alert.is_resolved, Incident.resolved_at.is_(None))
        .group_by(Incident.id)
        .order_by(Incident.id)
    )
    for incident_id, terminals in db.execute(concerned).all():
        event(db, incident_id, "maintenance", by, reason, terminals=terminals)


def _end(db: Session, windows: Sequence[Maintenance], by: Actor | str) -> None:
    """Windows under way end, and the state is judged by the newest facts: silent ones are offline, and everybody has
    as long as ever before an alert is opened. Windows that never began are called off."""
    now, name = app_now(db), by.name if isinstance(by, Actor) else by
    under_way = [one for one in windows if one.begun_at is not None]
    for one in windows:
        one.ended_at, one.ended_by = now, name[:100]
    db.flush()
    if under_way:
        patience = now + silence_allowed(settings().heartbeat_interval_seconds)
        silent = TerminalState.offline_after < func.least(now_sql(), _alive_at())
        _set_states(
            db,
            under_way,
            status=case(
                (func.coalesce(silent, True), Status.OFFLINE.value),
                (
                    TerminalState.error.is_not(None) | ~func.coalesce(TerminalState.terminal_connected, True),
                    Status.ERROR.value,
                ),
                else_=Status.ONLINE.value,
            ),
            status_since=now,
            offline_after=case((TerminalState.last_heartbeat_at.is_not(None), patience)),
            cpu_run=0,
            memory_run=0,
            alerts_from=patience,
            alert_after=next_alert(now_sql()).scalar_subquery(),
        )
    note_down_many(db, [one.terminal_id for one in under_way], "maintenance_ended", by)
    note_down_many(db, [one.terminal_id for one in windows if one.begun_at is None], "maintenance_cancelled", by)


def _alive_at() -> Any:
    return select(Liveness.alive_at).where(Liveness.id == 1).scalar_subquery()


def _set_states(db: Session, windows: Sequence[Maintenance], **values: Any) -> None:
    """Locked in the order in which the ingest locks them."""
    ids = sorted(one.terminal_id for one in windows)
    wanted = select(TerminalState.terminal_id).where(TerminalState.terminal_id.in_(ids))
    db.execute(wanted.order_by(TerminalState.terminal_id).with_for_update(key_share=True))
    db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id.in_(ids))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
