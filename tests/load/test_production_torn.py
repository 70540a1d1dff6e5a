"""PostgreSQL dies behind PgBouncer again and again while many write: whoever was committing is told that it is away."""

from __future__ import annotations

import ssl
import time

import pytest

from service.core.identity import hash_password
from service.entries.models import Nursery, Parent
from tests import cast
from tests.load.callers import Station
from tests.load.crowd import Crowd, Scene
from tests.production import running_production

pytestmark = pytest.mark.production
STATIONS, FALLS = 12, 3


def test_a_server_that_dies_in_the_middle_of_an_answer_is_away_and_no_unexpected_failure() -> None:
    with running_production() as production:
        trusted = ssl.create_default_context(cafile=str(production.ca))
        scene = Scene(production.stack, production.origin, production.origin, trusted)
        with scene.db() as db:
            nursery = Nursery(name="切断の保育園", code="TORN", station_password_hash=hash_password(cast.PASSWORD))
            db.add(nursery)
            db.flush()
            parents = [Parent(nursery_id=nursery.id, name=f"送迎 {number}") for number in range(20 * STATIONS)]
            db.add_all(parents)
            db.flush()
            ids = [parent.id for parent in parents]
        scene.engine.dispose()
        stations = [Station(scene, "TORN", cast.PASSWORD, ids[first::STATIONS]) for first in range(STATIONS)]
        for station in stations:
            station.pause = 0.01
        # Says what any of them was answered that is not worth another try.
        with Crowd(stations).at_work():
            for _ in range(FALLS):
                time.sleep(2)
                production.servers["postgres"].fall()
        assert all(station.done for station in stations)
