"""Every write of the history: an event is added, and states and loans follow from it in the same transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Conflict, Invalid
from service.loaners.history import queries
from service.loaners.history.models import DeviceState, Event, Loan
from service.loaners.history.rules import (
    EventKind,
    Fact,
    Lent,
    Source,
    State,
    cleared_because,
    double_loan,
    holds_deposit,
    loans,
    states,
)
from service.loaners.models import Device
from service.loaners.rules import AREA, written

Period = TypeVar("Period", State, Lent)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What somebody says has happened. `effective_at` None: now."""

    kind: EventKind
    source: Source
    effective_at: datetime | None = None
    form_id: int | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    held: bool | None = None
    deposit: int | None = None
    borrower: str = ""
    loan_number: str = ""
    lent_on: date | None = None
    due_on: date | None = None
    site_id: int | None = None
    reason: str = ""
    client_id: uuid.UUID | None = None


@dataclass(frozen=True)
class Happened:
    """The event, and what held just before and after it; `now` is what holds today, which is something else when the
    event was told late."""

    event_id: int
    before: State | None
    after: State
    was: State | None
    now: State


def lock(db: Session, device_id: int) -> None:
    """Until the end of the transaction nobody else adds to the device's history."""
    db.execute(select(Device.id).where(Device.id == device_id).with_for_update(key_share=True))


def tell(db: Session, by: Actor, device_id: int, told: Told) -> Happened:
    """Adds the event, and what has to follow from it, to the device, whose `lock` the caller has.

    Raises:
        Invalid: it would have happened in the future, or before the device was registered.
        Conflict: the device would be lent a second time.
    """
    now = app_now(db)
    at = now if told.effective_at is None else told.effective_at
    known = queries.facts(db, [device_id])[device_id]
    _plausible(known, told, at, now)
    before = _at(states(known), at)
    was = states(known)[-1] if known else None
    event = _event(device_id, by, told, at)
    # The newest id: of what happened at the same moment, it is the last.
    fact = _fact(event, max((one.id for one in known), default=0) + 1)
    if pair := double_loan(known, fact):
        raise Conflict(_double(*pair))
    db.add(event)
    db.flush()
    cleared = _cleared(db, device_id, before, fact, at)
    [(rebuilt, _)] = project(db, [device_id]).values()
    db.execute(update(Device).where(Device.id == device_id).values(updated_at=now))
    audit.record(db, by, "create", AREA.name, "event", event.id, after=_told(told, device_id, at))
    if cleared:
        audit.record(db, "system", "create", AREA.name, "event", cleared.id, after={"reason": cleared.reason})
    after = _at(rebuilt, at)
    if after is None:
        raise AssertionError("an event is followed by a state")
    return Happened(event.id, before, after, was, rebuilt[-1])


def project(db: Session, device_ids: Collection[int]) -> dict[int, tuple[list[State], list[Lent]]]:
    """States and loans of these devices from their events; only what is not so already is written."""
    found = {device_id: (states(events), loans(events)) for device_id, events in queries.facts(db, device_ids).items()}
    for model, stored, place in (
        (DeviceState, queries.stored_states(db, device_ids), 0),
        (Loan, queries.stored_loans(db, device_ids), 1),
    ):
        rows: list[dict[str, Any]] = []
        gone: list[dict[str, Any]] = []
        for device_id, made in found.items():
            fresh: Sequence[Any] = made[place]
            kept = _alike(stored[device_id], fresh)
            if kept < len(stored[device_id]):
                gone.append({"of": device_id, "begun": stored[device_id][kept].since})
            rows += [_row(device_id, one) for one in fresh[kept:]]
        if gone:
            since = func.lower(model.during) >= bindparam("begun", type_=TIMESTAMP(timezone=True))
            db.connection().execute(delete(model).where(model.device_id == bindparam("of"), since), gone)
        if rows:
            db.execute(insert(model), rows)
    return found


def _alike(stored: Sequence[Period], fresh: Sequence[Period]) -> int:
    """How many from the beginning are the same."""
    return next(
        (place for place, (one, other) in enumerate(zip(stored, fresh, strict=False)) if one != other),
        min(len(stored), len(fresh)),
    )


def _row(device_id: int, one: State | Lent) -> dict[str, Any]:
    values = dict(vars(one))
    return {"device_id": device_id, "during": queries.between(values.pop("since"), values.pop("until")), **values}


def _event(device_id: int, by: Actor, told: Told, at: datetime) -> Event:
    values = dict(vars(told)) | {"effective_at": at, "answers": dict(told.answers)}
    return Event(device_id=device_id, actor=by.login_id, actor_name=by.name, **values)


def _fact(event: Event, number: int) -> Fact:
    return Fact(
        number,
        EventKind(event.kind),
        event.effective_at,
        event.status,
        event.held,
        event.deposit,
        event.site_id,
        event.borrower,
        event.loan_number,
        event.lent_on,
        event.due_on,
    )


def _plausible(known: Sequence[Fact], told: Told, at: datetime, now: datetime) -> None:
    if at > now:
        message = "発生日時が未来です。これまでに起きたことを登録してください。"
        raise Invalid(message, [("effective_at", message)])
    if known and at < known[0].effective_at:
        message = f"この機器が登録された{written(known[0].effective_at)}より前のことは登録できません。"
        raise Invalid(message, [("effective_at", message)])
    if not known and told.kind is not EventKind.REGISTERED:
        raise AssertionError("a device is registered before anything happens to it")


def _at(found: Sequence[State], moment: datetime) -> State | None:
    return next((state for state in reversed(found) if state.since <= moment), None)


def _cleared(db: Session, device_id: int, before: State | None, fact: Fact, at: datetime) -> Event | None:
    """Section 2.6.2: what is lent no longer, or holds no user's machine, has no 預り機のステータス."""
    if (
        fact.kind is not EventKind.FORM
        or before is None
        or before.deposit is None
        or holds_deposit(fact.status, fact.held)
    ):
        return None
    event = Event(
        device_id=device_id,
        kind=EventKind.CLEARED,
        effective_at=at,
        source=Source.SYSTEM,
        actor="system",
        reason=cleared_because(fact.status, fact.held),
    )
    db.add(event)
    db.flush()
    return event


def _told(told: Told, device_id: int, at: datetime) -> dict[str, Any]:
    shown = {"status": told.status, "deposit": told.deposit, "site_id": told.site_id, "reason": told.reason or None}
    return {
        "device_id": device_id,
        "effective_at": at.isoformat(),
        "answers": dict(told.answers) or None,
    } | {name: value for name, value in shown.items() if value is not None}


def _double(one: Lent, other: Lent) -> str:
    who, next_one = one.borrower or "ほかの貸出先", other.borrower or "別の貸出先"
    return (
        f"この機器は{written(one.since)}から「{who}」へ貸出中です。「{next_one}」への貸出は、返却（2.回収後社内保管 "
        "または 3.社内にて保管中）を登録してから登録してください。"
    )
