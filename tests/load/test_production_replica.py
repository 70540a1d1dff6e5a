"""The streaming replica in production: through PgBouncer, behind two services, killed under people who read."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.load.crowd import Crowd, Reader
from tests.production import Production
from tests.replica import Replica
from tests.waiting import wait_for

pytestmark = pytest.mark.production

PATHS = ("/api/fleet/summary", "/api/fleet/customers", "/api/fleet/terminals", "/api/core/audit")


def metrics(production: Production) -> list[str]:
    """Of each service."""
    urls = (f"{production.replica(name)}/metrics" for name in ("service", "service-2"))
    return [httpx2.get(url, timeout=15, trust_env=False).text for url in urls]


def reads(production: Production, server: str) -> float:
    """Over both services."""
    pattern = rf'^genba_lagging_reads_total{{server="{server}",why="[a-z ]*"}} ([0-9.e+]+)'
    return sum(float(count) for said in metrics(production) for count in re.findall(pattern, said, re.MULTILINE))


def usable(production: Production) -> set[str]:
    """What the services say: 1.0 or 0.0."""
    pattern = r"^genba_replica_usable (.+)$"
    return {figure for said in metrics(production) for figure in re.findall(pattern, said, re.MULTILINE)}


@pytest.fixture
def following(production: Production) -> Iterator[Replica]:
    replica = production.following
    assert replica is not None
    wait_for(lambda: usable(production) == {"1.0"}, "the replica")
    yield replica
    if replica.process is not None and replica.process.poll() is not None:
        replica.start()


def signed_in(production: Production) -> httpx2.Client:
    """Somebody whose own writes are long ago."""
    http = production.scene.signed_in("yamada")
    http.headers["X-Genba-Since-Write"] = "3600"
    return http


def test_both_services_read_from_it_through_pgbouncer(production: Production, following: Replica) -> None:
    with signed_in(production) as http:
        before, primary = reads(production, "replica"), reads(production, "primary")
        answers = [http.get(path) for path in PATHS * 10]

    assert {answer.status_code for answer in answers} == {200}
    # Other people's pages are at it, too.
    assert reads(production, "replica") >= before + len(answers) - (reads(production, "primary") - primary)
    assert reads(production, "replica") > before + len(answers) / 2


def test_killing_it_costs_no_answer_and_it_is_read_again_when_it_is_back(
    production: Production, following: Replica
) -> None:
    crowd = Crowd([Reader(signed_in(production), *PATHS) for _ in range(4)])
    with crowd.at_work():
        crowd.flow(40)
        following.end(signal.SIGQUIT)
        crowd.flow(40)
        wait_for(lambda: usable(production) == {"0.0"}, "nobody notices that it is away")
        crowd.flow(40)
        following.start()
        wait_for(lambda: usable(production) == {"1.0"}, "the replica again")
        before = reads(production, "replica")
        wait_for(lambda: reads(production, "replica") > before, "an answer of the replica")

    assert crowd.failures() == {"readers": {}}


def test_what_somebody_wrote_is_there_at_once_through_either_service(
    production: Production, following: Replica
) -> None:
    new = {"contact_person": "青木", "contact_phone": "03-1234-5678", "contact_email": "aoki@example.com"}
    with production.scene.signed_in("yamada") as http, following.paused():
        for number in range(6):
            name = f"書いたらすぐ読める{number}"
            assert http.post("/api/fleet/customers", json=new | {"company_name": name}).status_code == 201
            written = time.monotonic()
            for _ in range(4):
                since = {"X-Genba-Since-Write": f"{time.monotonic() - written:.3f}"}
                found = http.get("/api/fleet/customers", params={"q": name}, headers=since).json()
                assert [item["company_name"] for item in found["items"]] == [name]
