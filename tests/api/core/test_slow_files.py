"""Files over a real socket: bodies that trickle, break off or stop, and pictures that take long to check."""

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

URL = "/api/core/files?name=a.jpg&purpose=fleet.terminal_photo"


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    with service.committed() as db:
        session_token, _ = open_session(
            db, people.create_user(db, "uploader", fleet="operator"), "testclient", timedelta(hours=1)
        )
    return session_token


@pytest.fixture
def http(service: Service, token: str) -> Iterator[httpx2.Client]:
    with service.http() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def objects() -> int:
    return sum(len(listed) for listed in storage().all())


def spools(service: Service) -> int:
    """Their names are deleted already; the process still has them open."""
    count = 0
    for file in Path(f"/proc/{service.process.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += str(file.readlink()).endswith(" (deleted)")
    return count


def begin(service: Service, token: str, content_length: int) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    head = f"PUT {URL} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    connection.sendall(f"{head}Content-Length: {content_length}\r\n\r\n".encode())
    return connection


def test_uploads_that_trickle_hold_neither_a_slot_nor_a_connection(
    service: Service, token: str, http: httpx2.Client
) -> None:
    """More of them than there are connections, and all other requests are answered as if they were not there."""
    slow = [begin(service, token, 1_000_000) for _ in range(2 * settings().database_pool_size)]
    try:
        for connection in slow:
            connection.sendall(b"x" * 1000)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: http.get("/api/fleet/summary").status_code, range(40)))
        quick = http.put(URL, content=picture()).status_code
        answered, _, _ = select.select(slow, [], [], 0)
        idle = service.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    finally:
        for connection in slow:
            connection.close()

    assert answers == [200] * 40
    assert quick == 201
    assert answered == []  # the other requests were answered at the same time, not after them
    assert idle == [(0,)]


def test_an_upload_that_breaks_off_leaves_nothing(service: Service, token: str, http: httpx2.Client) -> None:
    assert http.get("/api/fleet/summary").status_code == 200
    stored, files, open_spools = objects(), service.rows("SELECT count(*) FROM files"), spools(service)
    for _ in range(3):
        with begin(service, token, 5_000_000) as connection:
            connection.sendall(b"\xff\xd8\xff" + b"x" * 3_000_000)
            wait_for(lambda: spools(service) == open_spools + 1, "nothing is spooled")
        wait_for(lambda: spools(service) == open_spools, "the spool is still open")
    assert (objects(), service.rows("SELECT count(*) FROM files")) == (stored, files)


def test_a_large_upload_is_taken_in_constant_memory(service: Service, http: httpx2.Client) -> None:
    process = psutil.Process(service.process.pid)
    http.put(URL, content=picture())

    def chunks() -> Iterator[bytes]:
        yield b"\xff\xd8\xff"
        for _ in range(19 * 16):
            yield b"x" * 65536

    before = process.memory_info().rss
    answer = http.put(URL, content=chunks())

    assert answer.status_code == 422  # no picture, but it had to be received first
    assert process.memory_info().rss - before < 12 * 1024 * 1024


def test_a_picture_that_takes_long_to_check_delays_no_other_request(service: Service, token: str) -> None:
    """Many megapixels; meanwhile the short requests are answered: none waits for most of the time that the picture
    takes."""
    large = picture("PNG", (6000, 4000))

    async def both() -> tuple[int, float, list[float]]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
            started, durations = time.monotonic(), []
            upload = asyncio.create_task(client.put(URL, content=large))
            while not upload.done():
                sent_at = time.monotonic()
                assert (await client.get("/api/health/live")).status_code == 200
                durations.append(time.monotonic() - sent_at)
                await asyncio.sleep(0.01)
            return (await upload).status_code, time.monotonic() - started, durations

    status, seconds, durations = asyncio.run(both())

    assert status == 201
    assert max(durations) < seconds / 2


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
            uploads = [asyncio.create_task(client.put(URL, content=body())) for _ in range(4)]
            await client.get("/api/fleet/summary")
            go_on.set()
            return [(await answer).json() for answer in uploads]

    answers = asyncio.run(twice())

    assert answers == [answers[0]] * 4
    assert service.rows("SELECT count(*) FROM files WHERE client_id = %s", key) == [(1,)]
    wait_for(lambda: objects() == stored + 2, "one picture and its thumbnail")


def test_a_refusal_comes_though_the_sender_has_not_finished(service: Service, token: str) -> None:
    with begin(service, token, 900_000_000) as connection:
        connection.sendall(b"x" * 100_000)
        answer = b""
        while "して".encode() not in answer and (chunk := connection.recv(4096)):
            answer += chunk

    assert answer.startswith(b"HTTP/1.1 413")
    assert "20MB以下にして" in answer.decode()


def test_a_silent_sender_is_given_up(
    client: TestClient, sign_in: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SILENCE_SECONDS", 0.1)
    token = sign_in("olivia", fleet="operator").headers["Authorization"]
    first = [{"type": "http.request", "body": b"\xff\xd8\xff", "more_body": True}]
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if first:
            return first.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        messages.append(message)

    path, _, query = URL.partition("?")
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": query.encode(), "http_version": "1.1"}
    headers = [(b"host", b"testserver"), (b"authorization", token.encode())]

    async def call_app() -> None:
        await client.app({**scope, "headers": headers, "client": ("127.0.0.1", 1)}, receive, send)

    asyncio.run(call_app())

    assert messages[0]["status"] == 408
    assert "ファイルが届かなくなりました" in messages[1]["body"].decode()
