"""The streaming replica in production: through PgBouncer, behind two services, killed while clients read."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.load.load_clients import ClientGroup, Reader
from tests.production import Production
from tests.replica import Replica
from tests.waiting import wait_for

pytestmark = pytest.mark.production

PATHS = ("/api/fleet/summary", "/api/fleet/customers", "/api/fleet/terminals", "/api/core/audit")


def metrics(production: Production) -> list[str]:
    """The metrics of each service."""
    urls = (f"{production.replica(name)}/metrics" for name in ("service", "service-2"))
    return [httpx2.get(url, timeout=15, trust_env=False).text for url in urls]


def reads(production: Production, server: str) -> float:
    """The number of reads of that server, over both services."""
    pattern = rf'^genba_lagging_reads_total{{server="{server}",why="[a-z ]*"}} ([0-9.e+]+)'
    return sum(float(count) for text in metrics(production) for count in re.findall(pattern, text, re.MULTILINE))


def usable(production: Production) -> set[str]:
    """What the services report: 1.0 or 0.0."""
    pattern = r"^genba_replica_usable (.+)$"
    return {figure for text in metrics(production) for figure in re.findall(pattern, text, re.MULTILINE)}


@pytest.fixture
def followed_replica(production: Production) -> Iterator[Replica]:
    replica = production.following
    assert replica is not None
    wait_for(lambda: usable(production) == {"1.0"}, "the replica")
    yield replica
    if replica.process is not None and replica.process.poll() is not None:
        replica.start()


def signed_in(production: Production) -> httpx2.Client:
    """A client whose last write is long ago."""
    http = production.scene.signed_in("yamada")
    http.headers["X-Genba-Since-Write"] = "3600"
    return http


def test_both_services_read_from_the_replica_through_pgbouncer(
    production: Production, followed_replica: Replica
) -> None:
    with signed_in(production) as http:
        reads_before, primary_before = reads(production, "replica"), reads(production, "primary")
        answers = [http.get(path) for path in PATHS * 10]

    assert {answer.status_code for answer in answers} == {200}
    # Other clients read at the same time.
    assert reads(production, "replica") >= reads_before + len(answers) - (reads(production, "primary") - primary_before)
    assert reads(production, "replica") > reads_before + len(answers) / 2


def test_killing_the_replica_costs_no_answer_and_it_is_read_again_when_it_is_back(
    production: Production, followed_replica: Replica
) -> None:
    clients = ClientGroup([Reader(signed_in(production), *PATHS) for _ in range(4)])
    with clients.running():
        clients.await_more_answers(40)
        followed_replica.end(signal.SIGQUIT)
        clients.await_more_answers(40)
        wait_for(lambda: usable(production) == {"0.0"}, "nobody notices that it is away")
        clients.await_more_answers(40)
        followed_replica.start()
        wait_for(lambda: usable(production) == {"1.0"}, "the replica again")
        reads_before = reads(production, "replica")
        wait_for(lambda: reads(production, "replica") > reads_before, "an answer of the replica")

    assert clients.failures() == {"readers": {}}


def test_a_write_is_visible_at_once_through_either_service(production: Production, followed_replica: Replica) -> None:
    contact = {"contact_person": "青木", "contact_phone": "03-1234-5678", "contact_email": "aoki@example.com"}
    with production.scene.signed_in("yamada") as http, followed_replica.paused():
        for number in range(6):
            name = f"書いたらすぐ読める{number}"
            assert http.post("/api/fleet/customers", json=contact | {"company_name": name}).status_code == 201
            written_at = time.monotonic()
            for _ in range(4):
                headers = {"X-Genba-Since-Write": f"{time.monotonic() - written_at:.3f}"}
                page = http.get("/api/fleet/customers", params={"q": name}, headers=headers).json()
                assert [item["company_name"] for item in page["items"]] == [name]
