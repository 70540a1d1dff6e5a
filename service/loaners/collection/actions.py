"""Many things that have happened, told at once: by a file, or for the demo."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.loaners.collection import queries
from service.loaners.history import queries as history
from service.loaners.history.actions import Told, project
from service.loaners.history.models import Event
from service.loaners.history.rules import EMPTIED, EventKind, Fact, Source, cleared_because, holds_deposit, states
from service.loaners.models import Device
from service.loaners.rules import AREA


@dataclass(frozen=True, kw_only=True)
class Past:
    """One of many things that have happened, as a file tells them; `effective_at` is always known then. `recorded_at`
    None: now."""

    device_id: int
    told: Told
    effective_at: datetime
    actor_name: str = ""
    actor_mail: str = ""
    import_key: str | None = None
    recorded_at: datetime | None = None


def tell_many(db: Session, by: Actor, past: Sequence[Past]) -> None:
    """As `add_many`, and audited."""
    new = add_many(db, by, past)
    trail = ((key, None, _in_short(row)) for key, row in new.items())
    audit.record_many(db, by, "create", AREA.name, "event", trail)


def add_many(db: Session, by: Actor, past: Sequence[Past]) -> dict[int, dict[str, Any]]:
    """Adds them all, and what has to follow from them; the rows by their ids. A file is evidence: what was lent twice
    without a return stays as it was written, for the checks to find; what happened before a device was registered
    moves its registration."""
    ids = sorted({one.device_id for one in past})
    db.execute(select(Device.id).where(Device.id.in_(ids)).order_by(Device.id).with_for_update(key_share=True))
    known = history.facts(db, ids)
    now = app_now(db)
    rows = [_past_row(by, one, now) for one in (*_registrations(known, past), *past)]
    new = _insert(db, sorted(rows, key=lambda row: (row["device_id"], row["effective_at"])))
    _insert(db, _cleared_rows(history.facts(db, ids), new))
    _insert(db, _emptied_rows(history.facts(db, ids), queries.emptied(db, ids), now))
    project(db, ids)
    _bring_up_to_date(db, past)
    return new


def _registrations(known: Mapping[int, list[Fact]], past: Sequence[Past]) -> list[Past]:
    """For devices about which something older is told than that they were registered."""
    first: dict[int, Past] = {}
    for one in past:
        if one.told.kind is not EventKind.REGISTERED:
            earliest = first.get(one.device_id, one)
            first[one.device_id] = min(earliest, one, key=lambda each: each.effective_at)
    return [
        Past(
            device_id=device_id,
            told=Told(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=known[device_id][0].site_id),
            effective_at=one.effective_at,
        )
        for device_id, one in first.items()
        if known[device_id] and one.effective_at < known[device_id][0].effective_at
    ]


def _past_row(by: Actor | str, one: Past, now: datetime) -> dict[str, Any]:
    values = dict(vars(one.told)) | {"answers": dict(one.told.answers), "effective_at": one.effective_at}
    login_id, name = (by.login_id, by.name) if isinstance(by, Actor) else (by, "")
    who = {"actor": login_id, "actor_name": one.actor_name or name, "actor_mail": one.actor_mail}
    recorded = one.recorded_at or now
    return {"device_id": one.device_id, **values, **who, "recorded_at": recorded, "import_key": one.import_key}


def _insert(db: Session, rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """By the ids they got, which grow in the order of the rows."""
    if not rows:
        return {}
    made = db.scalars(
        insert(Event).returning(Event.id, sort_by_parameter_order=True).execution_options(render_nulls=True), rows
    )
    return dict(zip(made, rows, strict=True))


def _cleared_rows(facts: Mapping[int, Sequence[Fact]], new: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As `_cleared`, for the new ones among the facts; each told when its cause was."""
    rows: list[dict[str, Any]] = []
    for device_id, known in facts.items():
        found = states(known)
        starts = [state.since for state in found]
        for fact in known:
            if fact.id not in new or fact.kind is not EventKind.FORM or holds_deposit(fact.status, fact.held):
                continue
            place = bisect_left(starts, fact.effective_at) - 1
            if place >= 0 and found[place].deposit is not None:
                reason = cleared_because(fact.status, fact.held)
                told = Told(kind=EventKind.CLEARED, source=Source.SYSTEM, reason=reason, caused_by=fact.id)
                one = Past(device_id=device_id, told=told, effective_at=fact.effective_at)
                rows.append(_past_row("system", one, new[fact.id]["recorded_at"]))
    return rows


def _emptied_rows(facts: Mapping[int, Sequence[Fact]], emptied: Collection[int], now: datetime) -> list[dict[str, Any]]:
    """The newest row wins (2.4.3): one that leaves 預り機のステータス empty clears what was told before, even if that
    came by a later file."""
    rows: list[dict[str, Any]] = []
    for device_id, known in facts.items():
        so_far = list(known)
        for fact in known:
            if fact.id not in emptied or not holds_deposit(fact.status, fact.held):
                continue
            gone = Fact(fact.id, EventKind.CLEARED, fact.effective_at)
            then = [one for one in so_far if (one.effective_at, one.id) <= (fact.effective_at, fact.id)]
            if states(then)[-1].deposit is None or _is_cleared(known, fact):
                continue
            so_far.append(gone)
            told = Told(kind=EventKind.CLEARED, source=Source.IMPORT, reason=EMPTIED, caused_by=fact.id)
            rows.append(_past_row("system", Past(device_id=device_id, told=told, effective_at=fact.effective_at), now))
    return rows


def _is_cleared(known: Sequence[Fact], form: Fact) -> bool:
    return any(one.kind is EventKind.CLEARED and one.effective_at == form.effective_at for one in known)


def _bring_up_to_date(db: Session, past: Sequence[Past]) -> None:
    """更新日 is the last thing that happened."""
    last: dict[int, datetime] = {}
    for one in past:
        last[one.device_id] = max(one.effective_at, last.get(one.device_id, one.effective_at))
    db.connection().execute(
        update(Device)
        .where(Device.id == bindparam("of"))
        .values(updated_at=func.greatest(Device.updated_at, bindparam("happened", type_=TIMESTAMP(timezone=True)))),
        [{"of": device_id, "happened": at} for device_id, at in last.items()],
    )


def _in_short(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("status", "deposit", "site_id") if row[name] is not None}
    return {"effective_at": row["effective_at"].isoformat()} | shown
