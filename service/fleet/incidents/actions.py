"""Every write of incidents and their alerts. The watch's actions record an event; users' actions record an event, an
audit log entry and, for a step, its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.database import clock
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid, Stale
from service.core.values.times import format_local_datetime
from service.fleet.incidents import queries, schemas
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import (
    DETECTION,
    INITIAL_CHECK,
    MAX_SNOOZE,
    RECOVERED,
    STEPS,
    SYSTEM,
    OverdueStep,
    Scope,
    SharedScope,
    Trouble,
    TroubleGroup,
    blocking_step,
    shared_scope,
)
from service.fleet.models import Alert, TerminalState
from service.fleet.rules import AREA, AlertType


def record_event(
    db: Session, incident_id: int, kind: str, by: Actor | str, text: str | None = None, **detail: Any
) -> IncidentEvent:
    actor = by if isinstance(by, Actor) else None
    row = IncidentEvent(
        incident_id=incident_id,
        kind=kind,
        by=actor.name if actor else str(by),
        user_id=actor.user_id if actor else None,
        text=text,
        detail=detail or None,
    )
    db.add(row)
    return row


def open_incidents(db: Session, groups: Sequence[TroubleGroup], shared_scopes: Sequence[SharedScope]) -> Sequence[int]:
    """Creates incidents with their steps, alerts and first event. Returns the ids in the order of `groups`."""
    if not groups:
        return []
    now = app_now(db)
    rows = [
        {
            "alert_type": group.members[0].alert_type,
            "scope": common.scope,
            "customer_id": common.customer_id,
            "store_name": common.store,
            "network": common.network,
            "opened_at": now,
            "joined_at": now,
            "told_at": now,
        }
        for group, common in zip(groups, shared_scopes, strict=True)
    ]
    incident_ids = db.scalars(insert(Incident).returning(Incident.id, sort_by_parameter_order=True), rows).all()
    db.execute(insert(IncidentStep), [step for incident_id in incident_ids for step in _steps(incident_id, now)])
    by_incident = {incident_id: group.members for incident_id, group in zip(incident_ids, groups, strict=True)}
    _add_alerts(db, by_incident)
    for incident_id, members in by_incident.items():
        record_event(db, incident_id, "opened", SYSTEM, terminals=len(members))
    return incident_ids


def _steps(incident_id: int, now: datetime) -> Iterable[dict[str, Any]]:
    for step in STEPS.values():
        done = step.number == DETECTION
        yield {
            "incident_id": incident_id,
            "step": step.number,
            "due_at": None if step.after else now + step.target.span,
            "done_at": now if done else None,
            "done_by": SYSTEM if done else None,
        }


def _add_alerts(db: Session, by_incident: Mapping[int, Sequence[Trouble]]) -> None:
    db.execute(
        insert(Alert),
        [
            {
                "incident_id": incident_id,
                "terminal_id": member.terminal_id,
                "alert_type": member.alert_type,
                "message": member.message,
            }
            for incident_id, members in by_incident.items()
            for member in members
        ],
    )


def join(db: Session, incident_id: int, members: Sequence[Trouble]) -> None:
    """Adds alerts to an open incident, and determines again what its members have in common."""
    incident = queries.get_incident(db, incident_id, lock=True)
    _add_alerts(db, {incident.id: members})
    incident.joined_at = app_now(db)
    db.flush()
    common = shared_scope(queries.members_of(db, [incident.id])[incident.id])
    if incident.scope != Scope.FLEET:
        incident.scope, incident.customer_id = common.scope, common.customer_id
        incident.store_name, incident.network = common.store, common.network
    record_event(db, incident.id, "joined", SYSTEM, terminals=len(members))


def reopen(db: Session, incident_id: int, members: Sequence[Trouble]) -> None:
    """Reopens the incident of flapping alerts."""
    incident = queries.get_incident(db, incident_id, lock=True)
    incident.resolved_at = incident.resolved_by = None
    _add_alerts(db, {incident.id: members})
    record_event(db, incident.id, "reopened", SYSTEM, terminals=len(members))


def clear_alerts(db: Session, terminal_id: int, kind: AlertType, by: str) -> int:
    """Resolves the terminal's open alert of this kind, and its incident when no alert of it is open any more. Returns
    how many alerts were resolved."""
    return _resolve_alerts(db, (Alert.terminal_id == terminal_id) & (Alert.alert_type == kind), by)


def resolve_alerts_of_archived(db: Session, terminal_id: int, by: Actor) -> int:
    """Resolves all open alerts of a terminal that this user archives. Returns how many."""
    return _resolve_alerts(db, Alert.terminal_id == terminal_id, by.name, ("archived", by))


def resolve_recovered(db: Session) -> int:
    """Resolves the alerts of terminals that have recovered, and the incidents without any other open alert."""
    return sum(
        _resolve_alerts(db, (Alert.alert_type == kind) & queries.recovered_condition(kind), RECOVERED)
        for kind in queries.TROUBLE_CONDITIONS
    )


def _resolve_alerts(
    db: Session, condition: Any, by: str, kind_and_by: tuple[str, Actor | str] = ("recovered", SYSTEM)
) -> int:
    """`kind_and_by`: the kind of the event recorded for each incident, and who it is by."""
    ending = and_(condition, TerminalState.terminal_id == Alert.terminal_id, ~Alert.is_resolved)
    incident_ids = queries.lock_incidents(db, Incident.id.in_(select(Alert.incident_id).where(ending)))
    if not incident_ids:
        return 0
    resolved = db.execute(
        update(Alert)
        .where(ending, Alert.incident_id.in_(incident_ids))
        .values(is_resolved=True, resolved_at=clock.now_sql(), resolved_by=by[:50])
        .returning(Alert.incident_id)
        .execution_options(synchronize_session=False)
    )
    resolved_incident_ids = [row[0] for row in resolved]
    for incident_id in sorted(set(resolved_incident_ids)):
        record_event(db, incident_id, *kind_and_by, terminals=resolved_incident_ids.count(incident_id))
    db.flush()
    open_alerts = select(Alert.id).where(Alert.incident_id == Incident.id, ~Alert.is_resolved)
    db.execute(
        update(Incident)
        .where(Incident.id.in_(set(resolved_incident_ids)), Incident.resolved_at.is_(None), ~open_alerts.exists())
        .values(resolved_at=clock.now_sql(), resolved_by=by[:50])
        .execution_options(synchronize_session=False)
    )
    return len(resolved_incident_ids)


def record_reminders(db: Session, overdue: Sequence[OverdueStep], now: datetime) -> None:
    """Records that a reminder of each of these steps was sent."""
    db.execute(
        update(IncidentStep),
        [{"incident_id": step.incident_id, "step": step.step, "reminded_at": now} for step in overdue],
    )
    for step in overdue:
        record_event(db, step.incident_id, "reminded", SYSTEM, step=step.step)


def acknowledge(db: Session, by: Actor, incident_id: int) -> None:
    """Records the initial check and assigns the incident to the user if it is unassigned. A second acknowledgement
    changes nothing."""
    incident = _lock_open_incident(db, incident_id)
    if incident.acknowledged_at is not None:
        return
    incident.acknowledged_at, incident.acknowledged_by_id = app_now(db), by.user_id
    before = {"assignee_id": incident.assignee_id}
    if incident.assignee_id is None:
        incident.assignee_id = by.user_id
    _bump_version(incident)
    record_event(db, incident.id, "acknowledged", by)
    step = _finish_step(db, by, incident, _step(db, incident.id, INITIAL_CHECK), "")
    _record_audit(db, by, incident, before, {"assignee_id": incident.assignee_id, "acknowledged": True, **step})


def assign(db: Session, by: Actor, incident_id: int, new: schemas.Assignment) -> None:
    incident = _lock_open_incident(db, incident_id)
    _refuse_stale_edit(db, by, incident, new)
    names = {responder.id: responder.name for responder in queries.responders(db)}
    if new.user_id is not None and new.user_id not in names:
        raise Invalid("担当者を選び直してください。", [("user_id", "この人は担当者にできません。")])
    before = incident.assignee_id
    if before == new.user_id:
        return
    incident.assignee_id = new.user_id
    _bump_version(incident)
    record_event(db, incident.id, "assigned", by, names.get(new.user_id or 0))
    _record_audit(db, by, incident, {"assignee_id": before}, {"assignee_id": new.user_id})


def note(db: Session, by: Actor, incident_id: int, new: schemas.NewNote) -> None:
    incident = queries.get_incident(db, incident_id)
    record_event(db, incident.id, "note", by, new.text)
    _record_audit(db, by, incident, None, {"note": new.text})


def finish_step(db: Session, by: Actor, incident_id: int, number: int, done: schemas.StepDone) -> None:
    """Records that a step was done now, by this user. The routes check the permission for the step.

    Raises:
        Conflict: the step is recorded already, or the step before it is not.
    """
    definition = STEPS[number]
    incident = queries.get_incident(db, incident_id, lock=True)
    step = _step(db, incident.id, number)
    if step.done_at is not None:
        raise Conflict(
            f"「{definition.title}」は{format_local_datetime(step.done_at)}に{step.done_by}が記録済みです。画面を更新してください。"
        )
    if blocking := blocking_step(
        number, queries.recorded_steps(db, incident.id), is_resolved=incident.resolved_at is not None
    ):
        raise Conflict(
            f"「{blocking.title}」がまだ完了になっていないため、「{definition.title}」は記録していません。"
            f"先に「{blocking.title}」（{blocking.team}）を完了にしてください。"
        )
    if number == INITIAL_CHECK and incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by_id = app_now(db), by.user_id
    _bump_version(incident)
    if after := _finish_step(db, by, incident, step, done.note):
        _record_audit(db, by, incident, None, after)


def snooze(db: Session, by: Actor, incident_id: int, new: schemas.Snooze) -> None:
    """Until then the incident sorts last and no reminder is sent."""
    incident, now = _lock_open_incident(db, incident_id), app_now(db)
    _refuse_stale_edit(db, by, incident, new)
    if new.until is not None and not now < new.until <= now + MAX_SNOOZE:
        raise Invalid.at_field("until", f"今から{MAX_SNOOZE.days}日以内の日時を指定してください。")
    before, incident.snoozed_until = incident.snoozed_until, new.until
    _bump_version(incident)
    record_event(
        db,
        incident.id,
        "snoozed" if new.until else "woken",
        by,
        format_local_datetime(new.until) if new.until else None,
    )
    until = {"snoozed_until": new.until.isoformat() if new.until else None}
    _record_audit(db, by, incident, {"snoozed_until": before.isoformat() if before else None}, until)


def resolve(db: Session, by: Actor, incident_id: int, new: schemas.Resolution) -> None:
    """Closes the incident and its alerts.

    Raises:
        Conflict: it is closed already, or terminals have not recovered: the watch would open their alerts again.
    """
    incident = _lock_open_incident(db, incident_id)
    _refuse_stale_edit(db, by, incident, new)
    if troubled := queries.count_unrecovered(db, incident.id):
        raise Conflict(
            f"まだ{troubled:,}台が復旧していません。復旧を待つか、メンテナンスまたはスヌーズを設定してください。"
        )
    now = app_now(db)
    db.execute(
        update(Alert)
        .where(Alert.incident_id == incident.id, ~Alert.is_resolved)
        .values(is_resolved=True, resolved_at=clock.now_sql(), resolved_by=by.name[:50])
        .execution_options(synchronize_session=False)
    )
    incident.resolved_at, incident.resolved_by, incident.resolution = now, by.name[:50], new.resolution
    _bump_version(incident)
    record_event(db, incident.id, "resolved", by, new.resolution)
    audit.record(
        db,
        by,
        "status_change",
        AREA.name,
        "incident",
        incident.id,
        before={"resolved": False},
        after={"resolved": True, "resolution": new.resolution},
    )


def _lock_open_incident(db: Session, incident_id: int) -> Incident:
    incident = queries.get_incident(db, incident_id, lock=True)
    if incident.resolved_at is not None:
        raise Conflict(
            f"この障害は{format_local_datetime(incident.resolved_at)}に解決済みです。画面を更新してください。"
        )
    return incident


def _refuse_stale_edit(db: Session, by: Actor, incident: Incident, new: edits.Edit) -> None:
    if new.version != incident.version:
        current = queries.incident(db, by, incident.id)
        raise Stale(
            "ほかの人が先にこの障害を更新しました。まだ保存されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current=current.model_dump(mode="json", include={"version", "assignee", "snoozed_until", "resolved_at"}),
        )


def _bump_version(incident: Incident) -> None:
    incident.version += 1


def _step(db: Session, incident_id: int, number: int) -> IncidentStep:
    return db.get_one(IncidentStep, (incident_id, number))


def _finish_step(db: Session, by: Actor, incident: Incident, step: IncidentStep, text: str) -> dict[str, Any]:
    """Returns what the audit entry says about it; nothing for a step that was done before."""
    if step.done_at is not None:
        return {}
    now = app_now(db)
    step.done_at, step.done_by, step.user_id, step.note = now, by.name[:100], by.user_id, text.strip() or None
    for next_step in STEPS.values():
        if next_step.after == step.step:
            _step(db, incident.id, next_step.number).due_at = now + next_step.target.span
    record_event(db, incident.id, "step", by, text.strip() or None, step=step.step)
    return {"step": STEPS[step.step].title, "note": text.strip() or None}


def _record_audit(
    db: Session, by: Actor, incident: Incident, before: dict[str, Any] | None, after: dict[str, Any]
) -> None:
    audit.record(db, by, "update", AREA.name, "incident", incident.id, before=before, after=after)
