"""A Friday at さくら保育園, at a minute that stands still."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_clock
from service.core.values.times import at
from service.entries.logs.models import EntryExitLog
from service.entries.models import Child, Nursery

TODAY = date(2026, 11, 20)


def moment(clock: str, day: date = TODAY) -> datetime:
    """Tokyo time, H:MM or H:MM:SS."""
    return at(day, time.fromisoformat(clock.zfill(len("09:00:00") if clock.count(":") == 2 else len("09:00"))))


def set_clock(db: Session, clock: str) -> None:
    """Moves the product's clock; a fifth of a second past, so that rounding cannot reach the second before."""
    then = moment(clock).astimezone(UTC) + timedelta(milliseconds=200)
    db.execute(update(app_clock).values(shift=then - db.execute(select(func.now())).scalar_one()))
    db.commit()


def scan(db: Session, nursery: Nursery, parent: int, kind: str, clock: str, day: date = TODAY, **more: Any) -> None:
    when = moment(clock, day)
    values = {"parent_id": parent, "nursery_id": nursery.id, "entry_type": kind, "timestamp": when, "created_at": when}
    db.execute(insert(EntryExitLog), [values | more])
    db.commit()


def child(db: Session, name: str) -> int:
    return db.scalars(select(Child.id).where(Child.name == name)).one()
