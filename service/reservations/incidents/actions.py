"""Writes of incidents: work of staff, and notifications of targets. Each change locks the incident."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.holidays import calendar_named
from service.core.outbox import queue
from service.core.problems import Conflict, Invalid, Stale, WrongFields
from service.core.settings import settings as core_settings
from service.reservations.history import actor_name, event_values
from service.reservations.incidents import queries, rules, schemas
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark, IncidentText
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations import actions as operations
from service.reservations.operations.rules import NOBODY_ON_CALL
from service.reservations.outgoing.actions import Addressee, send_message
from service.reservations.rules import AREA
from service.reservations.state_machine.states import Purpose

SUBJECT = "incident"
_FUTURE_MESSAGE = "これからの日時は指定できません。"


def open_incident(db: Session, by: Actor, new: schemas.NewIncident, proposal: str | None = None) -> Incident:
    """Opens an incident with the steps of its level and notifies Slack. A Critical one is also reported at once to
    managers and to the operator on call. `proposal`: what proposed it, for the audit log. Raises Invalid when
    `detected_at` is in the future."""
    now = app_now(db)
    detected_at = new.detected_at or now
    if detected_at > now:
        raise Invalid.at_field("detected_at", _FUTURE_MESSAGE)
    values = new.model_dump() | {"detected_at": detected_at, "level": new.level.value}
    incident = Incident(**values, opened_at=now, opened_by=by.name[:100])
    db.add(incident)
    db.flush()
    _record_event(db, incident, "opened", by, new.level.label)
    after = to_jsonable_python(values | ({"proposal": proposal} if proposal else {}))
    audit.record(db, by, "create", AREA.name, SUBJECT, incident.id, after=after)
    _plan_steps(db, incident, now)
    detected = queries.marks(db, incident.id)[Mark.DETECTED]
    detected.done_at, detected.done_by = detected_at, by.name[:100]
    _announce(db, incident, rules.opened_message(_code(incident), new.level, incident.title, detected_at))
    _report_critical(db, incident, now)
    return incident


def change(db: Session, by: Actor, incident_id: int, new: schemas.IncidentChange) -> None:
    """Changes the record of 5.3.1 and the report. A new 発生日時 moves the targets of unfinished steps.

    Raises:
        Stale: it was changed since that version was read.
        Invalid: a time is in the future, or recovery is before detection.
    """
    incident = queries.get(db, incident_id, lock=True)
    values = edits.entered_values(new)
    _refuse_stale(incident, new.version, values)
    before = {name: getattr(incident, name) for name in values if getattr(incident, name) != values[name]}
    if not before:
        return
    after = {name: values[name] for name in before}
    now = app_now(db)
    _check_times(after.get("detected_at", incident.detected_at), after.get("recovered_at", incident.recovered_at), now)
    for name, value in after.items():
        setattr(incident, name, value)
    incident.version += 1
    labels = [AREA.fields[name] for name in after]
    _record_event(db, incident, "edited", by, "、".join(labels))
    plain = to_jsonable_python(before), to_jsonable_python(after)
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, before=plain[0], after=plain[1])
    if "detected_at" in after:
        _plan_steps(db, incident, now)


def change_level(db: Session, by: Actor, incident_id: int, new: schemas.LevelChange) -> None:
    """Changes the level: unfinished steps get the targets of the new level, counted from detection. Raises Stale as
    `change`, and Conflict when it already has that level."""
    incident = queries.get(db, incident_id, lock=True)
    _refuse_stale(incident, new.version, {"level": new.level.value})
    before = Level(incident.level)
    if before is new.level:
        raise Conflict(f"レベルはすでに{before.label}です。画面を更新してください。")
    now = app_now(db)
    incident.level = new.level.value
    incident.version += 1
    summary = f"{before.label} → {new.level.label}（{new.reason}）"
    _record_event(db, incident, "level_changed", by, summary)
    old_values, new_values = {"level": before.value}, {"level": new.level.value, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, before=old_values, after=new_values)
    _plan_steps(db, incident, now)
    _announce(db, incident, rules.level_changed_message(_code(incident), before, new.level, incident.title))
    _report_critical(db, incident, now)


def finish(db: Session, by: Actor, incident_id: int, mark: Mark, new: schemas.Done) -> None:
    """Marks a step as done. If the step is the report to managers, sends it.

    Raises:
        Conflict: the step is done already or not part of this level, or the report is not written yet.
    """
    incident = queries.get(db, incident_id, lock=True)
    stored = queries.marks(db, incident.id).get(mark)
    step = rules.FLOWS[Level(incident.level)].get(mark)
    if stored is None or step is None:
        raise Conflict("このレベルの対応手順にない段階です。画面を更新してください。")
    if stored.done_at is not None:
        raise Conflict(f"「{step.title}」は{stored.done_by}が完了しています。画面を更新してください。")
    if mark is Mark.REPORT:
        _refuse_incomplete_record(incident)
    now = app_now(db)
    if step.tells:
        _report_to_managers(db, incident)
    _mark_done(db, incident, stored, now, by, new.note, step.title)
    values = {"mark": mark.value} | ({"note": new.note} if new.note else {})
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, after=values)


def note(db: Session, by: Actor, incident_id: int, new: schemas.NewNote) -> None:
    incident = queries.get(db, incident_id)
    _record_event(db, incident, "note", by, new.text)
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, after={"note": new.text})


def resolve(db: Session, by: Actor, incident_id: int, new: schemas.Resolution) -> None:
    """Resolves an incident: the service is restored. The steps of 事後対応 keep their targets.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it is resolved, or steps of the response are not done.
        Invalid: `recovered_at` is in the future or before detection, or, from Medium up, `impact` or `response` is
            empty.
    """
    incident = queries.get(db, incident_id, lock=True)
    _refuse_stale(incident, new.version, {"recovered_at": new.recovered_at})
    if incident.resolved_at is not None:
        raise Conflict(f"このインシデントは{incident.resolved_by}が解決済みにしています。画面を更新してください。")
    level, marks, now = Level(incident.level), queries.marks(db, incident.id), app_now(db)
    open_steps = [
        step.title
        for mark, step in rules.FLOWS[level].items()
        if mark in rules.RESPONSE_MARKS and not marks[mark].done_at
    ]
    if open_steps:
        raise Conflict(f"まだ完了していない対応があります（{'、'.join(open_steps)}）。先に完了を記録してください。")
    if rules.requires_record(level):
        missing = [name for name in ("impact", "response") if not getattr(incident, name).strip()]
        if missing:
            labels = "・".join(AREA.fields[name] for name in missing)
            message = f"先に{labels}を記録してください（Medium以上のインシデント）。"
            raise Invalid(message, [(name, message) for name in missing])
    recovered_at = new.recovered_at or incident.recovered_at or now
    _check_times(incident.detected_at, recovered_at, now)
    incident.recovered_at, incident.resolved_at, incident.resolved_by = recovered_at, now, by.name[:100]
    incident.version += 1
    _record_event(db, incident, "resolved", by, None)
    before, after = {"resolved": False}, {"resolved": True, "recovered_at": recovered_at.isoformat()}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, incident.id, before=before, after=after)


def send_status(db: Session, by: Actor, incident_id: int, new: schemas.StatusText) -> int:
    """Sends the status SMS to each waiting customer who has not got one about this incident. Returns the number of
    recipients. Raises Conflict when it differs from the number that the sender confirmed."""
    incident = queries.get(db, incident_id, lock=True)
    recipients = queries.status_recipients(db, incident.id, include_confirmed=new.include_confirmed)
    if len(recipients) != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients:,}人から{len(recipients):,}人に変わりました。まだ送信していません。"
            "人数を確認して、もう一度送信してください。"
        )
    now = app_now(db)
    for reservation_id, code, phone in recipients:
        to = Addressee(reservation_id, code, "sms", "customer", Purpose.INCIDENT, phone)
        send_message(db, to, f"{code} 障害の状況のお知らせ", new.text, now)
        db.add(IncidentText(incident_id=incident.id, phone=phone, reservation_id=reservation_id, at=now))
    _record_event(db, incident, "customers_told", by, f"{len(recipients):,}人\n{new.text}")
    after = {"recipients": len(recipients), "text": new.text}
    audit.record(db, by, "update", AREA.name, SUBJECT, incident.id, after=after)
    return len(recipients)


def notify_due_steps(db: Session, limit: int = 50) -> int:
    """Sends due reports to managers, and notifies Slack of late steps, each once. Returns how many steps were
    handled."""
    now, handled = app_now(db), 0
    for incident in db.scalars(queries.due_for_notification(now, limit).execution_options(populate_existing=True)):
        level = Level(incident.level)
        for mark, stored in queries.marks(db, incident.id).items():
            step = rules.FLOWS[level].get(mark)
            if step is None or stored.done_at or stored.notified_at or stored.notify_at >= now:
                continue
            stored.notified_at = now
            handled += 1
            if step.tells:
                _report_to_managers(db, incident)
                _mark_done(db, incident, stored, now, None, "", step.title)
            else:
                _notify_late(db, incident, step.title, stored.due_at)
    db.flush()
    return handled


def _plan_steps(db: Session, incident: Incident, now: datetime) -> None:
    """Sets the steps of the level with their times. Done steps stay; open steps that the level does not have are
    deleted."""
    level, existing = Level(incident.level), queries.marks(db, incident.id)
    calendar = calendar_named(db, rules.calendar_of(level))
    planned = {due.mark: due for due in rules.step_deadlines(level, incident.detected_at, now, calendar)}
    for mark, row in existing.items():
        if mark not in planned and row.done_at is None:
            db.delete(row)
    for mark, due in planned.items():
        stored = existing.get(mark)
        if stored is None:
            stored = IncidentMark(incident_id=incident.id, mark=mark.value, due_at=due.due_at, notify_at=due.notify_at)
            db.add(stored)
            continue
        if stored.done_at is not None or stored.due_at == due.due_at:
            continue
        stored.due_at, stored.notify_at = due.due_at, due.notify_at
        # A step that stays late is not notified again.
        if due.notify_at > now:
            stored.notified_at = None
    db.flush()


def _report_critical(db: Session, incident: Incident, now: datetime) -> None:
    """即座に経営陣に報告 (5.1)."""
    stored = queries.marks(db, incident.id).get(Mark.MANAGEMENT)
    if Level(incident.level) is not Level.CRITICAL or stored is None or stored.done_at is not None:
        return
    _report_to_managers(db, incident)
    stored.notified_at = now
    _mark_done(db, incident, stored, now, None, "", rules.STEP_TITLES[Mark.MANAGEMENT])


def _report_to_managers(db: Session, incident: Incident) -> None:
    code, level = _code(incident), Level(incident.level)
    operations.notify_slack(db, code, rules.management_message(code, level, incident.title), SUBJECT)
    subject, body = rules.management_mail(queries.facts(incident), core_settings().page_url("/incidents"))
    addresses = queries.manager_mails(db)
    for address in addresses:
        queue.publish_mail(db, [address], subject, body, area=AREA.name, about=(SUBJECT, code))
    channels = (
        f"Slack、メール{len(addresses):,}件" if addresses else "Slack（経営の利用者にメールアドレスがありません）"
    )
    _record_event(db, incident, "management_told", None, channels)


def _announce(db: Session, incident: Incident, text: str) -> None:
    """Notifies Slack; for a Critical incident outside business hours also the operator on call."""
    code, has_on_call = _code(incident), True
    if Level(incident.level) is Level.CRITICAL:
        first_look = queries.marks(db, incident.id)[Mark.FIRST_LOOK]
        if first_look.done_at is None:
            has_on_call = operations.notify_on_call(
                db, code, rules.call_out_sms(code, incident.title, first_look.due_at), SUBJECT
            )
    operations.notify_slack(db, code, text if has_on_call else f"{text}\n{NOBODY_ON_CALL}", SUBJECT)


def _notify_late(db: Session, incident: Incident, step: str, due_at: datetime) -> None:
    code, level = _code(incident), Level(incident.level)
    operations.notify_slack(db, code, rules.late_message(code, level, incident.title, step, due_at), SUBJECT)
    if level is Level.CRITICAL and incident.resolved_at is None:
        operations.notify_on_call(db, code, rules.late_call_out_sms(code, incident.title, step), SUBJECT)
    _record_event(db, incident, "late", None, step)


def _mark_done(
    db: Session, incident: Incident, mark: IncidentMark, now: datetime, by: Actor | None, note: str, title: str
) -> None:
    mark.done_at, mark.done_by, mark.note = now, actor_name(by), note
    _record_event(db, incident, "step_done", by, f"{title}\n{note}" if note else title)


def _refuse_stale(incident: Incident, version: int, yours: dict[str, Any]) -> None:
    if version == incident.version:
        return
    current = {name: getattr(incident, name) for name in schemas.IncidentChange.model_fields}
    raise Stale(
        "ほかの人が先にこのインシデントを変更しました。まだ保存されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(current | {"level": incident.level}),
    )


def _check_times(detected_at: datetime, recovered_at: datetime | None, now: datetime) -> None:
    times = {"detected_at": detected_at, "recovered_at": recovered_at}
    WrongFields((name, _FUTURE_MESSAGE) for name, at in times.items() if at is not None and at > now).refuse()
    if recovered_at is not None and recovered_at < detected_at:
        raise Invalid.at_field("recovered_at", "復旧日時は、発生日時より後の日時を指定してください。")


def _refuse_incomplete_record(incident: Incident) -> None:
    required = ("impact", "cause", "response", "prevention", "report")
    missing = [AREA.fields[name] for name in required if not getattr(incident, name).strip()]
    missing += [AREA.fields["recovered_at"]] if incident.recovered_at is None else []
    if missing:
        raise Conflict(f"まだ記録されていない項目があります（{'、'.join(missing)}）。記録してから完了にしてください。")


def _code(incident: Incident) -> str:
    return rules.incident_number(incident.id)


def _record_event(db: Session, incident: Incident, kind: str, by: Actor | None, text: str | None) -> None:
    db.add(IncidentEvent(incident_id=incident.id, **event_values(db, kind, by, text)))
