"""Learns opening hours each night, and switches them on and off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit, holidays
from service.core.access.auth import Actor
from service.core.values.times import local_date
from service.fleet.actions import record_terminal_event
from service.fleet.hours import queries, rules
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Customer, Terminal, TerminalState
from service.fleet.queries import get_customer, get_terminal
from service.fleet.rules import AREA

_LOCK = "fleet.hours"


def learn(db: Session, until: datetime) -> int:
    """Learns the opening hours of all terminals once for each day that was summed up (`until`: the beginning of the
    first day that is not), and derives the openings of the next days. Returns how many terminals have hours; 0 when
    nothing was due, or another process holds the lock."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(_LOCK)))):
        return 0
    if not queries.is_due(db, until):
        return 0
    closed_days, learned = holidays.days(db), 0
    for batch in queries.iter_observed_days(db, until):
        rows: list[dict[str, Any]] = []
        for terminal_id, is_enabled, days in batch:
            days_known, week = rules.learn(days, closed_days)
            ahead = rules.next_openings(week, local_date(until), closed_days) if week and is_enabled else None
            rows.append(
                {"terminal_id": terminal_id, "learned_until": until, "days": days_known, "week": week, "ahead": ahead}
            )
            learned += week is not None
        _save(db, rows)
    return learned


def _save(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(LearnedHours)
    values = {name: statement.excluded[name] for name in ("learned_until", "days", "week", "ahead")}
    statement = statement.on_conflict_do_update(index_elements=[LearnedHours.terminal_id], set_=values)
    # One statement for all rows: with `render_nulls` each row has the same columns.
    db.execute(statement.execution_options(render_nulls=True), rows)


def switch_terminal(db: Session, by: Actor, terminal_id: int, on: bool) -> None:
    """Switches on or off whether alerts wait for the learned opening. When switched off, an alert that is waiting does
    not wait any longer. Raises NotFound."""
    if _switch(db, by, "terminal", get_terminal(db, terminal_id, lock=True), on):
        record_terminal_event(db, terminal_id, "edited", by, fields=["learned_hours"])
        _refresh_ahead(db, Terminal.id == terminal_id)


def switch_customer(db: Session, by: Actor, customer_id: int, on: bool) -> None:
    """`switch_terminal` for all terminals of the customer. Raises NotFound."""
    if _switch(db, by, "customer", get_customer(db, customer_id, lock=True), on):
        _refresh_ahead(db, Terminal.customer_id == customer_id)


def _switch(db: Session, by: Actor, subject: str, record: Terminal | Customer, on: bool) -> bool:
    """Returns whether that changed anything."""
    if record.learned_hours == on:
        return False
    record.learned_hours = on
    db.flush()
    before, after = {"learned_hours": not on}, {"learned_hours": on}
    audit.record(db, by, "update", AREA.name, subject, record.id, before=before, after=after)
    return True


def _refresh_ahead(db: Session, condition: ColumnElement[bool]) -> None:
    """Updates `LearnedHours.ahead` of these terminals after a switch."""
    statement = (
        select(LearnedHours, Terminal.learned_hours & Customer.learned_hours)
        .join(Terminal, Terminal.id == LearnedHours.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(condition)
        .order_by(LearnedHours.terminal_id)
        .with_for_update(of=LearnedHours)
        .execution_options(populate_existing=True)
    )
    closed_days, disabled_ids = holidays.days(db), []
    for hours, is_enabled in db.execute(statement):
        first = local_date(hours.learned_until)
        hours.ahead = rules.next_openings(hours.week, first, closed_days) if hours.week and is_enabled else None
        if not is_enabled:
            disabled_ids.append(hours.terminal_id)
    db.flush()
    _clear_alert_after(db, disabled_ids)


def _clear_alert_after(db: Session, terminal_ids: Sequence[int]) -> None:
    """Clears `alert_after`. Locks the rows in the same order as the ingest."""
    statement = select(TerminalState.terminal_id).where(
        TerminalState.terminal_id.in_(terminal_ids), TerminalState.alert_after.is_not(None)
    )
    locked_ids = db.scalars(statement.order_by(TerminalState.terminal_id).with_for_update(key_share=True)).all()
    db.execute(
        update(TerminalState)
        .where(TerminalState.terminal_id.in_(locked_ids))
        .values(alert_after=None)
        .execution_options(synchronize_session=False)
    )
