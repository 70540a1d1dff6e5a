"""The streaming replica in production: through PgBouncer, behind two services, killed under people who read."""

from __future__ import annotations

import re
import signal
import threading
import time

import httpx2
import pytest

from tests.load.test_production import session
from tests.production import Production, wait_for
from tests.replica import Replica

pytestmark = pytest.mark.production

SAID = {"X-Genba-Since-Write": "3600"}
PATHS = ("/api/fleet/summary", "/api/fleet/customers", "/api/fleet/terminals", "/api/core/audit")


def reads(production: Production, server: str) -> float:
    """Over both services."""
    found = 0.0
    for name in ("service", "service-2"):
        said = httpx2.get(f"{production.replica(name)}/metrics", timeout=15, trust_env=False).text
        pattern = rf'^genba_lagging_reads_total{{server="{server}",why="[a-z ]*"}} ([0-9.e+]+)'
        found += sum(float(count) for count in re.findall(pattern, said, re.MULTILINE))
    return found


def usable(production: Production) -> bool:
    told = [
        httpx2.get(f"{production.replica(name)}/metrics", timeout=15, trust_env=False).text
        for name in ("service", "service-2")
    ]
    return all("\ngenba_replica_usable 1.0" in said for said in told)


@pytest.fixture
def following(production: Production) -> Replica:
    assert production.following is not None
    wait_for(lambda: usable(production), "the replica")
    return production.following


def test_both_services_read_from_it_through_pgbouncer(production: Production, following: Replica) -> None:
    with production.http(headers=session(production) | SAID) as http:
        before, primary = reads(production, "replica"), reads(production, "primary")
        answers = [http.get(path) for path in PATHS * 10]

    assert {answer.status_code for answer in answers} == {200}
    # Other people's pages are at it, too.
    assert reads(production, "replica") >= before + len(answers) - (reads(production, "primary") - primary)
    assert reads(production, "replica") > before + len(answers) / 2


def test_killing_it_costs_no_answer_and_it_is_read_again_when_it_is_back(
    production: Production, following: Replica
) -> None:
    statuses: list[int] = []
    ended = threading.Event()
    header = session(production) | SAID

    def read_on() -> None:
        with production.http(headers=header) as http:
            while not ended.is_set():
                statuses.extend(http.get(path).status_code for path in PATHS)

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        time.sleep(2)
        following.end(signal.SIGQUIT)
        time.sleep(4)
        answered = len(statuses)
        time.sleep(1)
        assert len(statuses) > answered, "nobody is answered while the replica is away"
        following.start()
        wait_for(lambda: usable(production), "the replica again")
        before = reads(production, "replica")
        wait_for(lambda: reads(production, "replica") > before, "an answer of the replica")
    finally:
        ended.set()
        for reader in readers:
            reader.join(30)
        if following.process is not None and following.process.poll() is not None:
            following.start()

    assert len(statuses) > 50
    assert set(statuses) == {200}


def test_what_somebody_wrote_is_there_at_once_through_either_service(
    production: Production, following: Replica
) -> None:
    new = {"contact_person": "青木", "contact_phone": "03-1234-5678", "contact_email": "aoki@example.com"}
    with production.http(headers=session(production)) as http, following.paused():
        for number in range(6):
            name = f"書いたらすぐ読める{number}"
            assert http.post("/api/fleet/customers", json=new | {"company_name": name}).status_code == 201
            written = time.monotonic()
            for _ in range(4):
                since = {"X-Genba-Since-Write": f"{time.monotonic() - written:.3f}"}
                found = http.get("/api/fleet/customers", params={"q": name}, headers=since).json()
                assert [item["company_name"] for item in found["items"]] == [name]
