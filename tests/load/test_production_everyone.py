"""As `test_faults_everyone`, of production: TLS and one origin before two services and two dashboards, PgBouncer before
PostgreSQL, and whatever of these dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.load.everyone import gathered
from tests.load.falling import FLUSH
from tests.load.reservation_world import ENVIRON, opened
from tests.production import Production, running_production

pytestmark = pytest.mark.production

PARTNERS = 12
ONE_BY_ONE = (
    *("service", "service-2", "dashboards", "dashboards-2", "worker", "beat", "watchdog"),
    *("postgres", "pgbouncer", "valkey", FLUSH, "caddy"),
)


@pytest.fixture(scope="module")
def vended() -> Iterator[Production]:
    with running_production(vendors=True, more=ENVIRON | {"BACKUP_AT": "off"}) as running:
        yield running


def test_whatever_dies_of_production_all_that_was_answered_is_there_once(
    vended: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agents' programs trust the proxy by it.
    monkeypatch.setenv("SSL_CERT_FILE", str(vended.ca))
    world = opened(vended.scene, PARTNERS)
    with gathered(world, vended.folder / "sandbox.sqlite") as everyone:
        everyone.live_through(ONE_BY_ONE, world)
