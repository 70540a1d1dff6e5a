"""Learns opening hours each night, and switches them on and off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit, holidays
from service.core.auth import Actor
from service.core.times import local_date
from service.fleet.actions import note_down
from service.fleet.hours import queries, rules
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Customer, Terminal, TerminalState
from service.fleet.queries import get_customer, get_terminal
from service.fleet.rules import AREA

_LOCK = "fleet.hours"


def learn(db: Session, until: datetime) -> int:
    """Once for each day that is summed up (`until`: where the first one begins that is not), for all terminals: what
    the days before have taught, and what it says of the days ahead. How many terminals have hours; 0 when nothing was
    due, or somebody else is at it."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return 0
    if not queries.is_due(db, until):
        return 0
    closed, learned = holidays.days(db), 0
    for some in queries.heard(db, until):
        rows: list[dict[str, Any]] = []
        for terminal_id, wanted, days in some:
            known, week = rules.learn(days, closed)
            ahead = rules.ahead(week, local_date(until), closed) if week and wanted else None
            rows.append(
                {"terminal_id": terminal_id, "learned_until": until, "days": known, "week": week, "ahead": ahead}
            )
            learned += week is not None
        _keep(db, rows)
    return learned


def _keep(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    put = insert(LearnedHours)
    values = {name: put.excluded[name] for name in ("learned_until", "days", "week", "ahead")}
    put = put.on_conflict_do_update(index_elements=[LearnedHours.terminal_id], set_=values)
    # One statement for all: each row names the same columns.
    db.execute(put.execution_options(render_nulls=True), rows)


def switch_terminal(db: Session, by: Actor, terminal_id: int, on: bool) -> None:
    """Learned hours are waited for, or not; what waits now does not wait any longer. Raises NotFound."""
    terminal = get_terminal(db, terminal_id, lock=True)
    if terminal.learned_hours == on:
        return
    terminal.learned_hours = on
    db.flush()
    audit.record(
        db, by, "update", AREA.name, "terminal", terminal_id, before={"learned_hours": not on}, after=_after(on)
    )
    note_down(db, terminal_id, "edited", by, fields=["learned_hours"])
    _look_ahead(db, Terminal.id == terminal_id)


def switch_customer(db: Session, by: Actor, customer_id: int, on: bool) -> None:
    """As `switch_terminal`, for all terminals of the customer. Raises NotFound."""
    customer = get_customer(db, customer_id, lock=True)
    if customer.learned_hours == on:
        return
    customer.learned_hours = on
    db.flush()
    audit.record(
        db, by, "update", AREA.name, "customer", customer_id, before={"learned_hours": not on}, after=_after(on)
    )
    _look_ahead(db, Terminal.customer_id == customer_id)


def _after(on: bool) -> dict[str, bool]:
    return {"learned_hours": on}


def _look_ahead(db: Session, where: ColumnElement[bool]) -> None:
    """Brings what is ahead of these terminals in line with their switches."""
    found = (
        select(LearnedHours, Terminal.learned_hours & Customer.learned_hours)
        .join(Terminal, Terminal.id == LearnedHours.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(where)
        .order_by(LearnedHours.terminal_id)
        .with_for_update(of=LearnedHours)
        .execution_options(populate_existing=True)
    )
    closed, off = holidays.days(db), []
    for hours, wanted in db.execute(found):
        first = local_date(hours.learned_until)
        hours.ahead = rules.ahead(hours.week, first, closed) if hours.week and wanted else None
        if not wanted:
            off.append(hours.terminal_id)
    db.flush()
    _wait_no_longer(db, off)


def _wait_no_longer(db: Session, terminal_ids: Sequence[int]) -> None:
    """Locked in the order in which the ingest locks them."""
    waiting = select(TerminalState.terminal_id).where(
        TerminalState.terminal_id.in_(terminal_ids), TerminalState.alert_after.is_not(None)
    )
    found = db.scalars(waiting.order_by(TerminalState.terminal_id).with_for_update(key_share=True)).all()
    db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id.in_(found))
        .values(alert_after=None)
        .execution_options(synchronize_session=False)
    )
