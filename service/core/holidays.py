"""The holiday calendar: the holidays that the product ships with (jpholiday), and what users have changed."""

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

from service.core import audit
from service.core.access.auth import Actor
from service.core.areas import CORE
from service.core.database.clock import app_now
from service.core.database.session import Base
from service.core.problems import Conflict, NotFound
from service.core.values import working_time
from service.core.values.states import HolidaySource
from service.core.values.times import local_date

# A law that moves a holiday is known a year or two before; due times are seldom further away.
YEARS_AHEAD = 3


class Holiday(Base):
    """Days with the source `edited` are not changed by `top_up`; a removed day is stored, so that it stays removed."""

    __tablename__ = "holidays"
    __table_args__ = (CheckConstraint("source IN ('shipped', 'edited')", name="source"),)

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    source: Mapped[str] = mapped_column(String(10))
    is_removed: Mapped[bool] = mapped_column(Boolean, server_default="false", default=False)
    version: Mapped[int] = mapped_column(server_default="1", default=1)


# One row; a trigger changes its version with every change of a holiday.
calendar_version = Table(
    "calendar_version",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", UUID, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

_cached: tuple[uuid.UUID, frozenset[date]] | None = None


def days(db: Session) -> frozenset[date]:
    """All holidays; cached until they change."""
    global _cached
    version: uuid.UUID = db.execute(select(calendar_version.c.version)).scalar_one()
    cached = _cached
    if cached is None or cached[0] != version:
        cached = version, frozenset(db.scalars(select(Holiday.day).where(~Holiday.is_removed)))
        _cached = cached
    return cached[1]


def calendar_named(db: Session, name: working_time.CalendarName) -> working_time.Calendar:
    return working_time.calendar(name, frozenset() if name == "always" else days(db))


def of_year(db: Session, year: int | None) -> list[Holiday]:
    """The year's holidays in order; without a year, those of the current year."""
    selected_year = year or local_date(app_now(db)).year
    statement = (
        select(Holiday).where(extract("year", Holiday.day) == selected_year, ~Holiday.is_removed).order_by(Holiday.day)
    )
    return list(db.scalars(statement))


def put(db: Session, by: Actor, day: date, name: str, version: int | None) -> Holiday:
    """Adds the day, or renames it when `version` is the current one.

    Raises:
        Conflict: the day exists already, or was changed or removed since it was read.
    """
    existing = _lock_day(db, day)
    if existing is None:
        _refuse_stale(version is None, day, existing)
        statement = (
            insert(Holiday)
            .values(day=day, name=name, source=HolidaySource.EDITED)
            .on_conflict_do_nothing()
            .returning(Holiday)
        )
        holiday = db.scalars(statement).one_or_none()
        if holiday is None:
            _refuse_stale(False, day, _lock_day(db, day))
            raise AssertionError  # the line above has raised
        audit.record(db, by, "create", CORE, "holiday", day, after={"day": str(day), "name": name})
        return holiday
    _refuse_stale(version is None if existing.is_removed else version == existing.version, day, existing)
    if existing.is_removed:
        audit.record(db, by, "create", CORE, "holiday", day, after={"day": str(day), "name": name})
    elif existing.name != name:
        audit.record(db, by, "update", CORE, "holiday", day, before={"name": existing.name}, after={"name": name})
    else:
        return existing
    existing.name, existing.is_removed, existing.source = name, False, HolidaySource.EDITED
    existing.version += 1
    db.flush()
    return existing


def remove(db: Session, by: Actor, day: date, version: int) -> None:
    """
    Raises:
        NotFound: the day is not a holiday.
        Conflict: it was changed since it was read.
    """
    existing = _lock_day(db, day)
    if existing is None or existing.is_removed:
        raise NotFound(f"{day:%Y/%m/%d} は休日として登録されていません。一覧を開き直してください。")
    _refuse_stale(version == existing.version, day, existing)
    existing.is_removed, existing.source = True, HolidaySource.EDITED
    existing.version += 1
    audit.record(db, by, "delete", CORE, "holiday", day, before={"day": str(day), "name": existing.name})


def top_up(db: Session) -> int:
    """Updates this year and the next ones from the package: new years, and changed laws. Days that users have edited
    are not changed. Returns how many days changed."""
    this_year = local_date(app_now(db)).year
    years = range(this_year, this_year + YEARS_AHEAD + 1)
    shipped = {day: name for year in years for day, name in jpholiday.year_holidays(year)}
    return _update_shipped(db, shipped, date(this_year, 1, 1), date(years[-1], 12, 31))


def _update_shipped(db: Session, shipped: dict[date, str], first: date, last: date) -> int:
    rows = select(Holiday).where(Holiday.day.between(first, last)).order_by(Holiday.day).with_for_update()
    stored = {holiday.day: holiday for holiday in db.scalars(rows)}
    changed = 0
    for day, holiday in stored.items():
        shipped_name = shipped.get(day)
        if holiday.source == HolidaySource.SHIPPED and (holiday.is_removed, holiday.name) != (
            shipped_name is None,
            shipped_name or holiday.name,
        ):
            holiday.name, holiday.is_removed = shipped_name or holiday.name, shipped_name is None
            holiday.version += 1
            changed += 1
    new: list[dict[str, Any]] = [
        {"day": day, "name": name, "source": HolidaySource.SHIPPED}
        for day, name in shipped.items()
        if day not in stored
    ]
    if new:
        # Two concurrent ticks insert each day once.
        statement = insert(Holiday).values(new).on_conflict_do_nothing().returning(Holiday.day)
        changed += len(db.scalars(statement).all())
    db.flush()
    return changed


def _lock_day(db: Session, day: date) -> Holiday | None:
    statement = select(Holiday).where(Holiday.day == day).with_for_update().execution_options(populate_existing=True)
    return db.scalars(statement).one_or_none()


def _refuse_stale(is_current: bool, day: date, existing: Holiday | None) -> None:
    if not is_current:
        state = (
            f"「{existing.name}」として登録されています"
            if existing and not existing.is_removed
            else "休日ではありません"
        )
        raise Conflict(
            f"{day:%Y/%m/%d} は、ほかの人が変更しました（現在は{state}）。一覧を開き直して、もう一度操作してください。"
        )
