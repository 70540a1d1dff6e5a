"""A TCP relay to a server of this machine that can be watched, and that breaks once: during the first firmware
download."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

DOWNLOAD_REQUEST = b"GET /api/fleet/agent/firmware/"
PIECE_BYTES = 1024
UNLIMITED = 2**40


class FirmwareRelay(socketserver.ThreadingTCPServer):
    """`connections`: how many were opened. `downloads`: the headers of all requests for firmware."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, upstream: tuple[str, int], address: tuple[str, int], breaks_after: int) -> None:
        super().__init__(address, _RelayHandler)
        self.upstream, self.remaining_bytes, self.connections = upstream, breaks_after, 0
        self.downloads: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _RelayHandler(socketserver.BaseRequestHandler):
    server: FirmwareRelay
    request: socket.socket

    def handle(self) -> None:
        self.server.connections += 1
        # Either side may have disconnected.
        with suppress(OSError), socket.create_connection(self.server.upstream, 5) as service:
            self._forward(service)

    def _forward(self, service: socket.socket) -> None:
        is_breaking = False
        while True:
            ready, _, _ = select.select([self.request, service], [], [])
            for source in ready:
                data = source.recv(PIECE_BYTES)
                if not data:
                    return
                if source is self.request and data.startswith(DOWNLOAD_REQUEST):
                    is_breaking = not self.server.downloads
                    self.server.downloads.append(data)
                if source is service and is_breaking:
                    self.server.remaining_bytes -= len(data)
                    if self.server.remaining_bytes < 0:
                        return
                (service if source is self.request else self.request).sendall(data)


@contextmanager
def running_relay(
    upstream: tuple[str, int], address: tuple[str, int] = ("127.0.0.1", 0), breaks_after: int = UNLIMITED
) -> Iterator[FirmwareRelay]:
    """`breaks_after`: bytes of the first download's response that still arrive."""
    with FirmwareRelay(upstream, address, breaks_after) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
