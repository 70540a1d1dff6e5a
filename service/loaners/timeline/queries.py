"""Every read of a device's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.pages import shell
from service.core.times import local_date
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.history import queries as history
from service.loaners.history import rules
from service.loaners.history.models import ArchivedEvent, Event, Mark
from service.loaners.history.rules import EventKind, Source, State
from service.loaners.models import Alias, Column, Device, Model, Site
from service.loaners.notifications import queries as notifications
from service.loaners.rules import CATEGORIES, KIND_WORDS, UNSET, Kind

# Before it was registered.
_NOTHING: dict[str, Any] = {
    "site_id": None,
    "site_name": None,
    "jurisdiction": None,
    "is_moved": False,
    "is_archived": False,
    "status": None,
    "status_word": rules.NOT_YET,
    "held": None,
    "deposit": None,
    "deposit_word": UNSET,
    "deposit_refusal": None,
    "since": None,
    "event_id": None,
    "form_number": None,
    "answers": [],
}


def device(db: Session, number: str, as_of: datetime | None) -> dict[str, Any]:
    """The record, and what held of it then; now, when no moment is given. Raises NotFound."""
    found = history.get_device(db, number)
    now = app_now(db)
    moment = as_of or now
    states = history.stored_states(db, [found.id])[found.id]
    state = rules.at(states, moment) if as_of else states[-1]
    held = _held(db, found, state) if state else _NOTHING
    known = {"as_of": now, "moment": moment, "is_now": as_of is None, "registered_at": states[0].since}
    return _record(db, found) | known | held | {"loan": _loan(db, found.id, as_of, moment)}


def _record(db: Session, found: Device) -> dict[str, Any]:
    model = db.get_one(Model, found.model_id)
    columns = select(Column).where(Column.kind == found.kind, Column.archived_at.is_(None)).order_by(Column.position)
    values = {one.title: str(found.extra.get(str(one.id)) or "") for one in db.scalars(columns)}
    plain = ("id", "version", "number", "kind", "category", "serial", "asset_number", "software", "os")
    moments = ("created_at", "updated_at", "archived_at")
    return {name: getattr(found, name) for name in (*plain, *moments)} | {
        "aliases": list(db.scalars(select(Alias.alias).where(Alias.device_id == found.id).order_by(Alias.alias))),
        "kind_word": KIND_WORDS[Kind(found.kind)],
        "category_word": CATEGORIES[found.category].title,
        "model_name": model.name,
        "maker": model.maker,
        "extra": _facts(values),
        "label_url": shell.address() + rules.label_path(found.number),
    }


def _held(db: Session, found: Device, state: State) -> dict[str, Any]:
    site = history.get_site(db, state.site_id)
    return {
        "site_id": site.id,
        "site_name": site.name,
        "jurisdiction": site.jurisdiction,
        "is_moved": site.code != found.number.partition("_")[0],
        "is_archived": state.is_archived,
        "status": state.status,
        "status_word": rules.status_word(state.status),
        "held": state.held,
        "deposit": state.deposit,
        "deposit_word": rules.deposit_word(state.deposit),
        "deposit_refusal": rules.deposit_refusal(state),
        "since": state.since,
        "event_id": state.event_id,
        "form_number": history.form_number(db, state.form_event_id),
        "answers": _facts(history.labelled_answers(db, state.form_event_id)),
    }


def _facts(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"header": header, "value": value} for header, value in values.items()]


def _loan(db: Session, device_id: int, as_of: datetime | None, moment: datetime) -> dict[str, Any] | None:
    loans = [one for one in history.stored_loans(db, [device_id])[device_id] if one.since <= moment]
    if not loans or (loans[-1].until is not None and (as_of is None or loans[-1].until <= moment)):
        return None
    loan, today = loans[-1], local_date(moment)
    return {
        "since": loan.since,
        "borrower": loan.borrower,
        "loan_number": loan.loan_number,
        "lent_on": loan.lent_on,
        "due_on": loan.due_on,
        "overdue_days": max(0, (today - loan.due_on).days) if loan.due_on else 0,
        "days": rules.days_lent(loan.lent_on, loan.since, today),
    }


def timeline(db: Session, number: str, limit: int) -> dict[str, Any]:
    """What happened to the device, the newest first. Raises NotFound."""
    found = history.get_device(db, number)
    told = sorted(_events(db, found.id), key=lambda one: (one["effective_at"], one["id"]))
    shown = [*_shown(db, told)]
    return {"items": shown[::-1][:limit], "total": len(shown)}


def _events(db: Session, device_id: int) -> Iterator[dict[str, Any]]:
    """Every event with its mark, wherever it lies now."""
    rows = db.execute(
        select(Event, Mark).outerjoin(Mark, Mark.event_id == Event.id).where(Event.device_id == device_id)
    )
    for event, mark in rows:
        fields = {column.key: getattr(event, column.key) for column in Event.__table__.columns}
        yield fields | {"mark": mark, "fact": history.fact_of(event), "put_away": False}
    for one in db.scalars(select(ArchivedEvent.event).where(ArchivedEvent.device_id == device_id)):
        moments = {name: datetime.fromisoformat(one[name]) for name in ("effective_at", "recorded_at")}
        yield one | moments | {"fact": history.archived_fact(one), "put_away": True}


def _shown(db: Session, told: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each with what it changed; a marked one changes nothing. The oldest first."""
    versions = _versions(db, {one["form_id"] for one in told if one["form_id"]})
    sites = {site.id: site.name for site in db.scalars(select(Site))}
    state: State | None = None
    answered: dict[str, str] = {}
    for one in told:
        number, questions = versions.get(one["form_id"], (None, []))
        labelled = forms.labelled(questions, one["answers"])
        changes: list[tuple[str, str, str]] = []
        if not one["mark"]:
            before = rules.picture(state, sites, answered)
            state = rules.after(state, one["fact"]) if state else rules.first(one["fact"])
            answered = labelled if one["kind"] == EventKind.FORM else answered
            changes = rules.differences(before, rules.picture(state, sites, answered))
        yield _row(one, number, labelled, changes)


def _versions(db: Session, ids: set[int]) -> dict[int, tuple[int, list[forms.Question]]]:
    found = db.execute(select(Form.id, Form.number, Form.questions).where(Form.id.in_(ids)))
    return {form_id: (number, forms.read(questions)) for form_id, number, questions in found}


def _row(
    one: Mapping[str, Any], number: int | None, answers: Mapping[str, str], changes: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    kind, source = EventKind(one["kind"]), Source(one["source"])
    mark = one["mark"]
    by_system = source is Source.SYSTEM
    may_be_marked = kind in rules.MARKABLE or (kind is EventKind.CLEARED and not by_system)
    return {
        "id": one["id"],
        "kind": kind,
        "kind_word": rules.KIND_WORDS[kind],
        "effective_at": one["effective_at"],
        "recorded_at": one["recorded_at"],
        "is_late": source is not Source.IMPORT and one["recorded_at"] - one["effective_at"] > rules.LATE,
        "source": source,
        "source_word": rules.SOURCE_WORDS[source],
        "who": "" if by_system else one["actor_name"] or one["actor"],
        "mail": one["actor_mail"],
        "reason": one["reason"],
        "form_number": number,
        "status_word": rules.status_word(one["status"]) if one["status"] else None,
        "answers": _facts(answers),
        "changes": [{"header": header, "old": old, "new": new} for header, old, new in changes],
        "mark": mark and _mark(mark),
        "may_be_marked": may_be_marked and not one["put_away"],
        "put_away": one["put_away"],
    }


def _mark(mark: Any) -> dict[str, Any]:
    """Of a row, or of the JSON that it was put away as."""
    names = ("reason", "marked_by", "marked_at")
    return {name: mark[name] if isinstance(mark, dict) else getattr(mark, name) for name in names}


def mails(db: Session, number: str, limit: int) -> dict[str, Any]:
    """What was told by mail about the device, the newest first. Raises NotFound."""
    return notifications.of_device(db, history.get_device(db, number).id, limit)
