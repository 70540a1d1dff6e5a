"""Bodies that trickle, never end or are too large: refused in words, and no other request waits for them."""

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
from tests.whole import service_app


def begin(service: Service, path: str) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    return connection


def test_unfinished_bodies_delay_no_other_request(service: Service) -> None:
    """More of them than there are slots, at public routes."""
    slow: list[socket.socket] = []
    with ExitStack() as opened, service.http() as http:
        for path in ("/api/auth/login", "/contact", "/api/fleet/enrolments", "/api/fleet/customers", "/mcp"):
            for _ in range(settings().database_pool_size):
                slow.append(opened.enter_context(begin(service, path)))
        answers = {http.get("/api/auth/me").status_code for _ in range(20)}
        assert answers == {401}
        # Answered at the same time, and not because the slow requests were given up.
        assert select.select(slow, [], [], 0)[0] == []


def test_what_is_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    at_once = client.post("/api/auth/login", content=b"x" * (MAX_BYTES + 1))
    in_parts = client.post("/contact", content=(b"x" * 500_000 for _ in range(5)))

    assert (at_once.status_code, at_once.headers["content-type"]) == (413, "application/problem+json")
    assert "2MB以内" in at_once.json()["detail"]
    assert in_parts.status_code == 413
    assert "2MB以内" in in_parts.text  # a page for users
    assert client.post("/api/auth/login", content=b"x" * MAX_BYTES).status_code == 422


def test_deeply_nested_json_is_refused(client: TestClient) -> None:
    for deep in (b"[" * MAX_BYTES, b'{"a":' * (MAX_BYTES // 5), b"[" * 10_000 + b"]" * 10_000):
        answer = client.post("/api/auth/login", content=deep, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert len(answer.content) < 2000


def send_parts(app: RequestSizeLimit, *parts: Message, wait: float = 0) -> list[Message]:
    """What the application answers to a body that arrives in these parts."""
    sent, remaining = [], list(parts)

    async def receive() -> Message:
        if not remaining:
            await asyncio.sleep(wait)
        return remaining.pop(0) if remaining else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/api/x",
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    asyncio.run(app(scope, receive, send))
    return sent


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    assert not message["more_body"]
    await PlainTextResponse(message["body"])(scope, receive, send)


def test_a_body_arrives_whole_however_it_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    app = RequestSizeLimit(echo, STREAMED_PATHS)

    assert send_parts(app, part(b"one ", more=True), part(b"two", more=False))[1]["body"] == b"one two"
    assert send_parts(app, part(b"one", more=True))[0]["status"] == 400
    monkeypatch.setattr(request_size, "MAX_SECONDS", 0.05)
    [start, body] = send_parts(app, part(b"one", more=True), wait=5)
    assert start["status"] == 408
    assert "届かなくなりました" in json.loads(body["body"])["detail"]


def test_all_bodies_together_have_a_limit_and_what_was_refused_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_size, "MAX_BUFFERED_BYTES", 10)
    app = RequestSizeLimit(echo, STREAMED_PATHS)

    for _ in range(3):
        assert send_parts(app, part(b"x" * 11, more=False))[0]["status"] == 503
        assert send_parts(app, part(b"x" * 10, more=False))[0]["status"] == 200


def test_only_routes_that_read_the_body_themselves_are_exempt() -> None:
    """A route whose body FastAPI reads must not be exempt: it would hold a slot meanwhile."""
    paths = [(re.sub(r"\{[^}]*\}", "1", path), route) for path, route, _ in route_permissions(service_app().fastapi)]
    streamed = [(path, route) for path, route in paths if STREAMED_PATHS.fullmatch(path)]

    assert len(streamed) == 5  # sending a file, a bundle, three vendors
    assert [path for path, route in streamed if route.body_field is not None] == []
