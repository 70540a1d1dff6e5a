"""Like `test_faults_everyone`, for production: TLS and one origin in front of two services and two dashboards,
PgBouncer in front of PostgreSQL, and kills of all of these."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.load.everyone import full_load
from tests.load.kills import FLUSH
from tests.load.reservation_scenario import ENVIRON, create_scenario
from tests.production import Production, running_production

pytestmark = pytest.mark.production

PARTNERS = 12
KILLED_IN_TURN = (
    *("service", "service-2", "dashboards", "dashboards-2", "worker", "beat", "watchdog"),
    *("postgres", "pgbouncer", "valkey", FLUSH, "caddy"),
)


@pytest.fixture(scope="module")
def production_with_vendors() -> Iterator[Production]:
    with running_production(vendors=True, more=ENVIRON | {"BACKUP_AT": "off"}) as production:
        yield production


def test_after_any_kill_in_production_every_answered_write_is_stored_once(
    production_with_vendors: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent processes trust the proxy's certificate through it.
    monkeypatch.setenv("SSL_CERT_FILE", str(production_with_vendors.ca))
    scenario = create_scenario(production_with_vendors.scene, PARTNERS)
    with full_load(scenario, production_with_vendors.folder / "sandbox.sqlite") as load:
        load.run_kills(KILLED_IN_TURN, scenario)
