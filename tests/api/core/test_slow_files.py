"""Files over a real socket: bodies that trickle, break off or stop, and pictures that take long to look at."""

from __future__ import annotations

import asyncio
import select
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from fastapi.testclient import TestClient

from service.core.access.identity import open_session
from service.core.files import incoming
from service.core.files.storage import storage
from service.core.settings import settings
from tests import people
from tests.conftest import Service
from tests.pictures import picture
from tests.waiting import wait_for

ADDRESS = "/api/core/files?name=a.jpg&purpose=fleet.terminal_photo"


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    with service.committed() as db:
        made, _ = open_session(db, people.person(db, "uploader", fleet="operator"), "testclient", timedelta(hours=1))
    return made


@pytest.fixture
def http(service: Service, token: str) -> Iterator[httpx2.Client]:
    with service.http() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def objects() -> int:
    return sum(len(listed) for listed in storage().all())


def spools(service: Service) -> int:
    """They have no name any more; the process still holds them open."""
    found = 0
    for file in Path(f"/proc/{service.process.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += str(file.readlink()).endswith(" (deleted)")
    return found


def begin(service: Service, token: str, announced: int) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), 30)
    head = f"PUT {ADDRESS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    made.sendall(f"{head}Content-Length: {announced}\r\n\r\n".encode())
    return made


def test_uploads_that_trickle_hold_neither_a_seat_nor_a_connection(
    service: Service, token: str, http: httpx2.Client
) -> None:
    """More of them than there are connections, and everybody else is served as if they were not there."""
    slow = [begin(service, token, 1_000_000) for _ in range(2 * settings().database_pool_size)]
    try:
        for connection in slow:
            connection.sendall(b"x" * 1000)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: http.get("/api/fleet/summary").status_code, range(40)))
        quick = http.put(ADDRESS, content=picture()).status_code
        given_up, _, _ = select.select(slow, [], [], 0)
        held = service.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    finally:
        for connection in slow:
            connection.close()

    assert answers == [200] * 40
    assert quick == 201
    assert given_up == []  # answered beside them, not after them
    assert held == [(0,)]


def test_an_upload_that_breaks_off_leaves_nothing(service: Service, token: str, http: httpx2.Client) -> None:
    assert http.get("/api/fleet/summary").status_code == 200
    stored, files, held = objects(), service.rows("SELECT count(*) FROM files"), spools(service)
    for _ in range(3):
        with begin(service, token, 5_000_000) as connection:
            connection.sendall(b"\xff\xd8\xff" + b"x" * 3_000_000)
            wait_for(lambda: spools(service) == held + 1, "nothing is spooled")
        wait_for(lambda: spools(service) == held, "the spool is still open")
    assert (objects(), service.rows("SELECT count(*) FROM files")) == (stored, files)


def test_a_large_upload_is_taken_in_constant_memory(service: Service, http: httpx2.Client) -> None:
    process = psutil.Process(service.process.pid)
    http.put(ADDRESS, content=picture())

    def much() -> Iterator[bytes]:
        yield b"\xff\xd8\xff"
        for _ in range(19 * 16):
            yield b"x" * 65536

    before = process.memory_info().rss
    answer = http.put(ADDRESS, content=much())

    assert answer.status_code == 422  # no picture, but it had to come in first
    assert process.memory_info().rss - before < 12 * 1024 * 1024


def test_a_picture_that_takes_long_to_look_at_holds_up_nobody(service: Service, token: str) -> None:
    """Many megapixels; meanwhile the short requests go on: none waits for the most part of the picture's time."""
    large = picture("PNG", (6000, 4000))

    async def both() -> tuple[int, float, list[float]]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
            started, paces = time.monotonic(), []
            sending = asyncio.create_task(client.put(ADDRESS, content=large))
            while not sending.done():
                begun = time.monotonic()
                assert (await client.get("/api/health/live")).status_code == 200
                paces.append(time.monotonic() - begun)
                await asyncio.sleep(0.01)
            return (await sending).status_code, time.monotonic() - started, paces

    status, seconds, paces = asyncio.run(both())

    assert status == 201
    assert max(paces) < seconds / 2


def test_the_same_upload_twice_at_once_is_one_file(service: Service, token: str) -> None:
    key, stored = str(uuid.uuid4()), objects()

    async def twice() -> list[dict[str, object]]:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        go_on = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            content = picture()
            yield content[:100]
            await go_on.wait()  # both are under way before either is done
            yield content[100:]

        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=30) as client:
            sending = [asyncio.create_task(client.put(ADDRESS, content=body())) for _ in range(4)]
            await client.get("/api/fleet/summary")
            go_on.set()
            return [(await answer).json() for answer in sending]

    answers = asyncio.run(twice())

    assert answers == [answers[0]] * 4
    assert service.rows("SELECT count(*) FROM files WHERE client_id = %s", key) == [(1,)]
    wait_for(lambda: objects() == stored + 2, "one picture and its thumbnail")


def test_a_refusal_comes_though_the_sender_has_not_finished(service: Service, token: str) -> None:
    with begin(service, token, 900_000_000) as connection:
        connection.sendall(b"x" * 100_000)
        answer = b""
        while "して".encode() not in answer and (more := connection.recv(4096)):
            answer += more

    assert answer.startswith(b"HTTP/1.1 413")
    assert "20MB以下にして" in answer.decode()


def test_a_sender_who_says_nothing_any_more_is_not_waited_for(
    client: TestClient, sign_in: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SILENCE_SECONDS", 0.1)
    token = sign_in("olivia", fleet="operator").headers["Authorization"]
    first = [{"type": "http.request", "body": b"\xff\xd8\xff", "more_body": True}]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if first:
            return first.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        said.append(message)

    path, _, query = ADDRESS.partition("?")
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": query.encode(), "http_version": "1.1"}
    headers = [(b"host", b"testserver"), (b"authorization", token.encode())]

    async def ask() -> None:
        await client.app({**scope, "headers": headers, "client": ("127.0.0.1", 1)}, receive, send)

    asyncio.run(ask())

    assert said[0]["status"] == 408
    assert "ファイルが届かなくなりました" in said[1]["body"].decode()
