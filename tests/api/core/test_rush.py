"""Many requests at once: all are answered, and none blocks the requests that hold a connection."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

from service.core.access import identity, password_hashing
from service.core.access.identity import open_session
from service.core.http import concurrency
from service.core.problems import Unavailable
from tests import people
from tests.conftest import Service


def test_two_hundred_at_once_are_all_answered(service: Service) -> None:
    """Four times the threads and twenty times the connections."""
    with service.committed() as db:
        token, _ = open_session(db, people.create_user(db, "rush", fleet="operator"), "testclient", timedelta(hours=1))

    async def rush() -> list[int]:
        limits = httpx2.Limits(max_connections=200)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, limits=limits, timeout=30) as http:
            answers = await asyncio.gather(*(http.get("/api/fleet/summary") for _ in range(200)))
        return [answer.status_code for answer in answers]

    # A deadlock would last until the pool gives up, and be a 503.
    assert asyncio.run(rush()) == [200] * 200


@pytest.mark.deep
def test_a_rush_of_wrong_sign_ins_delays_no_other_request(service: Service) -> None:
    with service.committed() as db:
        db.execute(text("DELETE FROM throttles"))  # other tests sign in from here, too
        token, _ = open_session(db, people.create_user(db, "calm", fleet="operator"), "testclient", timedelta(hours=1))

    async def rush() -> tuple[set[int], float, list[float]]:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(base_url=service.url, limits=limits, timeout=30) as http:

            def wrong(number: int) -> asyncio.Task[httpx2.Response]:
                body = {"login_id": f"rush-{number}", "password": "wrong"}
                return asyncio.create_task(http.post("/api/auth/login", json=body))

            started, waited = time.monotonic(), []
            tasks = [wrong(number) for number in range(30)]
            while not all(task.done() for task in tasks):
                sent_at = time.monotonic()
                assert (await http.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200
                waited.append(time.monotonic() - sent_at)
                await asyncio.sleep(0.05)
            return {task.result().status_code for task in tasks}, time.monotonic() - started, waited

    statuses, seconds, waited = asyncio.run(rush())
    with service.committed() as db:
        db.execute(text("DELETE FROM throttles"))

    assert 401 in statuses
    assert statuses <= {401, 503}
    # A request in their queue would wait once, for nearly all of them; a busy machine may delay one of many.
    assert statistics.median(waited) < seconds / 3


def test_passwords_wait_in_a_queue_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(password_hashing, "MAX_WAITING", 1)
    monkeypatch.setattr(identity, "check_password", lambda *_: go_on.wait(10))

    async def three() -> list[bool]:
        tasks = [asyncio.create_task(password_hashing.check_password("x", None)) for _ in range(2)]
        while password_hashing._working.statistics().tasks_waiting < 1:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="混み合って"):
            await password_hashing.check_password("x", None)
        go_on.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(three()) == [True, True]
    assert Unavailable("").response().headers["retry-after"] == "5"


def test_beyond_a_long_queue_a_request_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "MAX_WAITING", 1)

    async def three() -> list[int]:
        release = asyncio.Event()
        statuses: list[int] = []

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        limit = concurrency.ConcurrencyLimit(slow, 1, frozenset())

        async def send_request() -> None:
            async def send(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(int(str(message["status"])))

            await limit({"type": "http", "path": "/", "method": "GET"}, None, send)  # type: ignore[arg-type]

        tasks = [asyncio.create_task(send_request()) for _ in range(3)]
        while not statuses:  # the third is refused while the first two still wait
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)
        return statuses

    assert asyncio.run(three()) == [503, 200, 200]


def test_a_second_application_shares_the_slots() -> None:
    """Both use connections of one pool."""

    async def two() -> int:
        highest = inside = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal highest, inside
            inside += 1
            highest = max(highest, inside)
            await asyncio.sleep(0.01)
            inside -= 1

        limit = concurrency.ConcurrencyLimit(app, 1, frozenset())
        scopes = [{"type": "http", "path": "/", "method": "GET"} for _ in range(4)]
        limits = [limit, limit.shared_with(app)] * 2
        calls = [entry(scope, None, None) for entry, scope in zip(limits, scopes, strict=True)]  # type: ignore[arg-type]
        await asyncio.gather(*calls)
        return highest

    assert asyncio.run(two()) == 1
