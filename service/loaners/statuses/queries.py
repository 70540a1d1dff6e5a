"""The status form of a device, and what a submission would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.loaners.forms import queries as forms
from service.loaners.forms import rules as form_rules
from service.loaners.forms.rules import DEPOSIT, Meaning
from service.loaners.history import queries as history
from service.loaners.history import rules
from service.loaners.history.models import Event
from service.loaners.history.rules import Fact, State
from service.loaners.models import Alias, Device, DeviceState, Model, Site
from service.loaners.statuses import schemas

MAX_CANDIDATES = 10
ARCHIVED_MESSAGE = "この機器は無効です。使うときは、先に元に戻してください。"


@dataclass(frozen=True)
class Outcome:
    """The effect of a form: `changes` at its time, the current state without it (`was`) and with it (`now`), and why it
    removes the 預り機のステータス (`cleared`)."""

    changes: list[schemas.Change]
    was: State
    now: State
    cleared: str | None

    @property
    def is_status_change(self) -> bool:
        return self.was.status != self.now.status


def compute_outcome(
    db: Session, facts: Sequence[Fact], new: Sequence[Fact], answers: Mapping[str, str], cleared: str | None
) -> Outcome:
    """`facts`: the device's history without `new`; `new`: the form and the events that follow from it; `answers`: the
    form's answers by header."""
    states_without, states_with, happened_at = (
        rules.project_states(facts),
        rules.project_states([*facts, *new]),
        new[0].effective_at,
    )
    before, after = rules.state_at(states_without, happened_at), rules.state_at(states_with, happened_at)
    old = history.labelled_answers(db, before.form_event_id if before else None)
    sites = {state.site_id: history.get_site(db, state.site_id).name for state in states_with}
    differences = rules.differences(rules.snapshot(before, sites, old), rules.snapshot(after, sites, answers))
    changes = [schemas.Change(header=header, old=was, new=now) for header, was, now in differences]
    return Outcome(changes, states_without[-1], states_with[-1], cleared)


def site_to_notify(db: Session, outcome: Outcome) -> Site | None:
    """The device's site, when 0-4 changes and the site has ステータス変更通知 on; else None."""
    site = history.get_site(db, outcome.now.site_id)
    return site if outcome.is_status_change and site.notifies else None


def current_state(db: Session, device: Device) -> State:
    """The current state."""
    return history.stored_states(db, [device.id])[device.id][-1]


def stored_outcome(db: Session, device: Device, event: Event) -> Outcome:
    """The outcome of a stored form at the time when it was recorded, without later events."""
    facts = [fact for fact in history.facts(db, [device.id])[device.id] if fact.id < event.id]
    clearing = history.clearing_of(db, event)
    new = [history.event_fact(added) for added in (event, clearing) if added]
    answers = form_rules.answers_by_header(history.questions_of(db, event.form_id), event.answers)
    return compute_outcome(db, facts, new, answers, clearing.reason if clearing else None)


def candidates(db: Session, text: str) -> schemas.Candidates:
    """Devices that match the text: the one with exactly this number, or those with this part of a number, an alias, a
    製造番号 or a 資産管理番号."""
    exact = history.find_device(db, text)
    part = rules.read_label(text)
    if exact:
        where: ColumnElement[bool] = Device.id == exact.id
    else:
        by_alias = select(Alias.device_id).where(Alias.alias.icontains(part, autoescape=True))
        columns = Device.number, Device.serial, Device.asset_number
        where = or_(*(column.icontains(part, autoescape=True) for column in columns), Device.id.in_(by_alias))
    rows = db.execute(
        select(Device.number, Model.name.label("model_name"), DeviceState.status, Site.name.label("site_name"))
        .join(Model, Model.id == Device.model_id)
        .join(DeviceState, (DeviceState.device_id == Device.id) & func.upper_inf(DeviceState.during))
        .join(Site, Site.id == DeviceState.site_id)
        .where(where)
        .order_by(Device.number)
        .limit(MAX_CANDIDATES + 1)
    ).all()
    items = [
        schemas.Candidate(**row._mapping, status_word=rules.status_label(row.status)) for row in rows[:MAX_CANDIDATES]
    ]
    return schemas.Candidates(items=items, more=len(rows) > MAX_CANDIDATES, exact=exact is not None)


def form_to_fill(db: Session, by: Actor, number: str) -> schemas.FormToFill:
    """The form of a device with its initial answers. Raises NotFound."""
    device = history.get_device(db, number)
    state, form = current_state(db, device), forms.current(db, device.kind)
    questions = form_rules.load_questions(form.questions)
    return schemas.FormToFill(
        as_of=app_now(db),
        number=device.number,
        model_name=history.model_name(db, device),
        kind=device.kind,
        site_name=history.get_site(db, state.site_id).name,
        status=state.status,
        status_word=rules.status_label(state.status),
        refusal=ARCHIVED_MESSAGE if state.is_archived else None,
        form_id=form.id,
        form=form.number,
        questions=forms.questions_with_conditions(questions),
        answers=_initial_answers(db, by, questions, state),
        based_on=state.form_event_id,
        changed_at=state.since if state.form_event_id else None,
    )


def _initial_answers(db: Session, by: Actor, questions: Sequence[form_rules.Question], state: State) -> dict[str, str]:
    """The answers of the last form, the current 預り機のステータス, and the user as 担当者."""
    answers = history.prefilled(db, questions, state.form_event_id)
    answers.pop(DEPOSIT, None)
    if state.deposit:
        answers[DEPOSIT] = rules.deposit_label(state.deposit)
    return {question.key: by.name for question in questions if question.meaning is Meaning.PERSON} | answers
