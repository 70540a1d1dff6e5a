"""Every write of the history: adding an event updates the projection (states and loans) in the same transaction."""

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
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid
from service.loaners.history import queries
from service.loaners.history.models import Event, Loan, Mark
from service.loaners.history.rules import (
    MARKABLE,
    EventKind,
    Fact,
    LoanPeriod,
    Source,
    State,
    allows_deposit,
    clearing_reason,
    find_double_loan,
    project_loans,
    project_states,
    state_at,
)
from service.loaners.models import Device, DeviceState
from service.loaners.rules import AREA, format_timestamp

Period = TypeVar("Period", State, LoanPeriod)


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event to be recorded. `effective_at` None: now."""

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
class RecordedEvent:
    """A recorded event, and the current state with it: not the state after it when later events exist."""

    event: Event
    now: State


def lock_device(db: Session, device_id: int) -> None:
    """Locks the device's history until the end of the transaction."""
    db.execute(select(Device.id).where(Device.id == device_id).with_for_update(key_share=True))


def record_event(
    db: Session, by: Actor, device_id: int, new_event: NewEvent, *, is_audited: bool = True, also: str = ""
) -> RecordedEvent:
    """Records the event, and the event that follows from it. The caller holds `lock_device`. Not `is_audited`: the
    caller's own audit entry tells of it. `also`: what the user did with it, for the audit log.

    Raises:
        Invalid: the time is in the future, or before the device was registered.
        Conflict: the device would be lent a second time.
    """
    now = app_now(db)
    happened_at = new_event.effective_at or now
    facts = queries.facts(db, [device_id])[device_id]
    check_event(db, facts, new_event, happened_at, now)
    before = state_at(project_states(facts), happened_at)
    event = _to_event(db, device_id, by, new_event, happened_at)
    db.add(event)
    db.flush()
    cleared = _clear_deposit(db, event, before)
    [(rebuilt, _)] = project(db, [device_id]).values()
    _touch(db, device_id, now)
    if is_audited:
        after = _audit_values(new_event, device_id, happened_at) | {
            "cleared": cleared.reason if cleared else also or None
        }
        audit.record(db, by, "create", AREA.name, "event", event.id, after=after)
    return RecordedEvent(event, rebuilt[-1])


def insert_events(db: Session, rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Adds many events, which the caller projects. Returns the rows by their ids, which grow in their order."""
    if not rows:
        return {}
    ids = db.scalars(
        insert(Event).returning(Event.id, sort_by_parameter_order=True).execution_options(render_nulls=True), rows
    )
    return dict(zip(ids, rows, strict=True))


def check_event(db: Session, facts: Sequence[Fact], new_event: NewEvent, happened_at: datetime, now: datetime) -> None:
    """Raises as `record_event` when the event is not allowed for a device with this history."""
    if happened_at > now:
        raise Invalid.at_field("effective_at", "発生日時が未来です。これまでに起きたことを登録してください。")
    if facts and happened_at < facts[0].effective_at:
        raise Invalid.at_field(
            "effective_at",
            f"この機器が登録された{format_timestamp(facts[0].effective_at)}より前のことは登録できません。",
        )
    if not facts and new_event.kind is not EventKind.REGISTERED:
        raise AssertionError("a device is registered before anything happens to it")
    unasked = queries.unasked_meanings(db).get(new_event.form_id, frozenset())
    if pair := find_double_loan(facts, [*facts, to_fact(new_event, happened_at, facts)._replace(unasked=unasked)]):
        raise Conflict(_double_loan_message(*pair))


def to_fact(new_event: NewEvent, happened_at: datetime, facts: Sequence[Fact]) -> Fact:
    """The fact of a new event: the last one of those with the same time."""
    return Fact(
        max((other.id for other in facts), default=0) + 1,
        new_event.kind,
        happened_at,
        new_event.status,
        new_event.held,
        new_event.deposit,
        new_event.site_id,
        new_event.borrower,
        new_event.loan_number,
        new_event.lent_on,
        new_event.due_on,
    )


def project(db: Session, device_ids: Collection[int]) -> dict[int, tuple[list[State], list[LoanPeriod]]]:
    """Updates the projection (states and loans) of these devices from their events; writes only differences."""
    projections = {
        device_id: (project_states(events), project_loans(events))
        for device_id, events in queries.facts(db, device_ids).items()
    }
    for model, stored, index in (
        (DeviceState, queries.stored_states(db, device_ids), 0),
        (Loan, queries.stored_loans(db, device_ids), 1),
    ):
        rows: list[dict[str, Any]] = []
        outdated: list[dict[str, Any]] = []
        for device_id, projection in projections.items():
            periods: Sequence[Any] = projection[index]
            unchanged = _common_prefix(stored[device_id], periods)
            if unchanged < len(stored[device_id]):
                outdated.append({"of": device_id, "begun": stored[device_id][unchanged].since})
            rows += [_row(device_id, period) for period in periods[unchanged:]]
        if outdated:
            since = func.lower(model.during) >= bindparam("begun", type_=TIMESTAMP(timezone=True))
            db.connection().execute(delete(model).where(model.device_id == bindparam("of"), since), outdated)
        if rows:
            db.execute(insert(model).execution_options(render_nulls=True), rows)
    return projections


def rebuild(db: Session, by: Actor, after: int) -> tuple[list[str], int | None]:
    """履歴から作り直す: rebuilds the projection for the next batch of devices. Returns the numbers of the corrected
    devices, and the id to continue after; None: no more devices."""
    batch = queries.device_batch(db, after)
    suspects = queries.mismatched_devices(db, batch)
    if suspects:
        db.execute(
            select(Device.id).where(Device.id.in_(suspects)).order_by(Device.id).with_for_update(key_share=True)
        ).all()
    # Compared again under the lock: a device that was being written is not wrong.
    mismatched = queries.mismatched_devices(db, suspects)
    project(db, mismatched)
    entries = ((device_id, {"rebuilt": False}, {"rebuilt": True}) for device_id in mismatched)
    audit.record_many(db, by, "update", AREA.name, "device", entries)
    return [*mismatched.values()], max(batch, default=None)


def _common_prefix(stored: Sequence[Period], projected: Sequence[Period]) -> int:
    """How many periods from the start are equal."""
    return next(
        (index for index, (old, new) in enumerate(zip(stored, projected, strict=False)) if old != new),
        min(len(stored), len(projected)),
    )


def _row(device_id: int, period: State | LoanPeriod) -> dict[str, Any]:
    values = dict(vars(period))
    return {"device_id": device_id, "during": queries.period(values.pop("since"), values.pop("until")), **values}


def _to_event(db: Session, device_id: int, by: Actor, new_event: NewEvent, happened_at: datetime) -> Event:
    values = dict(vars(new_event)) | {"effective_at": happened_at, "answers": dict(new_event.answers)}
    actor = {"actor": by.login_id, "actor_name": by.name, "actor_mail": queries.user_mail(db, by.user_id)}
    return Event(device_id=device_id, **actor, **values)


def _touch(db: Session, device_id: int, now: datetime) -> None:
    db.execute(update(Device).where(Device.id == device_id).values(updated_at=now))


def _clear_deposit(db: Session, cause: Event, before: State | None) -> Event | None:
    """Section 2.6.2: adds a clearing event when the form ends the loan or the deposit of a user's machine."""
    is_cleared = cause.kind == EventKind.FORM and not allows_deposit(cause.status, cause.held)
    if not is_cleared or before is None or before.deposit is None:
        return None
    event = Event(
        device_id=cause.device_id,
        kind=EventKind.CLEARED,
        effective_at=cause.effective_at,
        source=Source.SYSTEM,
        actor="system",
        reason=clearing_reason(cause.status, cause.held),
        caused_by=cause.id,
    )
    db.add(event)
    db.flush()
    return event


def _audit_values(new_event: NewEvent, device_id: int, happened_at: datetime) -> dict[str, Any]:
    values = {
        "status": new_event.status,
        "deposit": new_event.deposit,
        "site_id": new_event.site_id,
        "reason": new_event.reason or None,
    }
    answers = [f"{key} {value}" for key, value in new_event.answers.items()]
    return {
        "device_id": device_id,
        "effective_at": happened_at.isoformat(),
        "answers": answers or None,
    } | {name: value for name, value in values.items() if value is not None}


def _double_loan_message(first: LoanPeriod, second: LoanPeriod) -> str:
    first_borrower, second_borrower = first.borrower or "ほかの貸出先", second.borrower or "別の貸出先"
    return (
        f"この機器は{format_timestamp(first.since)}から「{first_borrower}」へ貸出中です。「{second_borrower}」への貸出は、"
        "返却（2.回収後社内保管 または 3.社内にて保管中）を登録してから登録してください。"
        "貸出先の名前を直すだけのときは、同じ貸出番号を付けて登録してください。"
    )


def mark(db: Session, by: Actor, event_id: int, reason: str) -> None:
    """除去: the event, and the event that followed from it, do not count any more. Does nothing when already marked.

    Raises:
        NotFound: no such event, or it is archived.
        Conflict: this kind of event cannot be marked, or without it the device would be lent twice.
    """
    event = queries.get_event(db, event_id)
    lock_device(db, event.device_id)
    if db.get(Mark, event_id):
        return
    _require_markable(event)
    ids = _with_clearing(db, event)
    facts = queries.facts(db, [event.device_id])[event.device_id]
    if pair := find_double_loan(facts, [fact for fact in facts if fact.id not in ids]):
        raise Conflict(f"除去すると、返却されないまま次の貸出が始まったことになります。{_double_loan_message(*pair)}")
    db.add_all(Mark(event_id=marked_id, reason=reason, marked_by=by.name) for marked_id in ids)
    _apply_mark(db, by, event, {"marked": False}, {"marked": True, "reason": reason})


def unmark(db: Session, by: Actor, event_id: int) -> None:
    """The event counts again. Raises as `mark`."""
    event = queries.get_event(db, event_id)
    lock_device(db, event.device_id)
    if db.get(Mark, event_id) is None:
        return
    _require_markable(event)
    db.execute(delete(Mark).where(Mark.event_id.in_(_with_clearing(db, event))))
    db.expire_all()
    facts = queries.facts(db, [event.device_id])[event.device_id]
    if pair := find_double_loan([fact for fact in facts if fact.id != event_id], facts):
        raise Conflict(f"元に戻すと、返却されないまま次の貸出が始まったことになります。{_double_loan_message(*pair)}")
    _apply_mark(db, by, event, {"marked": True}, {"marked": False})


def _require_markable(event: Event) -> None:
    kind = EventKind(event.kind)
    if kind is EventKind.CLEARED and event.source != Source.VIEWER:
        raise Conflict("自動クリアは、そのもとになったステータス登録を除去すると一緒に除去されます。")
    if kind not in MARKABLE | {EventKind.CLEARED}:
        raise Conflict(f"「{kind.label}」の履歴は除去できません。機器の一覧から操作してください。")


def _with_clearing(db: Session, event: Event) -> list[int]:
    cleared = queries.clearing_of(db, event) if event.kind == EventKind.FORM else None
    return [event.id] if cleared is None else [event.id, cleared.id]


def _apply_mark(db: Session, by: Actor, event: Event, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    db.flush()
    project(db, [event.device_id])
    _touch(db, event.device_id, app_now(db))
    values = dict(after) | {"device_id": event.device_id}
    audit.record(db, by, "status_change", AREA.name, "event", event.id, before=before, after=values)
