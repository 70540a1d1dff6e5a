"""What people do about incidents: each leaves an event, an audit entry and, where it is a step, its time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit, clock
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.problems import Conflict, Invalid, Stale
from service.fleet.incidents import queries, schemas
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import FIRST_LOOK, LONGEST_SNOOZE, STEPS, waits_for
from service.fleet.models import Alert
from service.fleet.rules import AREA


def event(
    db: Session, incident_id: int, kind: str, by: Actor | str, text: str | None = None, **detail: Any
) -> IncidentEvent:
    person = by if isinstance(by, Actor) else None
    row = IncidentEvent(
        incident_id=incident_id,
        kind=kind,
        by=person.name if person else str(by),
        user_id=person.user_id if person else None,
        text=text,
        detail=detail or None,
    )
    db.add(row)
    return row


def acknowledge(db: Session, by: Actor, incident_id: int) -> None:
    """Somebody has it: the first look is done, and without anybody assigned it is theirs. Of two, the first counts."""
    incident = _open(db, incident_id)
    if incident.acknowledged_at is not None:
        return
    incident.acknowledged_at, incident.acknowledged_by_id = app_now(db), by.user_id
    before = {"assignee_id": incident.assignee_id}
    if incident.assignee_id is None:
        incident.assignee_id = by.user_id
    _changed(incident)
    event(db, incident.id, "acknowledged", by)
    _record(db, by, incident, before, {"assignee_id": incident.assignee_id, "acknowledged": True})
    _finish(db, by, incident, _step(db, incident.id, FIRST_LOOK), "")


def assign(db: Session, by: Actor, incident_id: int, new: schemas.Assignment) -> None:
    incident = _open(db, incident_id)
    _refuse_stale(db, by, incident, new)
    names = {person["id"]: person["name"] for person in queries.responders(db)}
    if new.user_id is not None and new.user_id not in names:
        raise Invalid("担当者を選び直してください。", [("user_id", "この人は担当者にできません。")])
    before = incident.assignee_id
    if before == new.user_id:
        return
    incident.assignee_id = new.user_id
    _changed(incident)
    event(db, incident.id, "assigned", by, names.get(new.user_id or 0))
    _record(db, by, incident, {"assignee_id": before}, {"assignee_id": new.user_id})


def note(db: Session, by: Actor, incident_id: int, new: schemas.NewNote) -> None:
    incident = queries.get_incident(db, incident_id)
    event(db, incident.id, "note", by, new.text)
    _record(db, by, incident, None, {"note": new.text})


def finish_step(db: Session, by: Actor, incident_id: int, number: int, done: schemas.StepDone) -> None:
    """Records that a step is done, now and by this person. Whose step it is, the doors know.

    Raises:
        Conflict: it was recorded already, or the step before it was not.
    """
    known = STEPS[number]
    incident = queries.get_incident(db, incident_id, lock=True)
    step = _step(db, incident.id, number)
    if step.done_at is not None:
        raise Conflict(
            f"「{known.title}」は{in_words(step.done_at)}に{step.done_by}が記録済みです。画面を更新してください。"
        )
    if first := waits_for(
        number, queries.recorded_steps(db, incident.id), is_resolved=incident.resolved_at is not None
    ):
        raise Conflict(
            f"「{first.title}」がまだ完了になっていないため、「{known.title}」は記録していません。"
            f"先に「{first.title}」（{first.team}）を完了にしてください。"
        )
    if number == FIRST_LOOK and incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by_id = app_now(db), by.user_id
    _changed(incident)
    _finish(db, by, incident, step, done.note)


def snooze(db: Session, by: Actor, incident_id: int, new: schemas.Snooze) -> None:
    """Until then it sorts below and nobody is reminded of it."""
    incident, now = _open(db, incident_id), app_now(db)
    _refuse_stale(db, by, incident, new)
    if new.until is not None and not now < new.until <= now + LONGEST_SNOOZE:
        message = f"今から{LONGEST_SNOOZE.days}日以内の日時を指定してください。"
        raise Invalid(message, [("until", message)])
    before, incident.snoozed_until = incident.snoozed_until, new.until
    _changed(incident)
    event(db, incident.id, "snoozed" if new.until else "woken", by, in_words(new.until) if new.until else None)
    until = {"snoozed_until": new.until.isoformat() if new.until else None}
    _record(db, by, incident, {"snoozed_until": before.isoformat() if before else None}, until)


def resolve(db: Session, by: Actor, incident_id: int, new: schemas.Resolution) -> None:
    """Closes the incident and its alerts.

    Raises:
        Conflict: it is closed already, or terminals are still in trouble: what is not over would be found anew.
    """
    incident = _open(db, incident_id)
    _refuse_stale(db, by, incident, new)
    if troubled := queries.still_troubled(db, incident.id):
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
    _changed(incident)
    event(db, incident.id, "resolved", by, new.resolution)
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


def _open(db: Session, incident_id: int) -> Incident:
    incident = queries.get_incident(db, incident_id, lock=True)
    if incident.resolved_at is not None:
        raise Conflict(f"この障害は{in_words(incident.resolved_at)}に解決済みです。画面を更新してください。")
    return incident


def _refuse_stale(db: Session, by: Actor, incident: Incident, new: schemas.Edit) -> None:
    if new.version != incident.version:
        current = schemas.IncidentDetail.model_validate(queries.incident(db, by, incident.id))
        raise Stale(
            "ほかの人が先にこの障害を更新しました。まだ保存されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current=current.model_dump(mode="json", include={"version", "assignee", "snoozed_until", "resolved_at"}),
        )


def _changed(incident: Incident) -> None:
    incident.version += 1


def _step(db: Session, incident_id: int, number: int) -> IncidentStep:
    return db.get_one(IncidentStep, (incident_id, number))


def _finish(db: Session, by: Actor, incident: Incident, step: IncidentStep, words: str) -> None:
    if step.done_at is not None:
        return
    now = app_now(db)
    step.done_at, step.done_by, step.user_id, step.note = now, by.name[:100], by.user_id, words.strip() or None
    for following in STEPS.values():
        if following.after == step.step:
            _step(db, incident.id, following.number).due_at = now + following.target.span
    event(db, incident.id, "step", by, words.strip() or None, step=step.step)
    _record(db, by, incident, None, {"step": STEPS[step.step].title, "note": words.strip() or None})


def _record(db: Session, by: Actor, incident: Incident, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    audit.record(db, by, "update", AREA.name, "incident", incident.id, before=before, after=after)
