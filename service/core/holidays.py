"""The days on which nobody works: those the product ships with (jpholiday), and what people changed about them."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import jpholiday
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    SmallInteger,
    String,
    Table,
    extract,
    select,
)
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core import audit, calendar
from service.core.areas import CORE
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import Base
from service.core.problems import Conflict, NotFound
from service.core.times import local_date

# A law that moves a day is known a year or two before; deadlines hardly reach further.
YEARS_AHEAD = 3


class Holiday(Base):
    """`edited` days belong to the people who edited them; a removed one is kept so that it stays removed."""

    __tablename__ = "holidays"
    __table_args__ = (CheckConstraint("source IN ('shipped', 'edited')", name="source"),)

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    source: Mapped[str] = mapped_column(String(10))
    is_removed: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    version: Mapped[int] = mapped_column(server_default="1", default=1)


# One row that changes with every change of a day, by trigger.
calendar_version = Table(
    "calendar_version",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", UUID, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

_known: tuple[uuid.UUID, frozenset[date]] | None = None


def days(db: Session) -> frozenset[date]:
    """All holidays; read again only when they changed."""
    global _known
    version: uuid.UUID = db.execute(select(calendar_version.c.version)).scalar_one()
    known = _known
    if known is None or known[0] != version:
        known = version, frozenset(db.scalars(select(Holiday.day).where(~Holiday.is_removed)))
        _known = known
    return known[1]


def calendar_named(db: Session, name: calendar.Name) -> calendar.Calendar:
    return calendar.calendar(name, frozenset() if name == "always" else days(db))


def of_year(db: Session, year: int | None) -> list[Holiday]:
    """The year's holidays in order; without a year, this one's."""
    wanted = year or local_date(app_now(db)).year
    found = select(Holiday).where(extract("year", Holiday.day) == wanted, ~Holiday.is_removed).order_by(Holiday.day)
    return list(db.scalars(found))


def put(db: Session, by: Actor, day: date, name: str, version: int | None) -> Holiday:
    """Adds the day, or renames it when `version` is the one that was read.

    Raises:
        Conflict: the day is there already, or was changed or removed since it was read.
    """
    known = _for_update(db, day)
    if known is None:
        _refuse_stale(version is None, day, known)
        added = insert(Holiday).values(day=day, name=name, source="edited").on_conflict_do_nothing().returning(Holiday)
        holiday = db.scalars(added).one_or_none()
        if holiday is None:
            _refuse_stale(False, day, _for_update(db, day))
            raise AssertionError  # the line above has raised
        audit.record(db, by, "create", CORE, "holiday", day, after={"day": str(day), "name": name})
        return holiday
    _refuse_stale(version is None if known.is_removed else version == known.version, day, known)
    if known.is_removed:
        audit.record(db, by, "create", CORE, "holiday", day, after={"day": str(day), "name": name})
    elif known.name != name:
        audit.record(db, by, "update", CORE, "holiday", day, before={"name": known.name}, after={"name": name})
    else:
        return known
    known.name, known.is_removed, known.source = name, False, "edited"
    known.version += 1
    db.flush()
    return known


def remove(db: Session, by: Actor, day: date, version: int) -> None:
    """
    Raises:
        NotFound: the day is no holiday.
        Conflict: it was changed since it was read.
    """
    known = _for_update(db, day)
    if known is None or known.is_removed:
        raise NotFound(f"{day:%Y/%m/%d} は休日として登録されていません。一覧を開き直してください。")
    _refuse_stale(version == known.version, day, known)
    known.is_removed, known.source = True, "edited"
    known.version += 1
    audit.record(db, by, "delete", CORE, "holiday", day, before={"day": str(day), "name": known.name})


def top_up(db: Session) -> int:
    """Brings this year and the next ones to what the package knows: new years, and laws that changed. What people
    edited stays theirs. Returns how many days changed."""
    this_year = local_date(app_now(db)).year
    years = range(this_year, this_year + YEARS_AHEAD + 1)
    shipped = {day: name for year in years for day, name in jpholiday.year_holidays(year)}
    return _bring_in(db, shipped, date(this_year, 1, 1), date(years[-1], 12, 31))


def _bring_in(db: Session, shipped: dict[date, str], first: date, last: date) -> int:
    rows = select(Holiday).where(Holiday.day.between(first, last)).order_by(Holiday.day).with_for_update()
    stored = {holiday.day: holiday for holiday in db.scalars(rows)}
    changed = 0
    for day, holiday in stored.items():
        wanted = shipped.get(day)
        if holiday.source == "shipped" and (holiday.is_removed, holiday.name) != (
            wanted is None,
            wanted or holiday.name,
        ):
            holiday.name, holiday.is_removed = wanted or holiday.name, wanted is None
            holiday.version += 1
            changed += 1
    new: list[dict[str, Any]] = [
        {"day": day, "name": name, "source": "shipped"} for day, name in shipped.items() if day not in stored
    ]
    if new:
        # Two ticks at once bring in each day once.
        added = insert(Holiday).values(new).on_conflict_do_nothing().returning(Holiday.day)
        changed += len(db.scalars(added).all())
    db.flush()
    return changed


def _for_update(db: Session, day: date) -> Holiday | None:
    row = select(Holiday).where(Holiday.day == day).with_for_update().execution_options(populate_existing=True)
    return db.scalars(row).one_or_none()


def _refuse_stale(fresh: bool, day: date, now: Holiday | None) -> None:
    if not fresh:
        state = f"「{now.name}」として登録されています" if now and not now.is_removed else "休日ではありません"
        raise Conflict(
            f"{day:%Y/%m/%d} は、ほかの人が変更しました（現在は{state}）。一覧を開き直して、もう一度操作してください。"
        )
