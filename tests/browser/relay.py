"""A relay between a browser and the service that simulates network failures: no connection, or lost responses."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.processes import free_port


class Relay:
    """`url` leads to the service at `target`. While `is_away` no connection passes; while `loses_replies` requests
    arrive but their responses do not, and `lost` counts those. `rewrites` (original, replacement) replaces a text in
    the responses, and restores it in the requests."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self.target = (str(address.hostname), int(address.port or 80))
        self.is_away = False
        self.loses_replies = False
        self.lost = 0
        self.rewrites = (b"", b"")
        self._open: set[socket.socket] = set()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def go_away(self) -> None:
        self.is_away = True
        for connection in list(self._open):
            _close(connection)

    def come_back(self) -> None:
        self.is_away = self.loses_replies = False

    def end(self) -> None:
        self._listening.close()
        self.go_away()

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listening.accept()
            except OSError:
                return
            if self.is_away:
                _close(browser)
                continue
            try:
                service = socket.create_connection(self.target, 5)
            except OSError:
                _close(browser)
                continue
            service.settimeout(None)
            self._open |= {browser, service}
            threading.Thread(target=self._pump, args=(browser, service, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(service, browser, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_reply and self.loses_replies:
                    self.lost += 1
                    break
                sink.sendall(self._rewritten(data, is_reply))
        _close(source)
        _close(sink)
        self._open -= {source, sink}

    def _rewritten(self, data: bytes, is_reply: bool) -> bytes:
        original, replacement = self.rewrites
        return (
            data.replace(original, replacement)
            if is_reply and original
            else data.replace(replacement, original)
            if original
            else data
        )


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
