"""Every read of the history. An event that was put away after three years still counts: what follows from the events
is the same before and after."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from service.core.identity import User
from service.core.problems import NotFound
from service.loaners import queries as masters
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history import rules
from service.loaners.history.models import ArchivedEvent, DeviceState, Event, Loan, Mark
from service.loaners.history.rules import EventKind, Fact, Lent, State
from service.loaners.models import Alias, Device, Model, Site

MOST_FOUND = 10
COMPARED_AT_ONCE = 500
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
_COUNTS = ~select(Mark.event_id).where(Mark.event_id == Event.id).exists()


def find_device(db: Session, text: str) -> Device | None:
    """The device that a label's address, a number or another number of it names."""
    name = rules.read_label(text)
    found = masters.numbered(db, [name]).get(name)
    return None if found is None else db.get(Device, found)


def get_device(db: Session, text: str) -> Device:
    """Raises NotFound."""
    device = find_device(db, text)
    if device is None:
        raise NotFound(
            f"拠点管理番号「{rules.read_label(text)[:100]}」の機器は登録されていません。"
            "ラベルの番号を確認するか、一覧から選び直してください。"
        )
    return device


def candidates(db: Session, text: str) -> dict[str, Any]:
    """The devices that may be meant: the one that is named exactly, or those that a part of a number, an alias, a
    製造番号 or a 資産管理番号 leads to."""
    exact = find_device(db, text)
    part = rules.read_label(text)
    if exact:
        where: ColumnElement[bool] = Device.id == exact.id
    else:
        by_alias = select(Alias.device_id).where(Alias.alias.icontains(part, autoescape=True))
        columns = Device.number, Device.serial, Device.asset_number
        where = or_(*(one.icontains(part, autoescape=True) for one in columns), Device.id.in_(by_alias))
    rows = db.execute(
        select(Device.number, Model.name.label("model_name"), DeviceState.status, Site.name.label("site_name"))
        .join(Model, Model.id == Device.model_id)
        .join(DeviceState, (DeviceState.device_id == Device.id) & func.upper_inf(DeviceState.during))
        .join(Site, Site.id == DeviceState.site_id)
        .where(where)
        .order_by(Device.number)
        .limit(MOST_FOUND + 1)
    ).all()
    items = [row._asdict() | {"status_word": rules.status_word(row.status)} for row in rows[:MOST_FOUND]]
    return {"items": items, "more": len(rows) > MOST_FOUND, "exact": exact is not None}


def facts(db: Session, device_ids: Collection[int]) -> dict[int, list[Fact]]:
    """The events that count, by device, the oldest first."""
    found: dict[int, list[Fact]] = {device_id: [] for device_id in device_ids}
    live = select(Event.device_id, Event.form_id, *_FACT).where(_COUNTS, Event.device_id.in_(device_ids))
    asking_less = unasked(db)
    for device_id, form_id, *values in db.execute(live.order_by(Event.device_id, Event.effective_at, Event.id)):
        found[device_id].append(_fact(values, asking_less.get(form_id, frozenset())))
    old = select(ArchivedEvent.device_id, ArchivedEvent.event).where(ArchivedEvent.device_id.in_(device_ids))
    for device_id, event in db.execute(old):
        if not event["mark"]:
            silent = asking_less.get(event["form_id"], frozenset())
            found[device_id].append(archived_fact(event)._replace(unasked=silent))
            found[device_id].sort(key=lambda one: (one.effective_at, one.id))
    return found


def unasked(db: Session) -> dict[int | None, frozenset[forms.Meaning]]:
    """By form, what a loan knows and the form does not ask for; without those that ask for all of it."""
    asked = db.execute(select(Form.id, func.jsonb_path_query_array(Form.questions, literal_column("'$[*].meaning'"))))
    found = {form_id: rules.LOAN_MEANINGS.difference(meanings) for form_id, meanings in asked}
    return {form_id: less for form_id, less in found.items() if less}


def _fact(values: Sequence[Any], silent: frozenset[forms.Meaning] = frozenset()) -> Fact:
    number, kind, *rest = values
    return Fact(number, EventKind(kind), *rest)._replace(unasked=silent)


def archived_fact(event: Mapping[str, Any]) -> Fact:
    values = [event[column.key] for column in _FACT]
    number, kind, moment, *rest, lent_on, due_on = values
    return _fact([number, kind, datetime.fromisoformat(moment), *rest, _day(lent_on), _day(due_on)])


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None


def stored_states(db: Session, device_ids: Collection[int]) -> dict[int, list[State]]:
    """The projection's rows as they stand, by device, the oldest first."""
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


def state(row: DeviceState) -> State:
    """A row of the projection."""
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


def stored_loans(db: Session, device_ids: Collection[int]) -> dict[int, list[Lent]]:
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
    return _by_device(rows, device_ids, Lent)


def _by_device(rows: Any, device_ids: Collection[int], of: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {device_id: [] for device_id in device_ids}
    for device_id, during, *rest in rows:
        found[device_id].append(of(during.lower, during.upper, *rest))
    return found


def between(since: datetime, until: datetime | None) -> Range[datetime]:
    return Range(since, until, bounds="[)")


def compare(db: Session) -> list[str]:
    """The numbers of devices of which the tables say something else than the events do; none when all is well."""
    return [number for some in _portions(db) for number in different(db, some).values()]


def still_different(db: Session, numbers: Sequence[str]) -> list[str]:
    """Those of these, as many as are compared at once, of which that holds now."""
    some = numbers[:COMPARED_AT_ONCE]
    known = db.execute(select(Device.id, Device.number).where(Device.number.in_(some)).order_by(Device.id))
    left = different(db, {row.id: row.number for row in known}) if some else {}
    return [*left.values(), *numbers[COMPARED_AT_ONCE:]]


def _portions(db: Session) -> Iterator[dict[int, str]]:
    some = portion(db, 0)
    while some:
        yield some
        some = portion(db, max(some))


def portion(db: Session, after: int) -> dict[int, str]:
    """As many devices as are compared at once, from the next one on: numbers by id."""
    rows = db.execute(
        select(Device.id, Device.number).where(Device.id > after).order_by(Device.id).limit(COMPARED_AT_ONCE)
    )
    return {row.id: row.number for row in rows}


def different(db: Session, numbers: Mapping[int, str]) -> dict[int, str]:
    """Those of these devices of which the tables say something else than the events do."""
    states, loans = stored_states(db, numbers), stored_loans(db, numbers)
    return {
        device_id: numbers[device_id]
        for device_id, events in facts(db, numbers).items()
        if (rules.states(events), rules.loans(events)) != (states[device_id], loans[device_id])
    }


def mail_of(db: Session, user_id: int) -> str:
    return db.scalar(select(User.mail).where(User.id == user_id)) or ""


def get_event(db: Session, event_id: int) -> Event:
    """Raises NotFound."""
    event = db.get(Event, event_id)
    if event is None:
        raise NotFound("この履歴は見つかりません。保管済みの履歴は変更できません。")
    return event


def fact_of(event: Event) -> Fact:
    """Whether it counts or not."""
    return _fact([getattr(event, column.key) for column in _FACT])


def by_client_id(db: Session, client_id: uuid.UUID) -> Event | None:
    return db.scalars(select(Event).where(Event.client_id == client_id)).one_or_none()


def cleared_by(db: Session, event: Event) -> Event | None:
    """The clearing that followed from a form."""
    return db.scalars(
        select(Event).where(Event.device_id == event.device_id, Event.caused_by == event.id)
    ).one_or_none()


def last_form(db: Session, event_id: int) -> dict[str, Any]:
    """Who told it, when and what, wherever it lies now: actor_name, recorded_at, status and answers."""
    columns = Event.actor_name, Event.recorded_at, Event.status, Event.answers
    found = db.execute(select(*columns).where(Event.id == event_id)).one_or_none()
    if found is not None:
        return found._asdict()
    archived = db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.id == event_id)).one()
    kept = {column.key: archived[column.key] for column in columns}
    return kept | {"recorded_at": datetime.fromisoformat(archived["recorded_at"])}


def answers_of(db: Session, event_id: int | None) -> Mapping[str, str]:
    """What was answered then; nothing of no event."""
    return _answered(db, event_id)[0]


def labelled_answers(db: Session, event_id: int | None) -> dict[str, str]:
    """The same under the words of the form they were given to."""
    answers, form_id = _answered(db, event_id)
    return forms.labelled(questions_of(db, form_id), answers)


def prefilled(db: Session, questions: Sequence[forms.Question], event_id: int | None) -> dict[str, str]:
    """What a form about the device begins with, that event having been the last form."""
    answers, form_id = _answered(db, event_id)
    return forms.prefilled(questions, questions_of(db, form_id), answers)


def _answered(db: Session, event_id: int | None) -> tuple[Mapping[str, str], int | None]:
    """The answers, and the form they were given to."""
    if event_id is None:
        return {}, None
    found = db.execute(select(Event.answers, Event.form_id).where(Event.id == event_id)).one_or_none()
    if found is not None:
        return found.answers, found.form_id
    archived = db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.id == event_id)).one()
    return archived["answers"], archived["form_id"]


def questions_of(db: Session, form_id: int | None) -> list[forms.Question]:
    return forms.read(db.scalar(select(Form.questions).where(Form.id == form_id)) or [])


def form_number(db: Session, event_id: int | None) -> int | None:
    """The version of the form that this event was told by."""
    return db.scalar(select(Form.number).where(Form.id == _answered(db, event_id)[1]))


def get_site(db: Session, site_id: int) -> Site:
    return db.get_one(Site, site_id)


def model_name(db: Session, device: Device) -> str:
    return db.get_one(Model, device.model_id).name
