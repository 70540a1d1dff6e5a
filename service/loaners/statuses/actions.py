"""A form is stored once, however often it is sent; a 預り機のステータス is set where there can be one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Conflict, Invalid, Stale
from service.core.settings import settings
from service.loaners.forms import queries as forms
from service.loaners.forms import rules as form_rules
from service.loaners.forms.models import Form
from service.loaners.forms.rules import Meaning, Question
from service.loaners.history import actions as history
from service.loaners.history import queries as past
from service.loaners.history import rules
from service.loaners.history.actions import Told
from service.loaners.history.models import Event
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device
from service.loaners.notifications import actions as notifications
from service.loaners.notifications.queries import told_of
from service.loaners.notifications.rules import Notice
from service.loaners.rules import written
from service.loaners.statuses import queries, schemas

MOST_DIFFERENCES = 5


@dataclass(frozen=True)
class _Filled:
    """A form that is in order. `cleared`: why it takes the 預り機のステータス away; `emptied`: the person did, so that
    it takes an event to say so."""

    told: Told
    questions: list[Question]
    cleared: str | None
    emptied: bool


def submit(db: Session, by: Actor, number: str, sent: schemas.Submission) -> dict[str, Any]:
    """Stores what the form says, and tells the site when 0-4 changes.

    Raises:
        NotFound: there is no such device.
        Invalid: answers are missing or wrong, by question.
        Stale: somebody told something of the device since the page was opened.
        Conflict: the form has a newer version, or the device would be lent a second time.
    """
    device = past.get_device(db, number)
    history.lock(db, device.id)
    event = _known(db, by, device, sent.client_id)
    if event is None:
        filled = _read(db, device, sent)
        happened = history.tell(db, by, device.id, filled.told)
        event = past.get_event(db, happened.event_id)
        if filled.emptied:
            history.tell(db, by, device.id, _emptying(event.effective_at, event.id))
        _tell_site(db, by, device, event, filled.questions)
    return _stored(db, device, event)


def _known(db: Session, by: Actor, device: Device, client_id: uuid.UUID) -> Event | None:
    """What was stored under this name before. Raises Conflict when that is another person's or device's."""
    event = past.by_client_id(db, client_id)
    if event and (event.device_id, event.actor) != (device.id, by.login_id):
        raise Conflict("この登録の番号は、別の登録で使われています。画面を開き直して、もう一度登録してください。")
    return event


def check(db: Session, by: Actor, number: str, sent: schemas.Checked) -> dict[str, Any]:
    """What `submit` would do; it raises the same. Whose answer got lost learns here that it is stored."""
    device = past.get_device(db, number)
    if sent.client_id and (event := _known(db, by, device, sent.client_id)):
        done = _stored(db, device, event)
        same = {name: done[name] for name in ("effective_at", "changes", "cleared", "mail_to")}
        return same | {"warnings": [], "stored": done}
    filled = _read(db, device, sent)
    told, now = filled.told, app_now(db)
    moment = told.effective_at or now
    known = past.facts(db, [device.id])[device.id]
    history.refuse(db, known, told, moment, now)
    new = [history.fact(told, moment, known)]
    if filled.emptied:
        new.append(history.fact(_emptying(moment), moment, [*known, *new]))
    found = queries.outcome(db, known, new, form_rules.labelled(filled.questions, told.answers))
    site = queries.site_to_tell(db, found)
    warnings = [] if found.changes else ["前回の登録から変わる項目はありません。"]
    if found.now.since > moment:
        word = rules.status_word(found.now.status)
        warnings.append(f"発生日時より後の登録があるため、現在のステータスは「{word}」のままです。")
    return {
        "effective_at": told.effective_at,
        "changes": found.changes,
        "cleared": filled.cleared,
        "mail_to": site.group_mail if site else None,
        "warnings": warnings,
    }


def _read(db: Session, device: Device, sent: schemas.Answers) -> _Filled:
    state = queries.state_of(db, device)
    if state.is_archived:
        raise Conflict(queries.ARCHIVED)
    form = forms.current(db, device.kind)
    if form.number != sent.form:
        raise Conflict(_other_version(db, form, sent.form))
    if state.form_event_id != sent.based_on:
        raise _overtaken(db, state, sent)
    questions = form_rules.read(form.questions)
    given, wrong = form_rules.checked(questions, sent.answers)
    wrong |= _wrong_dates(questions, given)
    if wrong:
        fields = [(f"answers.{key}", message) for key, message in wrong.items()]
        raise Invalid("入力内容をご確認ください。まだ登録されていません。", fields)
    before = state
    if sent.effective_at:
        before = rules.at(past.stored_states(db, [device.id])[device.id], sent.effective_at) or state
    answers = form_rules.carried(questions, past.answers_of(db, before.form_event_id), given)
    columns = rules.understood(form_rules.meant(questions, given))
    told = Told(
        kind=EventKind.FORM,
        source=Source.FORM,
        effective_at=sent.effective_at,
        form_id=form.id,
        answers=answers,
        client_id=sent.client_id if isinstance(sent, schemas.Submission) else None,
        **columns,
    )
    holds = rules.holds_deposit(told.status, told.held)
    is_asked = any(one.key == form_rules.DEPOSIT for one in form_rules.asked(questions, given))
    emptied = before.deposit is not None and holds and is_asked and told.deposit is None
    cleared = None
    if before.deposit is not None and (emptied or not holds):
        cleared = rules.EMPTIED if emptied else rules.cleared_because(told.status, told.held)
    return _Filled(told, questions, cleared, emptied)


def _emptying(moment: datetime, cause: int | None = None) -> Told:
    return Told(
        kind=EventKind.CLEARED, source=Source.SYSTEM, effective_at=moment, reason=rules.EMPTIED, caused_by=cause
    )


def _wrong_dates(questions: list[Question], given: dict[str, str]) -> dict[str, str]:
    keys = {one.meaning: one.key for one in questions}
    lent, due = (given.get(keys.get(meaning, "")) for meaning in (Meaning.LENT_ON, Meaning.DUE_ON))
    if lent and due and due < lent:
        return {keys[Meaning.DUE_ON]: "「返却予定日」は「貸出日」以降の日付にしてください。"}
    return {}


def _other_version(db: Session, form: Form, number: int) -> str:
    """That the form is another one now, and what is different."""
    then = db.scalars(select(Form).where(Form.kind == form.kind, Form.number == number)).one_or_none()
    words = form_rules.differences(form_rules.read(then.questions), form_rules.read(form.questions)) if then else []
    more = f"ほか{len(words) - MOST_DIFFERENCES}件の変更があります。" if len(words) > MOST_DIFFERENCES else ""
    return (
        f"フォームが新しくなりました（第{form.number}版）。まだ登録されていません。"
        f"{''.join(words[:MOST_DIFFERENCES])}{more}新しいフォームを読み込んで、もう一度登録してください。"
    )


def _overtaken(db: Session, state: rules.State, sent: schemas.Answers) -> Conflict:
    if state.form_event_id is None:
        return Conflict("もとにした登録が除去されました。まだ登録されていません。最新の内容を読み込んでください。")
    told = past.last_form(db, state.form_event_id)
    return Stale(
        f"{told['actor_name']}さんが{written(told['recorded_at'])}に、この機器のステータスを"
        f"「{rules.status_word(told['status'])}」で登録しました。あなたの入力はまだ登録されていません。"
        "最新の内容を読み込んで、もう一度登録してください。",
        yours=dict(sent.answers),
        current=dict(told["answers"]),
    )


def _tell_site(db: Session, by: Actor, device: Device, event: Event, questions: list[Question]) -> None:
    found = _outcome(db, device, event)
    site = queries.site_to_tell(db, found)
    if site is None:
        return
    meant = form_rules.meant(questions, event.answers)
    change = rules.Change(
        number=device.number,
        model_name=past.model_name(db, device),
        site_name=site.name,
        old=found.was.status,
        new=found.now.status,
        borrower=event.borrower,
        who=meant.get(Meaning.PERSON) or by.name,
        happened_at=event.effective_at,
        told_at=event.recorded_at,
    )
    page = f"{settings().public_base_url.rstrip('/')}/loaners-device?{urlencode({'number': device.number})}"
    subject, body = rules.change_mail(change, page)
    mail = notifications.Mail(subject, body)
    notifications.tell(db, site, Notice.CHANGE, mail, [(device.id, event.id)], ("event", event.id))


def _outcome(db: Session, device: Device, event: Event) -> queries.Outcome:
    """As it was when the event was told, whatever was told since."""
    known = [one for one in past.facts(db, [device.id])[device.id] if one.id < event.id]
    cleared = past.cleared_by(db, event)
    new = [past.fact_of(one) for one in (event, cleared) if one]
    answered = form_rules.labelled(past.questions_of(db, event.form_id), event.answers)
    return queries.outcome(db, known, new, answered)


def _stored(db: Session, device: Device, event: Event) -> dict[str, Any]:
    found, cleared = _outcome(db, device, event), past.cleared_by(db, event)
    return {
        "event_id": event.id,
        "number": device.number,
        "effective_at": event.effective_at,
        "recorded_at": event.recorded_at,
        "changes": found.changes,
        "status": found.now.status,
        "status_word": rules.status_word(found.now.status),
        "cleared": cleared.reason if cleared else None,
        "mail_to": told_of(db, event.id),
    }


def set_deposit(db: Session, by: Actor, number: str, new: schemas.DepositChange) -> dict[str, Any]:
    """Tells nobody (edits in the viewer are silent).

    Raises:
        NotFound: there is no such device.
        Conflict: there can be none just now; it says why.
        Stale: something happened to the device since the page was opened.
    """
    device = past.get_device(db, number)
    history.lock(db, device.id)
    state = queries.state_of(db, device)
    if state.deposit == new.deposit:
        return {"event_id": None, "deposit": new.deposit}
    if refusal := rules.deposit_refusal(state):
        raise Conflict(refusal)
    if state.event_id != new.based_on:
        raise Stale(
            "この機器には、画面を開いたあとに新しい登録がありました。まだ保存されていません。"
            f"「預り機のステータス」は、いま「{rules.deposit_word(state.deposit)}」です。",
            yours={"deposit": new.deposit},
            current={"deposit": state.deposit, "based_on": state.event_id},
        )
    kind = EventKind.DEPOSIT if new.deposit else EventKind.CLEARED
    told = Told(kind=kind, source=Source.VIEWER, deposit=new.deposit, reason=new.reason)
    happened = history.tell(db, by, device.id, told)
    return {"event_id": happened.event_id, "deposit": happened.now.deposit}
