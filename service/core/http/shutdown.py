"""Graceful shutdown without lost requests: after SIGTERM the service reports it at /live and goes on answering for some
seconds, so that the proxy switches to the other replicas in time. Otherwise a POST on a closed connection is lost.

A proxy that does not check /live (named replicas) sends requests until the end. Every answer then closes its
connection: when the delay is longer than the proxy keeps idle connections, it has none left to this process.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType

from starlette.types import Message, Send

_requested = threading.Event()


def is_shutting_down() -> bool:
    return _requested.is_set()


def closing_connection(send: Send) -> Send:
    """A `send` whose answers close their connection (HTTP/1.1; uvicorn obeys the header)."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return send_and_close


def delay_sigterm(seconds: float) -> None:
    """From now on SIGTERM takes effect so many seconds later, a second SIGTERM at once. Call it inside uvicorn's loop,
    when uvicorn has installed its own handler."""
    original_handler = signal.getsignal(signal.SIGTERM)
    if not seconds or threading.current_thread() is not threading.main_thread() or not callable(original_handler):
        return
    loop = asyncio.get_running_loop()

    def delayed_handler(number: int, frame: FrameType | None) -> None:
        if _requested.is_set():
            original_handler(number, frame)
            return
        _requested.set()
        loop.call_soon_threadsafe(loop.call_later, seconds, original_handler, number, None)

    signal.signal(signal.SIGTERM, delayed_handler)
