"""The log entry of a request."""

from __future__ import annotations

import asyncio
import time

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message
from structlog.testing import capture_logs

from service.core.http import request_log


@pytest.mark.parametrize(
    ("seconds", "event", "level"), [(0.999, "request", "info"), (request_log.SLOW_SECONDS, "slow request", "warning")]
)
def test_a_slow_request_is_logged_as_a_warning(
    monkeypatch: pytest.MonkeyPatch, seconds: float, event: str, level: str
) -> None:
    times = iter([10.0, 10.0 + seconds])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    observed = request_log.RequestLog(PlainTextResponse("ok"))
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    with capture_logs() as logs:
        asyncio.run(observed({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send))
    monkeypatch.undo()

    assert [(line["event"], line["log_level"], line["ms"]) for line in logs] == [(event, level, seconds * 1000)]
