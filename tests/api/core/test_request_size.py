"""Bodies that trickle, never end or are too large: refused in words, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import re
import select
import socket
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from service.core.http import request_size
from service.core.http.request_size import MAX_BYTES, RequestSizeLimit
from service.core.settings import settings
from service.main import STREAMED_PATHS, route_permissions
from tests.conftest import Service
from tests.whole import whole


def begin(service: Service, path: str) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), 30)
    made.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    return made


def test_strangers_who_never_finish_their_sentence_keep_nobody_waiting(service: Service) -> None:
    """More of them than there are seats, at doors that everybody may knock at."""
    slow: list[socket.socket] = []
    with ExitStack() as opened, service.http() as http:
        for path in ("/api/auth/login", "/contact", "/api/fleet/enrolments", "/api/fleet/customers", "/mcp"):
            for _ in range(settings().database_pool_size):
                slow.append(opened.enter_context(begin(service, path)))
        answers = {http.get("/api/auth/me").status_code for _ in range(20)}
        assert answers == {401}
        # Answered beside them, and not because they had been given up.
        assert select.select(slow, [], [], 0)[0] == []


def test_what_is_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    whole = client.post("/api/auth/login", content=b"x" * (MAX_BYTES + 1))
    in_parts = client.post("/contact", content=(b"x" * 500_000 for _ in range(5)))

    assert (whole.status_code, whole.headers["content-type"]) == (413, "application/problem+json")
    assert "2MB以内" in whole.json()["detail"]
    assert in_parts.status_code == 413
    assert "2MB以内" in in_parts.text  # a page, for people
    assert client.post("/api/auth/login", content=b"x" * MAX_BYTES).status_code == 422


def test_a_sentence_as_deep_as_it_may_be_long_is_refused(client: TestClient) -> None:
    for deep in (b"[" * MAX_BYTES, b'{"a":' * (MAX_BYTES // 5), b"[" * 10_000 + b"]" * 10_000):
        answer = client.post("/api/auth/login", content=deep, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 2000


def asked(door: RequestSizeLimit, *parts: Message, wait: float = 0) -> list[Message]:
    """What the door answers a body that comes in these parts."""
    sent, left = [], list(parts)

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(wait)
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/api/x", "headers": [(b"transfer-encoding", b"chunked")]
    }  # fmt: skip
    asyncio.run(door(scope, receive, send))
    return sent


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    assert not message["more_body"]
    await PlainTextResponse(message["body"])(scope, receive, send)


def test_a_body_arrives_whole_however_it_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    door = RequestSizeLimit(echo, STREAMED_PATHS)

    assert asked(door, part(b"one ", more=True), part(b"two", more=False))[1]["body"] == b"one two"
    assert asked(door, part(b"one", more=True))[0]["status"] == 400
    monkeypatch.setattr(request_size, "MAX_SECONDS", 0.05)
    [start, words] = asked(door, part(b"one", more=True), wait=5)
    assert start["status"] == 408
    assert "届かなくなりました" in json.loads(words["body"])["detail"]


def test_all_bodies_together_have_a_limit_and_what_was_refused_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_size, "MAX_BUFFERED_BYTES", 10)
    door = RequestSizeLimit(echo, STREAMED_PATHS)

    for _ in range(3):
        assert asked(door, part(b"x" * 11, more=False))[0]["status"] == 503
        assert asked(door, part(b"x" * 10, more=False))[0]["status"] == 200


def test_only_doors_that_read_for_themselves_are_left_alone() -> None:
    """A door whose body FastAPI reads must not be among them: it would hold a seat meanwhile."""
    paths = [(re.sub(r"\{[^}]*\}", "1", path), route) for path, route, _ in route_permissions(whole().fastapi)]
    own = [(path, route) for path, route in paths if STREAMED_PATHS.fullmatch(path)]

    assert len(own) == 5  # sending a file, a bundle, three vendors
    assert [path for path, route in own if route.body_field is not None] == []
