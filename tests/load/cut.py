"""A line to a server of this machine that can be watched, and breaks once: in the middle of the first download of
firmware."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

DOWNLOAD = b"GET /api/fleet/agent/firmware/"
PIECE_BYTES = 1024
NEVER = 2**40


class Line(socketserver.ThreadingTCPServer):
    """A relay. `passed`: how many connections came; `downloads`: the heads of all requests for firmware, as they
    came."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, to: tuple[str, int], at: tuple[str, int], breaks_after: int) -> None:
        super().__init__(at, _Relay)
        self.to, self.left, self.passed = to, breaks_after, 0
        self.downloads: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Relay(socketserver.BaseRequestHandler):
    server: Line
    request: socket.socket

    def handle(self) -> None:
        self.server.passed += 1
        # Either side may have gone.
        with suppress(OSError), socket.create_connection(self.server.to, 5) as service:
            self._pass_on(service)

    def _pass_on(self, service: socket.socket) -> None:
        breaking = False
        while True:
            ready, _, _ = select.select([self.request, service], [], [])
            for one in ready:
                piece = one.recv(PIECE_BYTES)
                if not piece:
                    return
                if one is self.request and piece.startswith(DOWNLOAD):
                    breaking = not self.server.downloads
                    self.server.downloads.append(piece)
                if one is service and breaking:
                    self.server.left -= len(piece)
                    if self.server.left < 0:
                        return
                (service if one is self.request else self.request).sendall(piece)


@contextmanager
def line(to: tuple[str, int], at: tuple[str, int] = ("127.0.0.1", 0), breaks_after: int = NEVER) -> Iterator[Line]:
    """`breaks_after`: bytes of the first download's answer that still arrive."""
    with Line(to, at, breaks_after) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
