"""PostgreSQL is killed behind PgBouncer again and again during many writes: a client in the middle of a commit is told
that the service is unavailable."""

from __future__ import annotations

import time

import pytest

from tests import people
from tests.load.callers import Station, create_nursery
from tests.load.load_clients import ClientGroup
from tests.production import running_production

pytestmark = pytest.mark.production
STATIONS, KILLS = 12, 3


def test_a_killed_database_is_reported_as_unavailable_and_not_as_an_error() -> None:
    with running_production() as production:
        product = production.scene
        with product.db() as db:
            ids = create_nursery(db, "切断の保育園", "TORN", people.PASSWORD, 20 * STATIONS)
        stations = [Station(product, "TORN", people.PASSWORD, ids[first::STATIONS]) for first in range(STATIONS)]
        for station in stations:
            station.pause = 0.01
        # Raises an error for any answer that cannot be retried.
        clients, killed_at = ClientGroup(stations), 0.0
        with clients.running():
            for _ in range(KILLS):
                clients.await_answers(killed_at)
                killed_at = time.monotonic()
                product.servers["postgres"]()
            clients.await_answers(killed_at)
