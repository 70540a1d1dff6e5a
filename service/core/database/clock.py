"""The product's clock: the database's `app_now()`, which tests and the demo can move.

Sessions and signatures use real time: a moved clock must not sign users out or let them in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ColumnExpressionArgument,
    Integer,
    Interval,
    ScalarSelect,
    SmallInteger,
    Table,
    cast,
    extract,
    func,
    select,
)
from sqlalchemy.orm import Session

from service.core.database.session import Base, fetch
from service.core.values.times import TOKYO, WEEKDAYS

# One row: how far app_now() is moved from real time. The application's role can only read it; the owner can change it.
app_clock = Table(
    "app_clock",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("shift", Interval, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)


def app_now(db: Session) -> datetime:
    """The product's time, timezone-aware, in UTC; constant within a transaction."""
    [(now,)] = fetch(db, "SELECT app_now()", {})
    return now.astimezone(UTC)  # type: ignore[no-any-return]


def clock_shift(db: Session) -> timedelta:
    """How far app_now() is moved from real time; nothing in production."""
    shift: timedelta = db.execute(select(app_clock.c.shift)).scalar_one()
    return shift


def now_sql() -> ScalarSelect[datetime]:
    """app_now() for a statement about many rows: evaluated once. The plain function would run for each row."""
    return select(func.app_now()).scalar_subquery()


def real_now() -> datetime:
    return datetime.now(UTC)


def format_local_datetime_sql(at: ColumnExpressionArgument[datetime | None]) -> ColumnElement[str]:
    """`values.times.format_local_datetime` as an SQL expression."""
    local = func.timezone(TOKYO.key, at)
    weekday = func.substr(WEEKDAYS, cast(extract("isodow", local), Integer), 1)
    return func.concat(func.to_char(local, "YYYY/FMMM/FMDD"), "（", weekday, "）", func.to_char(local, "FMHH24:MI"))
