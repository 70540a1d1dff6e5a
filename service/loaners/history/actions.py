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
from service.loaners.history.models import DeviceState, Event, Loan, Mark
from service.loaners.history.rules import (
    KIND_WORDS,
    MARKABLE,
    EventKind,
    Fact,
    Lent,
    Source,
    State,
    at,
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
    caused_by: int | None = None
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
    moment = told.effective_at or now
    known = queries.facts(db, [device_id])[device_id]
    refuse(db, known, told, moment, now)
    before = at(states(known), moment)
    was = states(known)[-1] if known else None
    event = _event(db, device_id, by, told, moment)
    db.add(event)
    db.flush()
    cleared = _cleared(db, event, before)
    [(rebuilt, _)] = project(db, [device_id]).values()
    _touch(db, device_id, now)
    audit.record(db, by, "create", AREA.name, "event", event.id, after=_told(told, device_id, moment))
    if cleared:
        audit.record(db, "system", "create", AREA.name, "event", cleared.id, after={"reason": cleared.reason})
    after = at(rebuilt, moment)
    if after is None:
        raise AssertionError("an event is followed by a state")
    return Happened(event.id, before, after, was, rebuilt[-1])


def refuse(db: Session, known: Sequence[Fact], told: Told, moment: datetime, now: datetime) -> None:
    """Raises as `tell`, when the device with this history cannot be told this."""
    if moment > now:
        message = "発生日時が未来です。これまでに起きたことを登録してください。"
        raise Invalid(message, [("effective_at", message)])
    if known and moment < known[0].effective_at:
        message = f"この機器が登録された{written(known[0].effective_at)}より前のことは登録できません。"
        raise Invalid(message, [("effective_at", message)])
    if not known and told.kind is not EventKind.REGISTERED:
        raise AssertionError("a device is registered before anything happens to it")
    silent = queries.unasked(db).get(told.form_id, frozenset())
    if pair := double_loan(known, [*known, fact(told, moment, known)._replace(unasked=silent)]):
        raise Conflict(_double(*pair))


def fact(told: Told, moment: datetime, known: Sequence[Fact]) -> Fact:
    """As the newest event: of what happened at the same moment, it is the last."""
    return Fact(
        max((one.id for one in known), default=0) + 1,
        told.kind,
        moment,
        told.status,
        told.held,
        told.deposit,
        told.site_id,
        told.borrower,
        told.loan_number,
        told.lent_on,
        told.due_on,
    )


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
            db.execute(insert(model).execution_options(render_nulls=True), rows)
    return found


def rebuild(db: Session, by: Actor, after: int) -> tuple[list[str], int | None]:
    """履歴から作り直す: the tables of the next portion of devices say again what the events do. The numbers of those
    that did not, and where to go on; None: that was all."""
    some = queries.portion(db, after)
    suspects = queries.different(db, some)
    if suspects:
        db.execute(
            select(Device.id).where(Device.id.in_(suspects)).order_by(Device.id).with_for_update(key_share=True)
        ).all()
    # Again, now that nobody else writes: who was just being written was not wrong.
    wrong = queries.different(db, suspects)
    project(db, wrong)
    told = ((device_id, {"rebuilt": False}, {"rebuilt": True}) for device_id in wrong)
    audit.record_many(db, by, "update", AREA.name, "device", told)
    return [*wrong.values()], max(some, default=None)


def _alike(stored: Sequence[Period], fresh: Sequence[Period]) -> int:
    """How many from the beginning are the same."""
    return next(
        (place for place, (one, other) in enumerate(zip(stored, fresh, strict=False)) if one != other),
        min(len(stored), len(fresh)),
    )


def _row(device_id: int, one: State | Lent) -> dict[str, Any]:
    values = dict(vars(one))
    return {"device_id": device_id, "during": queries.between(values.pop("since"), values.pop("until")), **values}


def _event(db: Session, device_id: int, by: Actor, told: Told, moment: datetime) -> Event:
    values = dict(vars(told)) | {"effective_at": moment, "answers": dict(told.answers)}
    who = {"actor": by.login_id, "actor_name": by.name, "actor_mail": queries.mail_of(db, by.user_id)}
    return Event(device_id=device_id, **who, **values)


def _touch(db: Session, device_id: int, now: datetime) -> None:
    db.execute(update(Device).where(Device.id == device_id).values(updated_at=now))


def _cleared(db: Session, cause: Event, before: State | None) -> Event | None:
    """Section 2.6.2: what is lent no longer, or holds no user's machine, has no 預り機のステータス."""
    is_over = cause.kind == EventKind.FORM and not holds_deposit(cause.status, cause.held)
    if not is_over or before is None or before.deposit is None:
        return None
    event = Event(
        device_id=cause.device_id,
        kind=EventKind.CLEARED,
        effective_at=cause.effective_at,
        source=Source.SYSTEM,
        actor="system",
        reason=cleared_because(cause.status, cause.held),
        caused_by=cause.id,
    )
    db.add(event)
    db.flush()
    return event


def _told(told: Told, device_id: int, moment: datetime) -> dict[str, Any]:
    shown = {"status": told.status, "deposit": told.deposit, "site_id": told.site_id, "reason": told.reason or None}
    answers = [f"{key} {value}" for key, value in told.answers.items()]
    return {
        "device_id": device_id,
        "effective_at": moment.isoformat(),
        "answers": answers or None,
    } | {name: value for name, value in shown.items() if value is not None}


def _double(one: Lent, other: Lent) -> str:
    who, next_one = one.borrower or "ほかの貸出先", other.borrower or "別の貸出先"
    return (
        f"この機器は{written(one.since)}から「{who}」へ貸出中です。「{next_one}」への貸出は、返却（2.回収後社内保管 "
        "または 3.社内にて保管中）を登録してから登録してください。貸出先の名前を直すだけのときは、"
        "同じ貸出番号を付けて登録してください。"
    )


def mark(db: Session, by: Actor, event_id: int, reason: str) -> None:
    """除去: the event counts no more, nor what followed from it by itself. Once is enough.

    Raises:
        NotFound: there is none, or it was put away.
        Conflict: it is none that may be put aside by itself, or what is left would be a device lent twice at a time.
    """
    event = queries.get_event(db, event_id)
    lock(db, event.device_id)
    if db.get(Mark, event_id):
        return
    _refuse_mark(event)
    ids = _with_what_followed(db, event)
    known = queries.facts(db, [event.device_id])[event.device_id]
    if pair := double_loan(known, [one for one in known if one.id not in ids]):
        raise Conflict(f"除去すると、返却されないまま次の貸出が始まったことになります。{_double(*pair)}")
    db.add_all(Mark(event_id=one, reason=reason, marked_by=by.name) for one in ids)
    _count_anew(db, by, event, {"marked": False}, {"marked": True, "reason": reason})


def unmark(db: Session, by: Actor, event_id: int) -> None:
    """The event counts again. Raises as `mark`."""
    event = queries.get_event(db, event_id)
    lock(db, event.device_id)
    if db.get(Mark, event_id) is None:
        return
    _refuse_mark(event)
    db.execute(delete(Mark).where(Mark.event_id.in_(_with_what_followed(db, event))))
    db.expire_all()
    known = queries.facts(db, [event.device_id])[event.device_id]
    if pair := double_loan([one for one in known if one.id != event_id], known):
        raise Conflict(f"元に戻すと、返却されないまま次の貸出が始まったことになります。{_double(*pair)}")
    _count_anew(db, by, event, {"marked": True}, {"marked": False})


def _refuse_mark(event: Event) -> None:
    kind = EventKind(event.kind)
    if kind is EventKind.CLEARED and event.source != Source.VIEWER:
        raise Conflict("自動クリアは、そのもとになったステータス登録を除去すると一緒に除去されます。")
    if kind not in MARKABLE | {EventKind.CLEARED}:
        raise Conflict(f"「{KIND_WORDS[kind]}」の履歴は除去できません。機器の一覧から操作してください。")


def _with_what_followed(db: Session, event: Event) -> list[int]:
    cleared = queries.cleared_by(db, event) if event.kind == EventKind.FORM else None
    return [event.id] if cleared is None else [event.id, cleared.id]


def _count_anew(db: Session, by: Actor, event: Event, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    db.flush()
    project(db, [event.device_id])
    _touch(db, event.device_id, app_now(db))
    told = dict(after) | {"device_id": event.device_id}
    audit.record(db, by, "status_change", AREA.name, "event", event.id, before=before, after=told)
