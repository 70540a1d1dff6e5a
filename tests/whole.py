"""The service as one ASGI application, built once in a process: that takes longer than most tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import uvicorn
from anyio.from_thread import BlockingPortal

if TYPE_CHECKING:
    from service.main import Application


@cache
def whole() -> Application:
    """With the routes and rules of production."""
    from service.main import app

    return app()


@contextmanager
def answering(portal: BlockingPortal, port: int = 0) -> Iterator[str]:
    """Its address on a port of this process, as long as the block lasts."""
    with socket.create_server(("127.0.0.1", port)) as line:
        config = uvicorn.Config(whole(), lifespan="off", log_config=None, log_level="warning", ws="none")
        server = uvicorn.Server(config)
        serving = portal.start_task_soon(server.serve, [line])
        try:
            yield f"http://127.0.0.1:{line.getsockname()[1]}"
        finally:
            server.should_exit = True
            # What it waits for by the clock never comes once a test has moved that.
            if wait([serving], 10).not_done:
                serving.cancel()
