"""Every read of a device's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.outbox.messages import STATE
from service.core.outbox.records import OutboxMessage
from service.core.pages import shell
from service.core.values.times import local_date
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history import queries as history
from service.loaners.history import rules
from service.loaners.history.models import ArchivedEvent, Event, Mark
from service.loaners.history.rules import EventKind, Source, State
from service.loaners.models import Alias, Column, Device, Model, Site
from service.loaners.notifications.models import Notification
from service.loaners.rules import CATEGORIES, UNSET_LABEL, Kind
from service.loaners.statuses.schemas import Change
from service.loaners.timeline import schemas

# State values before the device was registered.
_NO_STATE: dict[str, Any] = {
    "site_id": None,
    "site_name": None,
    "jurisdiction": None,
    "is_moved": False,
    "is_archived": False,
    "status": None,
    "status_word": rules.NOT_REGISTERED,
    "held": None,
    "deposit": None,
    "deposit_word": UNSET_LABEL,
    "deposit_refusal": None,
    "since": None,
    "event_id": None,
    "form_number": None,
    "answers": [],
}


def device(db: Session, number: str, as_of: datetime | None) -> schemas.DeviceShown:
    """The device and its state at `as_of`, or now. Raises NotFound."""
    device = history.get_device(db, number)
    now = app_now(db)
    at = as_of or now
    states = history.stored_states(db, [device.id])[device.id]
    state = rules.state_at(states, at) if as_of else states[-1]
    return schemas.DeviceShown(
        **_record_values(db, device),
        **(_state_values(db, device, state) if state else _NO_STATE),
        as_of=now,
        moment=at,
        is_now=as_of is None,
        registered_at=states[0].since,
        loan=_loan(db, device.id, as_of, at),
    )


def _record_values(db: Session, device: Device) -> dict[str, Any]:
    model = db.get_one(Model, device.model_id)
    columns = select(Column).where(Column.kind == device.kind, Column.archived_at.is_(None)).order_by(Column.position)
    values = {column.title: str(device.extra.get(str(column.id)) or "") for column in db.scalars(columns)}
    plain = ("id", "version", "number", "kind", "category", "serial", "asset_number", "software", "os")
    timestamps = ("created_at", "updated_at", "archived_at")
    return {name: getattr(device, name) for name in (*plain, *timestamps)} | {
        "aliases": list(db.scalars(select(Alias.alias).where(Alias.device_id == device.id).order_by(Alias.alias))),
        "kind_word": Kind(device.kind).label,
        "category_word": CATEGORIES[device.category].title,
        "model_name": model.name,
        "maker": model.maker,
        "extra": _header_values(values),
        "label_url": shell.address() + rules.label_path(device.number),
    }


def _state_values(db: Session, device: Device, state: State) -> dict[str, Any]:
    site = history.get_site(db, state.site_id)
    return {
        "site_id": site.id,
        "site_name": site.name,
        "jurisdiction": site.jurisdiction,
        "is_moved": site.code != device.number.partition("_")[0],
        "is_archived": state.is_archived,
        "status": state.status,
        "status_word": rules.status_label(state.status),
        "held": state.held,
        "deposit": state.deposit,
        "deposit_word": rules.deposit_label(state.deposit),
        "deposit_refusal": rules.deposit_refusal(state),
        "since": state.since,
        "event_id": state.event_id,
        "form_number": history.form_number(db, state.form_event_id),
        "answers": _header_values(history.labelled_answers(db, state.form_event_id)),
    }


def _header_values(values: Mapping[str, str]) -> list[schemas.Fact]:
    return [schemas.Fact(header=header, value=value) for header, value in values.items()]


def _loan(db: Session, device_id: int, as_of: datetime | None, at: datetime) -> schemas.LoanShown | None:
    loans = [loan for loan in history.stored_loans(db, [device_id])[device_id] if loan.since <= at]
    if not loans or (loans[-1].until is not None and (as_of is None or loans[-1].until <= at)):
        return None
    loan, today = loans[-1], local_date(at)
    return schemas.LoanShown(
        since=loan.since,
        borrower=loan.borrower,
        loan_number=loan.loan_number,
        lent_on=loan.lent_on,
        due_on=loan.due_on,
        overdue_days=max(0, (today - loan.due_on).days) if loan.due_on else 0,
        days=rules.days_lent(loan.lent_on, loan.since, today),
    )


@dataclass(frozen=True, kw_only=True)
class _StoredEvent:
    """An event with its mark, archived (`put_away`) or not."""

    fact: rules.Fact
    mark: schemas.MarkShown | None
    put_away: bool
    recorded_at: datetime
    source: str
    actor: str
    actor_name: str
    actor_mail: str
    reason: str
    form_id: int | None
    answers: Mapping[str, str]


_EVENT_COLUMNS = ("source", "actor", "actor_name", "actor_mail", "reason", "form_id", "answers")


def timeline(db: Session, number: str, limit: int) -> schemas.Timeline:
    """The events of the device, newest first. Raises NotFound."""
    device = history.get_device(db, number)
    events = sorted(_events(db, device.id), key=lambda event: (event.fact.effective_at, event.fact.id))
    rows = [*_timeline_rows(db, events)]
    return schemas.Timeline(items=rows[::-1][:limit], total=len(rows))


def _events(db: Session, device_id: int) -> Iterator[_StoredEvent]:
    """All events with their marks, archived or not."""
    rows = db.execute(
        select(Event, Mark).outerjoin(Mark, Mark.event_id == Event.id).where(Event.device_id == device_id)
    )
    for event, mark in rows:
        yield _StoredEvent(
            fact=history.event_fact(event),
            mark=schemas.MarkShown.model_validate(mark, from_attributes=True) if mark else None,
            put_away=False,
            recorded_at=event.recorded_at,
            **{name: getattr(event, name) for name in _EVENT_COLUMNS},
        )
    for archived in db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.device_id == device_id)):
        yield _StoredEvent(
            fact=history.archived_fact(archived),
            mark=schemas.MarkShown(**archived["mark"]) if archived["mark"] else None,
            put_away=True,
            recorded_at=datetime.fromisoformat(archived["recorded_at"]),
            **{name: archived[name] for name in _EVENT_COLUMNS},
        )


def _timeline_rows(db: Session, events: Sequence[_StoredEvent]) -> Iterator[schemas.EventShown]:
    """Each event with its changes, oldest first. A marked event changes nothing."""
    versions = _form_versions(db, {event.form_id for event in events if event.form_id})
    sites = {site.id: site.name for site in db.scalars(select(Site))}
    state: State | None = None
    answers: dict[str, str] = {}
    for event in events:
        number, questions = versions.get(event.form_id or 0, (None, []))
        event_answers = forms.answers_by_header(questions, event.answers)
        changes: list[tuple[str, str, str]] = []
        if event.mark is None:
            before = rules.snapshot(state, sites, answers)
            state = rules.apply_event(state, event.fact) if state else rules.initial_state(event.fact)
            answers = event_answers if event.fact.kind is EventKind.FORM else answers
            changes = rules.differences(before, rules.snapshot(state, sites, answers))
        yield _row(event, number, event_answers, changes)


def _form_versions(db: Session, ids: set[int]) -> dict[int, tuple[int, list[forms.Question]]]:
    rows = db.execute(select(Form.id, Form.number, Form.questions).where(Form.id.in_(ids)))
    return {form_id: (number, forms.load_questions(questions)) for form_id, number, questions in rows}


def _row(
    event: _StoredEvent, number: int | None, answers: Mapping[str, str], changes: Sequence[tuple[str, str, str]]
) -> schemas.EventShown:
    fact, kind, source = event.fact, event.fact.kind, Source(event.source)
    by_system = source is Source.SYSTEM
    may_be_marked = kind in rules.MARKABLE or (kind is EventKind.CLEARED and not by_system)
    return schemas.EventShown(
        id=fact.id,
        kind=kind,
        kind_word=kind.label,
        effective_at=fact.effective_at,
        recorded_at=event.recorded_at,
        is_late=source is not Source.IMPORT and event.recorded_at - fact.effective_at > rules.LATE_AFTER,
        source=source,
        source_word=source.label,
        who="" if by_system else event.actor_name or event.actor,
        mail=event.actor_mail,
        reason=event.reason,
        form_number=number,
        status_word=rules.status_label(fact.status) if fact.status else None,
        answers=_header_values(answers),
        changes=[Change(header=header, old=old, new=new) for header, old, new in changes],
        mark=event.mark,
        may_be_marked=may_be_marked and not event.put_away,
        put_away=event.put_away,
    )


_IN_OUTBOX = OutboxMessage.id.is_not(None)


def mails(db: Session, number: str, limit: int) -> schemas.Mails:
    """The mails about the device, newest first. Raises NotFound."""
    of_this_device = Notification.device_id == history.get_device(db, number).id
    rows = db.execute(
        select(
            Notification.id,
            Notification.kind,
            Notification.event_id,
            Notification.recipient,
            Notification.title,
            Notification.told_at,
            case((_IN_OUTBOX, STATE), else_=Notification.state).label("state"),
            case((_IN_OUTBOX, OutboxMessage.sent_at), else_=Notification.sent_at).label("sent_at"),
            case((_IN_OUTBOX, OutboxMessage.last_error), else_=Notification.error).label("error"),
        )
        .outerjoin(OutboxMessage, OutboxMessage.id == Notification.message_id)
        .where(of_this_device)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    total = db.scalar(select(func.count()).select_from(Notification).where(of_this_device)) or 0
    return schemas.Mails(items=[schemas.MailShown(**row) for row in rows.mappings()], total=total)
