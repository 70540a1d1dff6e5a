"""PostgreSQL dies behind PgBouncer again and again while many write: whoever was committing is told that it is away."""

from __future__ import annotations

import time

import pytest

from tests import people
from tests.load.callers import Station, nursery
from tests.load.crowd import Crowd
from tests.production import running_production

pytestmark = pytest.mark.production
STATIONS, FALLS = 12, 3


def test_a_server_that_dies_in_the_middle_of_an_answer_is_away_and_no_unexpected_failure() -> None:
    with running_production() as production:
        scene = production.scene
        with scene.db() as db:
            ids = nursery(db, "切断の保育園", "TORN", people.PASSWORD, 20 * STATIONS)
        stations = [Station(scene, "TORN", people.PASSWORD, ids[first::STATIONS]) for first in range(STATIONS)]
        for station in stations:
            station.pause = 0.01
        # Says what any of them was answered that is not worth another try.
        crowd, moment = Crowd(stations), 0.0
        with crowd.at_work():
            for _ in range(FALLS):
                crowd.await_answers(moment)
                moment = time.monotonic()
                scene.servers["postgres"]()
            crowd.await_answers(moment)
