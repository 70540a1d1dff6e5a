"""What users do about incidents: each action records an event, an audit log entry and, for a step, its time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.database import clock
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid, Stale
from service.core.values.times import format_local_datetime
from service.fleet.incidents import queries, schemas
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import INITIAL_CHECK, MAX_SNOOZE, STEPS, blocking_step
from service.fleet.models import Alert
from service.fleet.rules import AREA


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
    _record_audit(db, by, incident, before, {"assignee_id": incident.assignee_id, "acknowledged": True})
    _finish_step(db, by, incident, _step(db, incident.id, INITIAL_CHECK), "")


def assign(db: Session, by: Actor, incident_id: int, new: schemas.Assignment) -> None:
    incident = _lock_open_incident(db, incident_id)
    _refuse_stale_edit(db, by, incident, new)
    names = {responder["id"]: responder["name"] for responder in queries.responders(db)}
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
    _finish_step(db, by, incident, step, done.note)


def snooze(db: Session, by: Actor, incident_id: int, new: schemas.Snooze) -> None:
    """Until then the incident sorts last and no reminder is sent."""
    incident, now = _lock_open_incident(db, incident_id), app_now(db)
    _refuse_stale_edit(db, by, incident, new)
    if new.until is not None and not now < new.until <= now + MAX_SNOOZE:
        message = f"今から{MAX_SNOOZE.days}日以内の日時を指定してください。"
        raise Invalid(message, [("until", message)])
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
        current = schemas.IncidentDetail.model_validate(queries.incident(db, by, incident.id))
        raise Stale(
            "ほかの人が先にこの障害を更新しました。まだ保存されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current=current.model_dump(mode="json", include={"version", "assignee", "snoozed_until", "resolved_at"}),
        )


def _bump_version(incident: Incident) -> None:
    incident.version += 1


def _step(db: Session, incident_id: int, number: int) -> IncidentStep:
    return db.get_one(IncidentStep, (incident_id, number))


def _finish_step(db: Session, by: Actor, incident: Incident, step: IncidentStep, text: str) -> None:
    if step.done_at is not None:
        return
    now = app_now(db)
    step.done_at, step.done_by, step.user_id, step.note = now, by.name[:100], by.user_id, text.strip() or None
    for next_step in STEPS.values():
        if next_step.after == step.step:
            _step(db, incident.id, next_step.number).due_at = now + next_step.target.span
    record_event(db, incident.id, "step", by, text.strip() or None, step=step.step)
    _record_audit(db, by, incident, None, {"step": STEPS[step.step].title, "note": text.strip() or None})


def _record_audit(
    db: Session, by: Actor, incident: Incident, before: dict[str, Any] | None, after: dict[str, Any]
) -> None:
    audit.record(db, by, "update", AREA.name, "incident", incident.id, before=before, after=after)
