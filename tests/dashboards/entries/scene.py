"""A Friday at さくら保育園, with the clock at a fixed minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_clock
from service.core.values.times import at
from service.entries.models import Child, EntryExitLog, Nursery

TODAY = date(2026, 11, 20)


def tokyo_time(clock: str, day: date = TODAY) -> datetime:
    """Tokyo time, H:MM or H:MM:SS."""
    return at(day, time.fromisoformat(clock.zfill(len("09:00:00") if clock.count(":") == 2 else len("09:00"))))


def set_clock(db: Session, clock: str) -> None:
    """Sets the product's clock, a fifth of a second late, so that rounding cannot reach the second before."""
    now = tokyo_time(clock).astimezone(UTC) + timedelta(milliseconds=200)
    db.execute(update(app_clock).values(shift=now - db.execute(select(func.now())).scalar_one()))
    db.commit()


def scan(db: Session, nursery: Nursery, parent: int, kind: str, clock: str, day: date = TODAY, **columns: Any) -> None:
    timestamp = tokyo_time(clock, day)
    values = {
        "parent_id": parent,
        "nursery_id": nursery.id,
        "entry_type": kind,
        "timestamp": timestamp,
        "created_at": timestamp,
    }
    db.execute(insert(EntryExitLog), [values | columns])
    db.commit()


def child(db: Session, name: str) -> int:
    return db.scalars(select(Child.id).where(Child.name == name)).one()
