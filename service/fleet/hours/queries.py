"""Reads of learned hours, and the SQL expression for when silence becomes an alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Interval, Row, Select, case, cast, func, literal, null, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.hours import rules, schemas
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Customer, Day, Terminal, TerminalState
from service.fleet.queries import get_customer, get_terminal
from service.fleet.rules import Status, opening_grace
from service.fleet.settings import settings

# Terminals read at a time.
_BATCH_SIZE = 2000


def silence_alert_at(now: ColumnElement[datetime]) -> ColumnElement[datetime | None]:
    """When the silence of a terminal that goes offline now becomes an alert: a grace time after its store's next
    opening. For joined rows of TerminalState and LearnedHours. Null (as without learned hours) while the store is open,
    when nothing is learned, when the switch is off, or when the learned hours are too old. After an orderly shutdown
    of the PC during opening hours the alert waits for the next opening too."""
    if not settings().learned_hours:
        return cast(null(), TerminalState.alert_after.type)
    hour = func.floor(func.date_part("epoch", now - LearnedHours.learned_until) / 3600).cast(Integer)
    # Outside its bounds an array gives null.
    opens = LearnedHours.ahead[hour + 1]
    grace = opening_grace(settings().heartbeat_interval_seconds)
    alert_at = LearnedHours.learned_until + func.abs(opens) * cast(literal("1 hour"), Interval) + grace
    return case(((opens > 0) | ((opens < 0) & TerminalState.shutdown_at.is_not(None)), alert_at))


def next_alert_at(now: ColumnElement[datetime]) -> Select[Any]:
    """`silence_alert_at` of one terminal, as a correlated subquery for a statement on TerminalState."""
    statement = select(silence_alert_at(now)).where(LearnedHours.terminal_id == TerminalState.terminal_id)
    return statement.correlate(TerminalState)


def is_due(db: Session, until: datetime) -> bool:
    """Whether a day was summed up since hours were last learned."""
    newest = db.scalar(select(func.max(LearnedHours.learned_until)))
    # Unequal, not earlier: a clock that was moved forward and back has learned from days that were not over.
    return newest != until


def iter_observed_days(db: Session, until: datetime) -> Iterator[list[tuple[int, bool, dict[date, int]]]]:
    """All terminals in use, in batches: id, whether learned hours are switched on, and the online hours of its known
    days (a bit mask per day)."""
    batch = _next_batch(db, 0)
    while batch:
        first, last = batch[0][0], batch[-1][0]
        days: dict[int, dict[date, int]] = {terminal_id: {} for terminal_id, _ in batch}
        for terminal_id, begins, hours in db.execute(_days(until, first, last)).all():
            if terminal_id in days:
                days[terminal_id] = dict(zip(begins, hours, strict=True))
        yield [(terminal_id, is_enabled, days[terminal_id]) for terminal_id, is_enabled in batch]
        batch = _next_batch(db, last)


def _next_batch(db: Session, terminal_id: int) -> Sequence[Row[int, bool]]:
    statement = (
        select(Terminal.id, Terminal.learned_hours & Customer.learned_hours)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Terminal.archived_at.is_(None), Terminal.id > terminal_id)
    )
    return db.execute(statement.order_by(Terminal.id).limit(_BATCH_SIZE)).all()


def _days(until: datetime, first: int, last: int) -> Select[*tuple[Any, ...]]:
    day = cast(func.timezone("Asia/Tokyo", Day.begins_at), Date)
    return (
        select(Day.terminal_id, func.array_agg(day), func.array_agg(Day.heard_hours))
        .where(
            Day.terminal_id.between(first, last),
            Day.begins_at >= until - rules.LOOK_BACK,
            Day.begins_at < until,
            Day.heard_hours.is_not(None),
        )
        .group_by(Day.terminal_id)
    )


def of_customer(db: Session, customer_id: int) -> schemas.CustomerHours:
    """Raises NotFound."""
    customer = get_customer(db, customer_id)
    return schemas.CustomerHours(setting=settings().learned_hours, learned_hours=customer.learned_hours)


def of_terminal(db: Session, terminal_id: int) -> schemas.TerminalHours:
    """Raises NotFound."""
    terminal = get_terminal(db, terminal_id)
    learned = db.get(LearnedHours, terminal_id, populate_existing=True)
    state = db.get_one(TerminalState, terminal_id, populate_existing=True)
    week = learned.week if learned else None
    is_waiting = settings().learned_hours and state.status == Status.OFFLINE
    return schemas.TerminalHours(
        as_of=app_now(db),
        setting=settings().learned_hours,
        customer=get_customer(db, terminal.customer_id).learned_hours,
        learned_hours=terminal.learned_hours,
        learned_until=learned and learned.learned_until,
        days=learned.days if learned else 0,
        days_needed=rules.MIN_DAYS,
        week=week and [[schemas.SpanItem(**vars(span)) for span in spans] for spans in rules.opening_hours(week)],
        alert_after=state.alert_after if is_waiting else None,
    )
