"""A server that receives the vendors' webhooks in Genba's place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class WebhookReceiver(ThreadingHTTPServer):
    """Responds with the statuses in `statuses`, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WebhookRequestHandler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def clear(self) -> None:
        self.received.clear()
        self.paths.clear()
        self.statuses.clear()

    def texts(self) -> list[str]:
        """The texts of Slack's events."""
        return [json.loads(body)["event"]["text"] for _, body in self.received]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]

    def forms(self) -> list[dict[str, str]]:
        return [
            {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
            for _, body in self.received
        ]


class WebhookRequestHandler(BaseHTTPRequestHandler):
    server: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers.items()), body))
        self.server.paths.append(self.path)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running_receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        thread.join(5)
        receiver.server_close()
