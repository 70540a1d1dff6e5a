"""An ordered end that costs no request: asked to stop, the service says so at /live and goes on answering for a moment,
so that the proxy asks the others before this one is gone. Without it, a POST on a connection just closed is lost.

A proxy that does not ask /live (named replicas) goes on until the end. It is told with every answer that
the connection ends here: when the moment is longer than it keeps idle connections, it has none left to send on.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType

from starlette.types import Message, Send

_asked = threading.Event()


def is_leaving() -> bool:
    return _asked.is_set()


def last_of_its_connection(send: Send) -> Send:
    """Answers by it close their connection (HTTP/1.1, as uvicorn obeys it)."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return closing


def linger(seconds: float) -> None:
    """From now on SIGTERM is obeyed so many seconds later. The second one is obeyed at once. To be called inside of
    uvicorn's loop, whose own handler is there by then."""
    obey = signal.getsignal(signal.SIGTERM)
    if not seconds or threading.current_thread() is not threading.main_thread() or not callable(obey):
        return
    loop = asyncio.get_running_loop()

    def leave(number: int, frame: FrameType | None) -> None:
        if _asked.is_set():
            obey(number, frame)
            return
        _asked.set()
        loop.call_soon_threadsafe(loop.call_later, seconds, obey, number, None)

    signal.signal(signal.SIGTERM, leave)
