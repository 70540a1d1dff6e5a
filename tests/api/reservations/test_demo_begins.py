"""How the demo's reservations are created: once, quickly, with a day of measures."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.demo import reservations
from service.demo.reservations import measures
from service.reservations.alarms import queries as alarms
from service.reservations.alarms.models import Alarm
from service.reservations.models import Reservation
from tests.api.reservations.demo import fill_demo


@pytest.fixture
def _engine(empty: Engine) -> Engine:
    """The demo creates its services and shops, too."""
    return empty


def test_a_second_time_adds_nothing(db: Session) -> None:
    fill_demo(db)
    count = db.scalar(select(func.count()).select_from(Reservation))
    reservations.fill(db)
    assert db.scalar(select(func.count()).select_from(Reservation)) == count


def test_the_demo_has_a_day_of_measures_and_leaves_the_present_to_real_ones(db: Session) -> None:
    measures.fill(db)
    now = real_now()

    points = alarms.charts(db, now).points
    measured = [index for index, point in enumerate(points) if None not in (point.cpu, point.queue, point.errors)]
    assert measured == [*range(len(points) - 3)] or measured == [*range(len(points) - 2)]
    assert all(point.cpu < 95 for point in points if point.cpu is not None)
    assert alarms.recent_minutes(db, now) == {}
    assert [alarm.kind for alarm in db.scalars(select(Alarm).where(Alarm.over_at.is_not(None)))] == ["cpu", "queue"]
    assert alarms.open_alarms(db) == {}
