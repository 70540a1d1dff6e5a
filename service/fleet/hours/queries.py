"""Every read of learned hours, and the expression by which silence waits for an opening."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Interval, Row, Select, case, cast, func, literal, null, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.fleet.hours import rules
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Customer, Day, Terminal, TerminalState
from service.fleet.queries import get_customer, get_terminal
from service.fleet.rules import Status, opening_grace
from service.fleet.settings import settings

# Terminals whose days are read at a time.
_AT_ONCE = 2000


def waits_until(now: ColumnElement[datetime]) -> ColumnElement[datetime | None]:
    """When the silence of a terminal that goes offline now becomes an alert, of joined rows of TerminalState and
    LearnedHours: a little after its shop's next opening. Null, that is as without learned hours, while it is open,
    where nothing is learned or wanted, or what is learned is too old. A PC that was shut down in order while the shop
    was open waits for the next opening too."""
    if not settings().learned_hours:
        return cast(null(), TerminalState.alert_after.type)
    hour = func.floor(func.date_part("epoch", now - LearnedHours.learned_until) / 3600).cast(Integer)
    # Beyond its ends an array is null.
    opens = LearnedHours.ahead[hour + 1]
    grace = opening_grace(settings().heartbeat_interval_seconds)
    moment = LearnedHours.learned_until + func.abs(opens) * cast(literal("1 hour"), Interval) + grace
    return case(((opens > 0) | ((opens < 0) & TerminalState.shutdown_at.is_not(None)), moment))


def next_alert(now: ColumnElement[datetime]) -> Select[Any]:
    """`waits_until` of one terminal, for a statement about TerminalState."""
    found = select(waits_until(now)).where(LearnedHours.terminal_id == TerminalState.terminal_id)
    return found.correlate(TerminalState)


def is_due(db: Session, until: datetime) -> bool:
    """Whether a day was summed up since hours were last learned."""
    newest = db.scalar(select(func.max(LearnedHours.learned_until)))
    # A clock that was moved ahead and back has learned from days that were not over.
    return newest != until


def heard(db: Session, until: datetime) -> Iterator[list[tuple[int, bool, dict[date, int]]]]:
    """All terminals in use, some at a time: id, whether hours are wanted of it, and the days that are known."""
    some = _after(db, 0)
    while some:
        first, last = some[0][0], some[-1][0]
        days: dict[int, dict[date, int]] = {terminal_id: {} for terminal_id, _ in some}
        for terminal_id, begins, hours in db.execute(_days(until, first, last)).all():
            if terminal_id in days:
                days[terminal_id] = dict(zip(begins, hours, strict=True))
        yield [(terminal_id, wanted, days[terminal_id]) for terminal_id, wanted in some]
        some = _after(db, last)


def _after(db: Session, terminal_id: int) -> Sequence[Row[int, bool]]:
    found = (
        select(Terminal.id, Terminal.learned_hours & Customer.learned_hours)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Terminal.archived_at.is_(None), Terminal.id > terminal_id)
    )
    return db.execute(found.order_by(Terminal.id).limit(_AT_ONCE)).all()


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


def of_customer(db: Session, customer_id: int) -> dict[str, bool]:
    """Raises NotFound."""
    customer = get_customer(db, customer_id)
    return {"setting": settings().learned_hours, "learned_hours": customer.learned_hours}


def of_terminal(db: Session, terminal_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    terminal = get_terminal(db, terminal_id)
    learned = db.get(LearnedHours, terminal_id, populate_existing=True)
    state = db.get_one(TerminalState, terminal_id, populate_existing=True)
    week = learned.week if learned else None
    waits = settings().learned_hours and state.status == Status.OFFLINE
    return {
        "as_of": app_now(db),
        "setting": settings().learned_hours,
        "customer": get_customer(db, terminal.customer_id).learned_hours,
        "learned_hours": terminal.learned_hours,
        "learned_until": learned and learned.learned_until,
        "days": learned.days if learned else 0,
        "days_needed": rules.FEWEST_DAYS,
        "week": week and [[vars(span) for span in spans] for spans in rules.opening_hours(week)],
        "alert_after": state.alert_after if waits else None,
    }
