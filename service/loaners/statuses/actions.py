"""Submits the status form (each form is stored once), and sets the 預り機のステータス."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid, Stale
from service.core.settings import settings
from service.loaners.forms import queries as forms
from service.loaners.forms import rules as form_rules
from service.loaners.forms.models import Form
from service.loaners.forms.rules import Meaning, Question
from service.loaners.history import actions as history
from service.loaners.history import queries as past
from service.loaners.history import rules
from service.loaners.history.actions import NewEvent
from service.loaners.history.models import Event
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device
from service.loaners.notifications import actions as notifications
from service.loaners.notifications.queries import notified_recipient
from service.loaners.notifications.rules import Notice
from service.loaners.rules import format_timestamp
from service.loaners.statuses import queries, schemas

MAX_DIFFERENCES = 5


@dataclass(frozen=True)
class _ValidForm:
    """A valid form. `cleared`: the reason why the 預り機のステータス is removed; `emptied`: the user emptied it, which
    needs a clearing event."""

    event: NewEvent
    questions: list[Question]
    cleared: str | None
    emptied: bool


def submit(db: Session, by: Actor, number: str, submission: schemas.Submission) -> schemas.Stored:
    """Stores the form, and notifies the site when 0-4 changes.

    Raises:
        NotFound: no such device.
        Invalid: answers are missing or invalid; errors by question.
        Stale: another form was stored since the page was opened (optimistic locking).
        Conflict: the form has a newer version, or the device would be lent a second time.
    """
    device = past.get_device(db, number)
    history.lock_device(db, device.id)
    if stored := _find_replay(db, by, device, submission.client_id):
        return _answer(db, device, stored, queries.stored_outcome(db, device, stored))
    form = _validate(db, device, submission)
    emptied = rules.EMPTIED_REASON if form.emptied else ""
    event = history.record_event(db, by, device.id, form.event, also=emptied).event
    if form.emptied:
        history.record_event(db, by, device.id, _clearing_event(event.effective_at, event.id), is_audited=False)
    outcome = queries.stored_outcome(db, device, event)
    _notify_site(db, by, device, event, form.questions, outcome)
    return _answer(db, device, event, outcome)


def _find_replay(db: Session, by: Actor, device: Device, client_id: uuid.UUID) -> Event | None:
    """The event stored with this idempotency key. Raises Conflict when it belongs to another user or device."""
    event = past.event_by_client_id(db, client_id)
    if event and (event.device_id, event.actor) != (device.id, by.login_id):
        raise Conflict("この登録の番号は、別の登録で使われています。画面を開き直して、もう一度登録してください。")
    return event


def check(db: Session, by: Actor, number: str, submission: schemas.Checked) -> schemas.Expected:
    """What `submit` would do; raises the same errors. For a replay, returns the stored result."""
    device = past.get_device(db, number)
    if submission.client_id and (event := _find_replay(db, by, device, submission.client_id)):
        stored = _answer(db, device, event, queries.stored_outcome(db, device, event))
        return schemas.Expected(
            effective_at=stored.effective_at,
            changes=stored.changes,
            cleared=stored.cleared,
            mail_to=stored.mail_to,
            warnings=[],
            stored=stored,
        )
    form = _validate(db, device, submission)
    new_event, now = form.event, app_now(db)
    happened_at = new_event.effective_at or now
    facts = past.facts(db, [device.id])[device.id]
    history.check_event(db, facts, new_event, happened_at, now)
    new = [history.to_fact(new_event, happened_at, facts)]
    if form.emptied:
        new.append(history.to_fact(_clearing_event(happened_at), happened_at, [*facts, *new]))
    answers = form_rules.answers_by_header(form.questions, new_event.answers)
    outcome = queries.compute_outcome(db, facts, new, answers, form.cleared)
    site = queries.site_to_notify(db, outcome)
    warnings = [] if outcome.changes else ["前回の登録から変わる項目はありません。"]
    if outcome.now.since > happened_at:
        label = rules.status_label(outcome.now.status)
        warnings.append(f"発生日時より後の登録があるため、現在のステータスは「{label}」のままです。")
    return schemas.Expected(
        effective_at=new_event.effective_at,
        changes=outcome.changes,
        cleared=outcome.cleared,
        mail_to=site.group_mail if site else None,
        warnings=warnings,
    )


def _validate(db: Session, device: Device, submission: schemas.Answers) -> _ValidForm:
    state = queries.current_state(db, device)
    if state.is_archived:
        raise Conflict(queries.ARCHIVED_MESSAGE)
    form = forms.current(db, device.kind)
    if form.number != submission.form:
        raise Conflict(_version_message(db, form, submission.form))
    if state.form_event_id != submission.based_on:
        raise _stale_edit(db, state, submission)
    questions = form_rules.load_questions(form.questions)
    valid, errors = form_rules.check_answers(questions, submission.answers)
    errors |= _date_errors(questions, valid)
    if errors:
        fields = [(f"answers.{key}", message) for key, message in errors.items()]
        raise Invalid("入力内容をご確認ください。まだ登録されていません。", fields)
    before = state
    if submission.effective_at:
        before = rules.state_at(past.stored_states(db, [device.id])[device.id], submission.effective_at) or state
    answers = form_rules.merge_answers(questions, past.answers_of(db, before.form_event_id), valid)
    columns = rules.event_columns(form_rules.answers_by_meaning(questions, valid))
    new_event = NewEvent(
        kind=EventKind.FORM,
        source=Source.FORM,
        effective_at=submission.effective_at,
        form_id=form.id,
        answers=answers,
        client_id=submission.client_id if isinstance(submission, schemas.Submission) else None,
        **columns,
    )
    deposit_allowed = rules.allows_deposit(new_event.status, new_event.held)
    is_shown = any(question.key == form_rules.DEPOSIT for question in form_rules.visible_questions(questions, valid))
    emptied = before.deposit is not None and deposit_allowed and is_shown and new_event.deposit is None
    cleared = None
    if before.deposit is not None and (emptied or not deposit_allowed):
        cleared = rules.EMPTIED_REASON if emptied else rules.clearing_reason(new_event.status, new_event.held)
    return _ValidForm(new_event, questions, cleared, emptied)


def _clearing_event(happened_at: datetime, cause: int | None = None) -> NewEvent:
    return NewEvent(
        kind=EventKind.CLEARED,
        source=Source.SYSTEM,
        effective_at=happened_at,
        reason=rules.EMPTIED_REASON,
        caused_by=cause,
    )


def _date_errors(questions: list[Question], answers: dict[str, str]) -> dict[str, str]:
    keys = {question.meaning: question.key for question in questions}
    lent, due = (answers.get(keys.get(meaning, "")) for meaning in (Meaning.LENT_ON, Meaning.DUE_ON))
    if lent and due and due < lent:
        return {keys[Meaning.DUE_ON]: "「返却予定日」は「貸出日」以降の日付にしてください。"}
    return {}


def _version_message(db: Session, form: Form, number: int) -> str:
    """The error message for an old version of the form, with the differences."""
    previous = db.scalars(select(Form).where(Form.kind == form.kind, Form.number == number)).one_or_none()
    differences = (
        form_rules.differences(form_rules.load_questions(previous.questions), form_rules.load_questions(form.questions))
        if previous
        else []
    )
    more = f"ほか{len(differences) - MAX_DIFFERENCES}件の変更があります。" if len(differences) > MAX_DIFFERENCES else ""
    return (
        f"フォームが新しくなりました（第{form.number}版）。まだ登録されていません。"
        f"{''.join(differences[:MAX_DIFFERENCES])}{more}新しいフォームを読み込んで、もう一度登録してください。"
    )


def _stale_edit(db: Session, state: rules.State, submission: schemas.Answers) -> Conflict:
    if state.form_event_id is None:
        return Conflict("もとにした登録が除去されました。まだ登録されていません。最新の内容を読み込んでください。")
    last_form = past.stored_form(db, state.form_event_id)
    return Stale(
        f"{last_form.actor_name}さんが{format_timestamp(last_form.recorded_at)}に、この機器のステータスを"
        f"「{rules.status_label(last_form.status)}」で登録しました。あなたの入力はまだ登録されていません。"
        "最新の内容を読み込んで、もう一度登録してください。",
        yours=dict(submission.answers),
        current=dict(last_form.answers),
    )


def _notify_site(
    db: Session, by: Actor, device: Device, event: Event, questions: list[Question], outcome: queries.Outcome
) -> None:
    site = queries.site_to_notify(db, outcome)
    if site is None:
        return
    meanings = form_rules.answers_by_meaning(questions, event.answers)
    change = rules.StatusChange(
        number=device.number,
        model_name=past.model_name(db, device),
        site_name=site.name,
        old=outcome.was.status,
        new=outcome.now.status,
        borrower=event.borrower,
        operator=meanings.get(Meaning.PERSON) or by.name,
        happened_at=event.effective_at,
        recorded_at=event.recorded_at,
    )
    page = settings().page_url(f"/loaners-device?{urlencode({'number': device.number})}")
    subject, body = rules.change_mail(change, page)
    mail = notifications.Mail(subject, body)
    notifications.notify_site(db, site, Notice.CHANGE, mail, [(device.id, event.id)], ("event", event.id))


def _answer(db: Session, device: Device, event: Event, outcome: queries.Outcome) -> schemas.Stored:
    return schemas.Stored(
        event_id=event.id,
        number=device.number,
        effective_at=event.effective_at,
        recorded_at=event.recorded_at,
        changes=outcome.changes,
        status=outcome.now.status,
        status_word=rules.status_label(outcome.now.status),
        cleared=outcome.cleared,
        mail_to=notified_recipient(db, event.id),
    )


def set_deposit(db: Session, by: Actor, number: str, new: schemas.DepositChange) -> schemas.DepositSet:
    """Sets the 預り機のステータス; sends no mail (edits in the viewer are silent).

    Raises:
        NotFound: no such device.
        Conflict: it is not allowed now; the message gives the reason.
        Stale: the device has a new event since the page was opened (optimistic locking).
    """
    device = past.get_device(db, number)
    history.lock_device(db, device.id)
    state = queries.current_state(db, device)
    if state.deposit == new.deposit:
        return schemas.DepositSet(event_id=None, deposit=new.deposit)
    if refusal := rules.deposit_refusal(state):
        raise Conflict(refusal)
    if state.event_id != new.based_on:
        raise Stale(
            "この機器には、画面を開いたあとに新しい登録がありました。まだ保存されていません。"
            f"「預り機のステータス」は、いま「{rules.deposit_label(state.deposit)}」です。",
            yours={"deposit": new.deposit},
            current={"deposit": state.deposit, "based_on": state.event_id},
        )
    kind = EventKind.DEPOSIT if new.deposit else EventKind.CLEARED
    new_event = NewEvent(kind=kind, source=Source.VIEWER, deposit=new.deposit, reason=new.reason)
    recorded = history.record_event(db, by, device.id, new_event)
    return schemas.DepositSet(event_id=recorded.event.id, deposit=recorded.now.deposit)
