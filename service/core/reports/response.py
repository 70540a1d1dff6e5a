"""A PDF as the answer of a route: made after the route's transaction has ended, one at a time, and few may wait."""

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

# Whoever waits holds a seat of the front door: the others must keep most of them.
LONGEST_QUEUE = 3
PDF_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


class _Queue:
    """One at work, few waiting; outside the threads, which the other routes need."""

    def __init__(self) -> None:
        self.turn = CapacityLimiter(1)
        self.inside = 0


# One for each event loop; a process has one.
_queue: RunVar[_Queue] = RunVar("reports.queue")


def kept_pdf(report: Report, filename: str) -> Response:
    """A report that is made once and given to many."""
    made = render.kept(report)
    if made is None:
        return Pdf(partial(render.render_kept, report), filename)
    return Response(made, 200, _headers(filename), Pdf.media_type)


def _headers(filename: str) -> dict[str, str]:
    return {"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename)}", "Cache-Control": "no-store"}


class Pdf(Response):
    """`make` is called in a thread when the answer is sent: by then the database's connection is free again. A
    problem it raises is answered like any other."""

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
        if queue.inside > LONGEST_QUEUE:
            raise Unavailable("PDFの作成が混み合っています。10秒ほど待ってから、もう一度お試しください。")
        queue.inside += 1
        try:
            body = await to_thread.run_sync(self.make, limiter=queue.turn)
        finally:
            queue.inside -= 1
        await Response(body, 200, _headers(self.filename), self.media_type)(scope, receive, send)
