"""One clock for what the product decides: the database's `app_now()`, which tests and the demo can move.

Sessions and signatures stay on real time: a moved clock must not sign people out or let them in.
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

from service.core.db import Base

# Who asks for the time asks for its place and its words too.
from service.core.times import TOKYO as TOKYO
from service.core.times import WEEKDAYS
from service.core.times import in_words as in_words

# One row: how far app_now() is moved from real time. The application's role may read it; only the owner moves it.
app_clock = Table(
    "app_clock",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("shift", Interval, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)


def app_now(db: Session) -> datetime:
    """The product's time, aware, in UTC; within one transaction it stands still."""
    now: datetime = db.execute(select(func.app_now())).scalar_one()
    return now.astimezone(UTC)


def clock_shift(db: Session) -> timedelta:
    """How far app_now() is moved from real time; nothing in production."""
    shift: timedelta = db.execute(select(app_clock.c.shift)).scalar_one()
    return shift


def now_sql() -> ScalarSelect[datetime]:
    """app_now() inside a statement about many rows: asked once. The function itself would run for each row."""
    return select(func.app_now()).scalar_subquery()


def real_now() -> datetime:
    return datetime.now(UTC)


def in_words_sql(moment: ColumnExpressionArgument[datetime | None]) -> ColumnElement[str]:
    """`in_words` inside a statement about many rows."""
    local = func.timezone(TOKYO.key, moment)
    weekday = func.substr(WEEKDAYS, cast(extract("isodow", local), Integer), 1)
    return func.concat(func.to_char(local, "YYYY/FMMM/FMDD"), "（", weekday, "）", func.to_char(local, "FMHH24:MI"))
