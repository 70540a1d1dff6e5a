"""The service as one ASGI application, built once in a process, because that takes longer than most tests."""

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
def service_app() -> Application:
    """The application with all routes and middleware of production."""
    from service.main import app

    return app()


@contextmanager
def serve_app(portal: BlockingPortal, port: int = 0) -> Iterator[str]:
    """Serve the application on a port of this process until the block ends. Yields its URL."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        config = uvicorn.Config(service_app(), lifespan="off", log_config=None, log_level="warning", ws="none")
        server = uvicorn.Server(config)
        server_task = portal.start_task_soon(server.serve, [listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            # It does not end by itself where a test has moved the clock that its timeouts use.
            if wait([server_task], 10).not_done:
                server_task.cancel()
