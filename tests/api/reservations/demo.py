"""The demo's reservations, started at any time that a test needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from service.core.values.times import TOKYO
from service.demo import people, reservations
from tests.api.reservations import scene

StartTime = tuple[int, int, int, int]
# In the middle of a working day, in the night, on a holiday, when shops have just opened, and when they are closing.
START_TIMES: list[StartTime] = [(1, 8, 11, 0), (1, 9, 3, 12), (1, 13, 14, 0), (1, 10, 9, 1), (1, 12, 19, 57)]
EVERYDAY_COUNT = 2


def fill_demo(db: Session, start_time: StartTime = START_TIMES[0]) -> None:
    month, day, hour, minute = start_time
    scene.set_clock(db, datetime(2031, month, day, hour, minute, tzinfo=TOKYO))
    people.fill(db)
    reservations.fill(db)
