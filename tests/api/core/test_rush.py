"""Many requests at once: everybody is served, nobody stands in the way of those who hold a connection."""

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
        token, _ = open_session(db, people.person(db, "rush", fleet="operator"), "testclient", timedelta(hours=1))

    async def rush() -> list[int]:
        limits = httpx2.Limits(max_connections=200)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, limits=limits, timeout=30) as http:
            answers = await asyncio.gather(*(http.get("/api/fleet/summary") for _ in range(200)))
        return [answer.status_code for answer in answers]

    # A standstill would last until the pool gives up, and be a 503.
    assert asyncio.run(rush()) == [200] * 200


@pytest.mark.deep
def test_a_rush_of_wrong_sign_ins_holds_nobody_up(service: Service) -> None:
    with service.committed() as db:
        db.execute(text("DELETE FROM throttles"))  # other tests sign in from here, too
        token, _ = open_session(db, people.person(db, "calm", fleet="operator"), "testclient", timedelta(hours=1))

    async def rush() -> tuple[set[int], float, list[float]]:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(base_url=service.url, limits=limits, timeout=30) as http:

            def wrong(number: int) -> asyncio.Task[httpx2.Response]:
                body = {"login_id": f"rush-{number}", "password": "wrong"}
                return asyncio.create_task(http.post("/api/auth/login", json=body))

            started, waited = time.monotonic(), []
            tasks = [wrong(number) for number in range(30)]
            while not all(task.done() for task in tasks):
                begun = time.monotonic()
                assert (await http.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200
                waited.append(time.monotonic() - begun)
                await asyncio.sleep(0.05)
            return {task.result().status_code for task in tasks}, time.monotonic() - started, waited

    statuses, seconds, waited = asyncio.run(rush())
    with service.committed() as db:
        db.execute(text("DELETE FROM throttles"))

    assert 401 in statuses
    assert statuses <= {401, 503}
    # Who stands in their queue waits once, for nearly all of them; a busy machine may hold up one of many.
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


def test_beyond_a_long_queue_one_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "MAX_WAITING", 1)

    async def three() -> list[int]:
        let_go = asyncio.Event()
        statuses: list[int] = []

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await let_go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        door = concurrency.ConcurrencyLimit(slow, 1, frozenset())

        async def one() -> None:
            async def send(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(int(str(message["status"])))

            await door({"type": "http", "path": "/", "method": "GET"}, None, send)  # type: ignore[arg-type]

        tasks = [asyncio.create_task(one()) for _ in range(3)]
        while not statuses:  # the third is refused while the first two still wait
            await asyncio.sleep(0)
        let_go.set()
        await asyncio.gather(*tasks)
        return statuses

    assert asyncio.run(three()) == [503, 200, 200]


def test_a_door_beside_takes_the_same_seats() -> None:
    """All of them hold connections of one pool."""

    async def two() -> int:
        most = inside = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal most, inside
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

        door = concurrency.ConcurrencyLimit(app, 1, frozenset())
        scopes = [{"type": "http", "path": "/", "method": "GET"} for _ in range(4)]
        calls = [one(scope, None, None) for one, scope in zip([door, door.beside(app)] * 2, scopes, strict=True)]  # type: ignore[arg-type]
        await asyncio.gather(*calls)
        return most

    assert asyncio.run(two()) == 1
