"""Adds many past events at once: from a file, or for the demo."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.loaners.collection import queries
from service.loaners.history import queries as history
from service.loaners.history.actions import NewEvent, insert_events, project
from service.loaners.history.rules import (
    EMPTIED_REASON,
    EventKind,
    Fact,
    Source,
    allows_deposit,
    clearing_reason,
    project_states,
)
from service.loaners.models import Device
from service.loaners.rules import AREA


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """One past event, such as a row of a file. `effective_at` is always known; `recorded_at` None: now."""

    device_id: int
    content: NewEvent
    effective_at: datetime
    actor_name: str = ""
    actor_mail: str = ""
    import_key: str | None = None
    recorded_at: datetime | None = None


def record_events(db: Session, by: Actor, events: Sequence[PastEvent]) -> None:
    """As `add_events`, and writes the audit log."""
    new = add_events(db, by, events)
    entries = ((key, None, _audit_values(row)) for key, row in new.items())
    audit.record_many(db, by, "create", AREA.name, "event", entries)


def add_events(db: Session, by: Actor, events: Sequence[PastEvent]) -> dict[int, dict[str, Any]]:
    """Adds all events and the events that follow from them. Returns the rows by their ids. A file is evidence: a second
    loan without a return is stored as it is, and the checks find it. An event before a device's registration moves
    the registration."""
    ids = sorted({event.device_id for event in events})
    db.execute(select(Device.id).where(Device.id.in_(ids)).order_by(Device.id).with_for_update(key_share=True))
    facts = history.facts(db, ids)
    now = app_now(db)
    rows = [_past_row(by, event, now) for event in (*_registrations(facts, events), *events)]
    new = insert_events(db, sorted(rows, key=lambda row: (row["device_id"], row["effective_at"])))
    insert_events(db, _cleared_rows(history.facts(db, ids), new))
    insert_events(db, _emptied_rows(history.facts(db, ids), queries.emptied_event_ids(db, ids), now))
    project(db, ids)
    _update_timestamps(db, events)
    return new


def _registrations(facts: Mapping[int, list[Fact]], events: Sequence[PastEvent]) -> list[PastEvent]:
    """Earlier registrations for devices that have an event before their registration."""
    first: dict[int, PastEvent] = {}
    for event in events:
        if event.content.kind is not EventKind.REGISTERED:
            earliest = first.get(event.device_id, event)
            first[event.device_id] = min(earliest, event, key=lambda item: item.effective_at)
    return [
        PastEvent(
            device_id=device_id,
            content=NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=facts[device_id][0].site_id),
            effective_at=event.effective_at,
        )
        for device_id, event in first.items()
        if facts[device_id] and event.effective_at < facts[device_id][0].effective_at
    ]


def _past_row(by: Actor | str, event: PastEvent, now: datetime) -> dict[str, Any]:
    values = dict(vars(event.content)) | {"answers": dict(event.content.answers), "effective_at": event.effective_at}
    login_id, name = (by.login_id, by.name) if isinstance(by, Actor) else (by, "")
    actor = {"actor": login_id, "actor_name": event.actor_name or name, "actor_mail": event.actor_mail}
    recorded = event.recorded_at or now
    return {"device_id": event.device_id, **values, **actor, "recorded_at": recorded, "import_key": event.import_key}


def _cleared_rows(facts: Mapping[int, Sequence[Fact]], new: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As `history.actions._clear_deposit`, for the new events; each has the `recorded_at` of its cause."""
    rows: list[dict[str, Any]] = []
    for device_id, device_facts in facts.items():
        device_states = project_states(device_facts)
        starts = [state.since for state in device_states]
        for fact in device_facts:
            if fact.id not in new or fact.kind is not EventKind.FORM or allows_deposit(fact.status, fact.held):
                continue
            index = bisect_left(starts, fact.effective_at) - 1
            if index >= 0 and device_states[index].deposit is not None:
                reason = clearing_reason(fact.status, fact.held)
                clearing = NewEvent(kind=EventKind.CLEARED, source=Source.SYSTEM, reason=reason, caused_by=fact.id)
                event = PastEvent(device_id=device_id, content=clearing, effective_at=fact.effective_at)
                rows.append(_past_row("system", event, new[fact.id]["recorded_at"]))
    return rows


def _emptied_rows(facts: Mapping[int, Sequence[Fact]], emptied: Collection[int], now: datetime) -> list[dict[str, Any]]:
    """The newest row wins (2.4.3): a row with an empty 預り機のステータス clears the earlier value, even if that value
    came with a later file."""
    rows: list[dict[str, Any]] = []
    for device_id, device_facts in facts.items():
        so_far = list(device_facts)
        for fact in device_facts:
            if fact.id not in emptied or not allows_deposit(fact.status, fact.held):
                continue
            clearing = Fact(fact.id, EventKind.CLEARED, fact.effective_at)
            previous = [other for other in so_far if (other.effective_at, other.id) <= (fact.effective_at, fact.id)]
            if project_states(previous)[-1].deposit is None or _is_cleared(device_facts, fact):
                continue
            so_far.append(clearing)
            clearing_event = NewEvent(
                kind=EventKind.CLEARED, source=Source.IMPORT, reason=EMPTIED_REASON, caused_by=fact.id
            )
            rows.append(
                _past_row(
                    "system",
                    PastEvent(device_id=device_id, content=clearing_event, effective_at=fact.effective_at),
                    now,
                )
            )
    return rows


def _is_cleared(facts: Sequence[Fact], form: Fact) -> bool:
    return any(fact.kind is EventKind.CLEARED and fact.effective_at == form.effective_at for fact in facts)


def _update_timestamps(db: Session, events: Sequence[PastEvent]) -> None:
    """Sets 更新日 to the time of the last event."""
    last: dict[int, datetime] = {}
    for event in events:
        last[event.device_id] = max(event.effective_at, last.get(event.device_id, event.effective_at))
    db.connection().execute(
        update(Device)
        .where(Device.id == bindparam("of"))
        .values(updated_at=func.greatest(Device.updated_at, bindparam("happened", type_=TIMESTAMP(timezone=True)))),
        [{"of": device_id, "happened": at} for device_id, at in last.items()],
    )


def _audit_values(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in ("status", "deposit", "site_id") if row[name] is not None}
    return {"effective_at": row["effective_at"].isoformat()} | values
