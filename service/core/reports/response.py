"""PDF responses: rendered after the route's transaction has ended, one at a time, with a short queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.core.problems import Unavailable
from service.core.reports import render
from service.core.reports.model import Report

# A waiting request holds a slot of the concurrency limit, and other requests need most of these.
MAX_WAITING = 3
PDF_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


class _Queue:
    """One rendering, few waiting; waiting requests hold no threads, which other routes need."""

    def __init__(self) -> None:
        self.limiter = CapacityLimiter(1)
        self.requests = 0


# One for each event loop; a process has one.
_queue: RunVar[_Queue] = RunVar("reports.queue")


def cached_pdf_response(report: Report, filename: str) -> Response:
    """A report that is rendered once and cached for all users."""
    pdf = render.cached_pdf(report)
    if pdf is None:
        return Pdf(partial(render.render_cached, report), filename)
    return Response(pdf, 200, _headers(filename), Pdf.media_type)


def _headers(filename: str) -> dict[str, str]:
    return {"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename)}", "Cache-Control": "no-store"}


class Pdf(Response):
    """`make` is called in a thread when the response is sent, after the database connection has been given back. A
    problem that it raises is answered as usual."""

    media_type = "application/pdf"

    def __init__(self, make: Callable[[], bytes], filename: str) -> None:
        super().__init__()
        self.make = make
        self.filename = filename

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        queue = _queue.get(None)
        if queue is None:
            queue = _Queue()
            _queue.set(queue)
        if queue.requests > MAX_WAITING:
            raise Unavailable("PDFの作成が混み合っています。10秒ほど待ってから、もう一度お試しください。")
        queue.requests += 1
        try:
            body = await to_thread.run_sync(self.make, limiter=queue.limiter)
        finally:
            queue.requests -= 1
        await Response(body, 200, _headers(self.filename), self.media_type)(scope, receive, send)
