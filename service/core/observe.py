"""A request id, one log line and metrics for each request: one ASGI layer before every door but the heartbeats' own."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.traffic import COUNTING

REQUESTS = Counter("genba_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
SECONDS = Histogram("genba_http_request_seconds", "Time to answer, seconds", ["route"])
# Longer than this, and a request stands out in the log.
SLOW_SECONDS = 1.0
GIVEN_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")

log = structlog.get_logger()


class Observed:
    """Gives each request an id (the caller's, if it is a sane one), logs it once and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if GIVEN_ID.match(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            # The route's pattern, never the path itself: a metric per id would grow without end.
            route = getattr(scope.get("route"), "path", "-")
            REQUESTS.labels(scope["method"], route, status).inc()
            SECONDS.labels(route).observe(seconds)
            if not route.startswith(("/api/health", "/metrics")):
                COUNTING.count(status, seconds)
                told = {"method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 1)}
                if seconds < SLOW_SECONDS:
                    log.info("request", **told)
                else:
                    log.warning("slow request", **told)
