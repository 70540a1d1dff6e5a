"""Request id, one log line and metrics for each request, and no caching of the API's answers: an ASGI layer before all
routes except heartbeats."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.http.traffic import TRAFFIC_COUNTER

REQUESTS = Counter("genba_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
SECONDS = Histogram("genba_http_request_seconds", "Time to answer, seconds", ["route"])
# A request that takes longer is logged as a warning.
SLOW_SECONDS = 1.0
VALID_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")

log = structlog.get_logger()


class RequestLog:
    """Gives each request an id (the caller's own when it is valid), logs it once and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller_id = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = caller_id.decode() if VALID_REQUEST_ID.match(caller_id) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500
        # Answers of the API are about persons: no browser or proxy keeps them.
        is_private = scope["path"].startswith("/api/")

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if is_private and not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            # The route's pattern, never the path: a metric for each id would grow without end.
            route = getattr(scope.get("route"), "path", "-")
            REQUESTS.labels(scope["method"], route, status).inc()
            SECONDS.labels(route).observe(seconds)
            if not route.startswith(("/api/health", "/metrics")):
                TRAFFIC_COUNTER.count(status, seconds)
                fields = {"method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 1)}
                if seconds < SLOW_SECONDS:
                    log.info("request", **fields)
                else:
                    log.warning("slow request", **fields)
