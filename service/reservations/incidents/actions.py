"""What people do about an incident, and what the clocks say. Whoever changes one holds it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.holidays import calendar_named
from service.core.problems import Conflict, Invalid, Stale
from service.core.settings import settings as floor
from service.reservations.effects.actions import publish
from service.reservations.events.rules import Purpose
from service.reservations.flow.models import Letter
from service.reservations.incidents import queries, rules, schemas
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark, IncidentText
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations import actions as operations
from service.reservations.operations.rules import NOBODY_ON_CALL
from service.reservations.rules import AREA

SUBJECT = "incident"
_FUTURE = "これからの日時は指定できません。"


def open(db: Session, by: Actor, new: schemas.NewIncident) -> Incident:
    """With the steps of its level, told in Slack; of Critical, management and whoever is on call hear at once. Raises
    Invalid for a time to come."""
    now = app_now(db)
    detected_at = new.detected_at or now
    if detected_at > now:
        raise Invalid(_FUTURE, [("detected_at", _FUTURE)])
    values = new.model_dump() | {"detected_at": detected_at, "level": new.level.value}
    incident = Incident(**values, opened_at=now, opened_by=by.name[:100])
    db.add(incident)
    db.flush()
    _event(db, incident, "opened", by, rules.LEVEL_WORDS[new.level])
    audit.record(db, by, "create", AREA.name, SUBJECT, incident.id, after=to_jsonable_python(values))
    _plan(db, incident, now)
    detected = queries.marks(db, incident.id)[Mark.DETECTED]
    detected.done_at, detected.done_by = detected_at, by.name[:100]
    _announce(db, incident, rules.opened(_code(incident), new.level, incident.title, detected_at))
    _tell_at_once(db, incident, now)
    return incident


def change(db: Session, by: Actor, incident_id: int, new: schemas.IncidentChange) -> None:
    """The record of 5.3.1 and the report. What is not done yet is counted from another 発生日時 anew.

    Raises:
        Stale: somebody changed it since that version was read.
        Invalid: a time that cannot be.
    """
    incident = queries.get(db, incident_id, lock=True)
    sent = new.model_dump(exclude={"version"}, exclude_unset=True)
    given = {name: value for name, value in sent.items() if value is not None}
    _refuse_stale(incident, new.version, given)
    before = {name: getattr(incident, name) for name in given if getattr(incident, name) != given[name]}
    if not before:
        return
    after = {name: given[name] for name in before}
    now = app_now(db)
    _refuse_times(after.get("detected_at", incident.detected_at), after.get("recovered_at", incident.recovered_at), now)
    for name, value in after.items():
        setattr(incident, name, value)
    incident.version += 1
    words = [AREA.fields[name] for name in after]
    _event(db, incident, "edited", by, "、".join(words))
    plain = to_jsonable_python(before), to_jsonable_python(after)
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, before=plain[0], after=plain[1])
    if "detected_at" in after:
        _plan(db, incident, now)


def change_level(db: Session, by: Actor, incident_id: int, new: schemas.LevelChange) -> None:
    """What is not done yet gets the targets of the new level, counted from detection. Raises Stale as `change`, and
    Conflict when it is of that level."""
    incident = queries.get(db, incident_id, lock=True)
    _refuse_stale(incident, new.version, {"level": new.level.value})
    before = Level(incident.level)
    if before is new.level:
        raise Conflict(f"レベルはすでに{rules.LEVEL_WORDS[before]}です。画面を更新してください。")
    now = app_now(db)
    incident.level = new.level.value
    incident.version += 1
    words = f"{rules.LEVEL_WORDS[before]} → {rules.LEVEL_WORDS[new.level]}（{new.reason}）"
    _event(db, incident, "level_changed", by, words)
    was, now_is = {"level": before.value}, {"level": new.level.value, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, before=was, after=now_is)
    _plan(db, incident, now)
    _announce(db, incident, rules.level_changed(_code(incident), before, new.level, incident.title))
    _tell_at_once(db, incident, now)


def finish(db: Session, by: Actor, incident_id: int, mark: Mark, new: schemas.Done) -> None:
    """A step is done. Management is told by it, where that is the step.

    Raises:
        Conflict: it is done already, no step of this level, or the report is not written yet.
    """
    incident = queries.get(db, incident_id, lock=True)
    found = queries.marks(db, incident.id).get(mark)
    step = rules.FLOWS[Level(incident.level)].get(mark)
    if found is None or step is None:
        raise Conflict("このレベルの対応手順にない段階です。画面を更新してください。")
    if found.done_at is not None:
        raise Conflict(f"「{step.title}」は{found.done_by}が完了しています。画面を更新してください。")
    if mark is Mark.REPORT:
        _refuse_unwritten(incident)
    now = app_now(db)
    if step.tells:
        _tell_management(db, incident)
    _done(db, incident, found, now, by, new.note, step.title)
    values = {"mark": mark.value} | ({"note": new.note} if new.note else {})
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, after=values)


def note(db: Session, by: Actor, incident_id: int, new: schemas.NewNote) -> None:
    incident = queries.get(db, incident_id)
    _event(db, incident, "note", by, new.text)
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, after={"note": new.text})


def resolve(db: Session, by: Actor, incident_id: int, new: schemas.Resolution) -> None:
    """Service is back; what comes after that (事後対応) keeps its targets.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is resolved, or steps of the response are not done.
        Invalid: a time that cannot be, or, from Medium up, nothing recorded of what was broken and done.
    """
    incident = queries.get(db, incident_id, lock=True)
    _refuse_stale(incident, new.version, {"recovered_at": new.recovered_at})
    if incident.resolved_at is not None:
        raise Conflict(f"このインシデントは{incident.resolved_by}が解決済みにしています。画面を更新してください。")
    level, known, now = Level(incident.level), queries.marks(db, incident.id), app_now(db)
    left = [
        step.title for mark, step in rules.FLOWS[level].items() if mark in rules.RESPONSE and not known[mark].done_at
    ]
    if left:
        raise Conflict(f"まだ完了していない対応があります（{'、'.join(left)}）。先に完了を記録してください。")
    if rules.is_recorded(level):
        missing = [name for name in ("impact", "response") if not getattr(incident, name).strip()]
        if missing:
            words = "・".join(AREA.fields[name] for name in missing)
            message = f"先に{words}を記録してください（Medium以上のインシデント）。"
            raise Invalid(message, [(name, message) for name in missing])
    recovered_at = new.recovered_at or incident.recovered_at or now
    _refuse_times(incident.detected_at, recovered_at, now)
    incident.recovered_at, incident.resolved_at, incident.resolved_by = recovered_at, now, by.name[:100]
    incident.version += 1
    _event(db, incident, "resolved", by, None)
    before, after = {"resolved": False}, {"resolved": True, "recovered_at": recovered_at.isoformat()}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, before=before, after=after)


def send_status(db: Session, by: Actor, incident_id: int, new: schemas.StatusText) -> int:
    """An SMS to every customer who waits and was sent none about this incident. Raises Conflict when they are not as
    many as the sender has confirmed."""
    incident = queries.get(db, incident_id, lock=True)
    found = queries.to_be_texted(db, incident.id, include_confirmed=new.include_confirmed)
    if len(found) != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients:,}人から{len(found):,}人に変わりました。まだ送信していません。"
            "人数を確認して、もう一度送信してください。"
        )
    now = app_now(db)
    for reservation_id, code, phone in found:
        payload = {"to": phone, "body": new.text, "validity_seconds": None}
        message = publish(db, code, "sms", payload, recipient=phone, title=f"{code} 障害の状況のお知らせ")
        letter = Letter(
            reservation_id=reservation_id,
            channel="sms",
            recipient="customer",
            purpose=Purpose.INCIDENT.value,
            address=phone,
            body=new.text,
            message_key=message.key,
            created_at=now,
        )
        told = IncidentText(incident_id=incident.id, phone=phone, reservation_id=reservation_id, at=now)
        db.add_all((letter, told))
    _event(db, incident, "customers_told", by, f"{len(found):,}人\n{new.text}")
    after = {"recipients": len(found), "text": new.text}
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, after=after)
    return len(found)


def watch(db: Session, limit: int = 50) -> int:
    """Tells management what it is time for, and everybody which steps are late: each once. How many that were."""
    now, told = app_now(db), 0
    for incident in db.scalars(queries.due_to_be_told(now, limit).execution_options(populate_existing=True)):
        level = Level(incident.level)
        for mark, found in queries.marks(db, incident.id).items():
            step = rules.FLOWS[level].get(mark)
            if step is None or found.done_at or found.notified_at or found.notify_at >= now:
                continue
            found.notified_at = now
            told += 1
            if step.tells:
                _tell_management(db, incident)
                _done(db, incident, found, now, None, "", step.title)
            else:
                _say_late(db, incident, step.title, found.due_at)
    db.flush()
    return told


def _plan(db: Session, incident: Incident, now: datetime) -> None:
    """Its level's steps with their times; what is done stays as it is, and what another level had alone goes."""
    level, known = Level(incident.level), queries.marks(db, incident.id)
    calendar = calendar_named(db, rules.calendar_of(level))
    planned = {due.mark: due for due in rules.dues(level, incident.detected_at, now, calendar)}
    for mark, found in known.items():
        if mark not in planned and found.done_at is None:
            db.delete(found)
    for mark, due in planned.items():
        stored = known.get(mark)
        if stored is None:
            stored = IncidentMark(incident_id=incident.id, mark=mark.value, due_at=due.due_at, notify_at=due.notify_at)
            db.add(stored)
            continue
        if stored.done_at is not None or stored.due_at == due.due_at:
            continue
        stored.due_at, stored.notify_at = due.due_at, due.notify_at
        # Of what was late already and still is, nobody needs to hear again.
        if due.notify_at > now:
            stored.notified_at = None
    db.flush()


def _tell_at_once(db: Session, incident: Incident, now: datetime) -> None:
    """即座に経営陣に報告 (5.1)."""
    found = queries.marks(db, incident.id).get(Mark.MANAGEMENT)
    if Level(incident.level) is not Level.CRITICAL or found is None or found.done_at is not None:
        return
    _tell_management(db, incident)
    found.notified_at = now
    _done(db, incident, found, now, None, "", rules.TITLES[Mark.MANAGEMENT])


def _tell_management(db: Session, incident: Incident) -> None:
    code, level = _code(incident), Level(incident.level)
    operations.tell(db, code, rules.told_management(code, level, incident.title), SUBJECT)
    subject, body = rules.to_management(queries.facts(incident), f"{floor().public_base_url.rstrip('/')}/incidents")
    addresses = queries.managers_mails(db)
    for address in addresses:
        outbox.publish(
            db,
            "mail",
            {"to": [address], "subject": subject, "body": body},
            area=AREA.name,
            recipient=address,
            title=subject,
            about=(SUBJECT, code),
        )
    by_mail = f"Slack、メール{len(addresses):,}件" if addresses else "Slack（経営の利用者にメールアドレスがありません）"
    _event(db, incident, "management_told", None, by_mail)


def _announce(db: Session, incident: Incident, text: str) -> None:
    """In Slack; of Critical, outside business hours, whoever is on call hears as well."""
    code, called = _code(incident), True
    if Level(incident.level) is Level.CRITICAL:
        first = queries.marks(db, incident.id)[Mark.FIRST_LOOK]
        if first.done_at is None:
            called = operations.ring(db, code, rules.call_out(code, incident.title, first.due_at), SUBJECT)
    operations.tell(db, code, text if called else f"{text}\n{NOBODY_ON_CALL}", SUBJECT)


def _say_late(db: Session, incident: Incident, step: str, due_at: datetime) -> None:
    code, level = _code(incident), Level(incident.level)
    operations.tell(db, code, rules.late(code, level, incident.title, step, due_at), SUBJECT)
    if level is Level.CRITICAL and incident.resolved_at is None:
        operations.ring(db, code, rules.late_call_out(code, incident.title, step), SUBJECT)
    _event(db, incident, "late", None, step)


def _done(
    db: Session, incident: Incident, found: IncidentMark, now: datetime, by: Actor | None, note: str, title: str
) -> None:
    found.done_at, found.done_by, found.note = now, _name(by), note
    _event(db, incident, "step_done", by, f"{title}\n{note}" if note else title)


def _refuse_stale(incident: Incident, version: int, yours: dict[str, Any]) -> None:
    if version == incident.version:
        return
    current = {name: getattr(incident, name) for name in schemas.IncidentChange.model_fields}
    raise Stale(
        "ほかの人が先にこのインシデントを変更しました。まだ保存されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(current | {"level": incident.level}),
    )


def _refuse_times(detected_at: datetime, recovered_at: datetime | None, now: datetime) -> None:
    for name, moment in (("detected_at", detected_at), ("recovered_at", recovered_at)):
        if moment is not None and moment > now:
            raise Invalid(_FUTURE, [(name, _FUTURE)])
    if recovered_at is not None and recovered_at < detected_at:
        message = "復旧日時は、発生日時より後の日時を指定してください。"
        raise Invalid(message, [("recovered_at", message)])


def _refuse_unwritten(incident: Incident) -> None:
    named = ("impact", "cause", "response", "prevention", "report")
    missing = [AREA.fields[name] for name in named if not getattr(incident, name).strip()]
    missing += [AREA.fields["recovered_at"]] if incident.recovered_at is None else []
    if missing:
        raise Conflict(f"まだ記録されていない項目があります（{'、'.join(missing)}）。記録してから完了にしてください。")


def _code(incident: Incident) -> str:
    return rules.number(incident.id)


def _name(by: Actor | None) -> str:
    return by.name[:100] if by else "システム"


def _event(db: Session, incident: Incident, kind: str, by: Actor | None, text: str | None) -> None:
    db.add(
        IncidentEvent(
            incident_id=incident.id,
            at=app_now(db),
            kind=kind,
            by=_name(by),
            user_id=by.user_id if by else None,
            text=text[:2000] if text else None,
        )
    )
