"""The demo's reservations, begun whenever a test wants."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from service.core.values.times import TOKYO
from service.demo import people, reservations
from tests.api.reservations import scene

Moment = tuple[int, int, int, int]
# In the middle of a working day, in the night, on a holiday, when shops have just opened, and when they are closing.
MOMENTS: list[Moment] = [(1, 8, 11, 0), (1, 9, 3, 12), (1, 13, 14, 0), (1, 10, 9, 1), (1, 12, 19, 57)]
OF_EVERY_DAY = 2


def begin(db: Session, moment: Moment = MOMENTS[0]) -> None:
    month, day, hour, minute = moment
    scene.set_clock(db, datetime(2031, month, day, hour, minute, tzinfo=TOKYO))
    people.fill(db)
    reservations.fill(db)
