"""A line to the service that breaks once: in the middle of the first download of firmware."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DOWNLOAD = b"GET /api/fleet/agent/firmware/"
PIECE_BYTES = 1024


class BreakingLine(socketserver.ThreadingTCPServer):
    """A relay. `downloads`: the heads of all requests for firmware, as they came."""

    daemon_threads = True

    def __init__(self, to_port: int, breaks_after: int) -> None:
        """`breaks_after`: bytes of the first download's answer that still arrive."""
        super().__init__(("127.0.0.1", 0), _Relay)
        self.to_port, self.left = to_port, breaks_after
        self.downloads: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Relay(socketserver.BaseRequestHandler):
    server: BreakingLine
    request: socket.socket

    def handle(self) -> None:
        breaking = False
        with socket.create_connection(("127.0.0.1", self.server.to_port), 5) as service:
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
def breaking_line(to_port: int, breaks_after: int) -> Iterator[BreakingLine]:
    with BreakingLine(to_port, breaks_after) as line:
        thread = threading.Thread(target=line.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield line
        finally:
            line.shutdown()
            thread.join()
