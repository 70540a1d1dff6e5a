"""Every read of the history. Archived events (older than three years) still count: archiving does not change the
projection."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.problems import NotFound
from service.loaners import queries as masters
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history import rules
from service.loaners.history.models import ArchivedEvent, Event, Loan, Mark
from service.loaners.history.rules import EventKind, Fact, LoanPeriod, State
from service.loaners.models import Device, DeviceState, Model, Site

BATCH_SIZE = 500
_FACT = (
    Event.id,
    Event.kind,
    Event.effective_at,
    Event.status,
    Event.held,
    Event.deposit,
    Event.site_id,
    Event.borrower,
    Event.loan_number,
    Event.lent_on,
    Event.due_on,
)
_IS_NOT_MARKED = ~select(Mark.event_id).where(Mark.event_id == Event.id).exists()


class StoredForm(NamedTuple):
    """Who recorded a form, when, and what it says."""

    actor_name: str
    recorded_at: datetime
    status: int | None
    answers: Mapping[str, str]


def find_device(db: Session, text: str) -> Device | None:
    """The device for the URL of a label, a number or an alias."""
    name = rules.read_label(text)
    device_id = masters.device_ids_by_number(db, [name]).get(name)
    return None if device_id is None else db.get(Device, device_id)


def get_device(db: Session, text: str) -> Device:
    """Raises NotFound."""
    device = find_device(db, text)
    if device is None:
        raise NotFound(
            f"拠点管理番号「{rules.read_label(text)[:100]}」の機器は登録されていません。"
            "ラベルの番号を確認するか、一覧から選び直してください。"
        )
    return device


def facts(db: Session, device_ids: Collection[int]) -> dict[int, list[Fact]]:
    """The events that count (without marked ones), by device, oldest first."""
    by_device: dict[int, list[Fact]] = {device_id: [] for device_id in device_ids}
    events = select(Event.device_id, Event.form_id, *_FACT).where(_IS_NOT_MARKED, Event.device_id.in_(device_ids))
    unasked_by_form = unasked_meanings(db)
    for device_id, form_id, *values in db.execute(events.order_by(Event.device_id, Event.effective_at, Event.id)):
        by_device[device_id].append(_fact(values, unasked_by_form.get(form_id, frozenset())))
    archived = select(ArchivedEvent.device_id, ArchivedEvent.event).where(ArchivedEvent.device_id.in_(device_ids))
    for device_id, event in db.execute(archived):
        if not event["mark"]:
            missing = unasked_by_form.get(event["form_id"], frozenset())
            by_device[device_id].append(archived_fact(event)._replace(unasked=missing))
            by_device[device_id].sort(key=lambda fact: (fact.effective_at, fact.id))
    return by_device


def unasked_meanings(db: Session) -> dict[int | None, frozenset[forms.Meaning]]:
    """By form: the meanings of a loan that the form does not ask for. Without forms that ask for all of them."""
    rows = db.execute(select(Form.id, func.jsonb_path_query_array(Form.questions, literal_column("'$[*].meaning'"))))
    by_form = {form_id: rules.LOAN_MEANINGS.difference(meanings) for form_id, meanings in rows}
    return {form_id: missing for form_id, missing in by_form.items() if missing}


def _fact(values: Sequence[Any], unasked: frozenset[forms.Meaning] = frozenset()) -> Fact:
    number, kind, *rest = values
    return Fact(number, EventKind(kind), *rest)._replace(unasked=unasked)


def archived_fact(event: Mapping[str, Any]) -> Fact:
    values = [event[column.key] for column in _FACT]
    number, kind, happened_at, *rest, lent_on, due_on = values
    return _fact([number, kind, datetime.fromisoformat(happened_at), *rest, _day(lent_on), _day(due_on)])


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def stored_states(db: Session, device_ids: Collection[int]) -> dict[int, list[State]]:
    """The stored rows of the projection, by device, oldest first."""
    rows = db.execute(
        select(
            DeviceState.device_id,
            DeviceState.during,
            DeviceState.event_id,
            DeviceState.form_event_id,
            DeviceState.site_id,
            DeviceState.status,
            DeviceState.held,
            DeviceState.deposit,
            DeviceState.is_archived,
        )
        .where(DeviceState.device_id.in_(device_ids))
        .order_by(DeviceState.device_id, DeviceState.during)
    )
    return _by_device(rows, device_ids, State)


def to_state(row: DeviceState) -> State:
    """A row of the projection as a State."""
    during: Any = row.during
    return State(
        during.lower,
        during.upper,
        row.event_id,
        row.form_event_id,
        row.site_id,
        row.status,
        row.held,
        row.deposit,
        row.is_archived,
    )


def stored_loans(db: Session, device_ids: Collection[int]) -> dict[int, list[LoanPeriod]]:
    rows = db.execute(
        select(
            Loan.device_id,
            Loan.during,
            Loan.first_event_id,
            Loan.last_event_id,
            Loan.borrower,
            Loan.loan_number,
            Loan.lent_on,
            Loan.due_on,
        )
        .where(Loan.device_id.in_(device_ids))
        .order_by(Loan.device_id, Loan.during)
    )
    return _by_device(rows, device_ids, LoanPeriod)


def _by_device(rows: Any, device_ids: Collection[int], period_class: Any) -> dict[int, list[Any]]:
    by_device: dict[int, list[Any]] = {device_id: [] for device_id in device_ids}
    for device_id, during, *rest in rows:
        by_device[device_id].append(period_class(during.lower, during.upper, *rest))
    return by_device


def period(since: datetime, until: datetime | None) -> Range[datetime]:
    return Range(since, until, bounds="[)")


def find_mismatches(db: Session) -> list[str]:
    """The numbers of devices whose projection differs from their events; empty when all are correct."""
    return [number for batch in _batches(db) for number in mismatched_devices(db, batch).values()]


def remaining_mismatches(db: Session, numbers: Sequence[str]) -> list[str]:
    """The given numbers without those that are correct now. Compares only the first batch and returns the rest."""
    batch = numbers[:BATCH_SIZE]
    rows = db.execute(select(Device.id, Device.number).where(Device.number.in_(batch)).order_by(Device.id))
    remaining = mismatched_devices(db, {row.id: row.number for row in rows}) if batch else {}
    return [*remaining.values(), *numbers[BATCH_SIZE:]]


def _batches(db: Session) -> Iterator[dict[int, str]]:
    batch = device_batch(db, 0)
    while batch:
        yield batch
        batch = device_batch(db, max(batch))


def device_batch(db: Session, after: int) -> dict[int, str]:
    """The next batch of devices after this id: numbers by id."""
    rows = db.execute(select(Device.id, Device.number).where(Device.id > after).order_by(Device.id).limit(BATCH_SIZE))
    return {row.id: row.number for row in rows}


def mismatched_devices(db: Session, numbers: Mapping[int, str]) -> dict[int, str]:
    """Those of these devices whose projection differs from their events."""
    states, loans = stored_states(db, numbers), stored_loans(db, numbers)
    return {
        device_id: numbers[device_id]
        for device_id, events in facts(db, numbers).items()
        if (rules.project_states(events), rules.project_loans(events)) != (states[device_id], loans[device_id])
    }


def user_mail(db: Session, user_id: int) -> str:
    return db.scalar(select(User.mail).where(User.id == user_id)) or ""


def get_event(db: Session, event_id: int) -> Event:
    """Raises NotFound."""
    event = db.get(Event, event_id)
    if event is None:
        raise NotFound("この履歴は見つかりません。保管済みの履歴は変更できません。")
    return event


def event_fact(event: Event) -> Fact:
    """The fact of an event, marked or not."""
    return _fact([getattr(event, column.key) for column in _FACT])


def event_by_client_id(db: Session, client_id: uuid.UUID) -> Event | None:
    return db.scalars(select(Event).where(Event.client_id == client_id)).one_or_none()


def clearing_of(db: Session, event: Event) -> Event | None:
    """The clearing event that a form caused."""
    return db.scalars(
        select(Event).where(Event.device_id == event.device_id, Event.caused_by == event.id)
    ).one_or_none()


def stored_form(db: Session, event_id: int) -> StoredForm:
    """A form event, archived or not."""
    columns = Event.actor_name, Event.recorded_at, Event.status, Event.answers
    row = db.execute(select(*columns).where(Event.id == event_id)).one_or_none()
    if row is not None:
        return StoredForm(*row)
    archived = db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.id == event_id)).one()
    recorded_at = datetime.fromisoformat(archived["recorded_at"])
    return StoredForm(archived["actor_name"], recorded_at, archived["status"], archived["answers"])


def answers_of(db: Session, event_id: int | None) -> Mapping[str, str]:
    """The answers of an event; empty without an event."""
    return _answers_and_form(db, event_id)[0]


def labelled_answers(db: Session, event_id: int | None) -> dict[str, str]:
    """The answers of an event by the headers of its form."""
    answers, form_id = _answers_and_form(db, event_id)
    return forms.answers_by_header(questions_of(db, form_id), answers)


def prefilled(db: Session, questions: Sequence[forms.Question], event_id: int | None) -> dict[str, str]:
    """Initial answers of a form, from the last form event."""
    answers, form_id = _answers_and_form(db, event_id)
    return forms.prefilled(questions, questions_of(db, form_id), answers)


def _answers_and_form(db: Session, event_id: int | None) -> tuple[Mapping[str, str], int | None]:
    """The answers and the form id of an event, archived or not."""
    if event_id is None:
        return {}, None
    row = db.execute(select(Event.answers, Event.form_id).where(Event.id == event_id)).one_or_none()
    if row is not None:
        return row.answers, row.form_id
    archived = db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.id == event_id)).one()
    return archived["answers"], archived["form_id"]


def questions_of(db: Session, form_id: int | None) -> list[forms.Question]:
    return forms.load_questions(db.scalar(select(Form.questions).where(Form.id == form_id)) or [])


def form_number(db: Session, event_id: int | None) -> int | None:
    """The version of the form of this event."""
    return db.scalar(select(Form.number).where(Form.id == _answers_and_form(db, event_id)[1]))


def get_site(db: Session, site_id: int) -> Site:
    return db.get_one(Site, site_id)


def model_name(db: Session, device: Device) -> str:
    return db.get_one(Model, device.model_id).name
