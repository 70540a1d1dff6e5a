"""Every read of the history."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from service.loaners.history.models import DeviceState, Event, Loan, Mark
from service.loaners.history.rules import EventKind, Fact, Lent, State

_FACTS = (
    select(
        Event.device_id,
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
    .where(~select(Mark.event_id).where(Mark.event_id == Event.id).exists())
    .order_by(Event.device_id, Event.effective_at, Event.id)
)


def facts(db: Session, device_ids: Collection[int]) -> dict[int, list[Fact]]:
    """The events that count, by device, the oldest first."""
    rows = db.execute(_FACTS.where(Event.device_id.in_(device_ids)))
    found = {device_id: [_fact(row) for row in group] for device_id, group in groupby(rows, key=lambda row: row[0])}
    return {device_id: found.get(device_id, []) for device_id in device_ids}


def _fact(row: Sequence[Any]) -> Fact:
    _, number, kind, *rest = row
    return Fact(number, EventKind(kind), *rest)


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


def answers_of(db: Session, event_id: int | None) -> Mapping[str, str]:
    """What was answered then; nothing of no event."""
    found: Mapping[str, str] | None = db.scalar(select(Event.answers).where(Event.id == event_id))
    return found or {}
