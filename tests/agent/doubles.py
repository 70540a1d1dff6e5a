"""Fakes for the agent's tests: a service on loopback, and a serial line whose other end is the test."""

import json
import os
import select
import threading
import tty
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WAIT_SECONDS = 10.0
TOKEN = "secret-token-of-the-terminal"
CODE = "GOOD-CODE"
Headers = Mapping[str, str] | Message


@dataclass
class Reply:
    """What the service answers next; `status=None` drops the connection, `hold` waits for the test's end."""

    status: int | None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: bool = False
    # Only so many bytes of the body are sent, then the connection is closed.
    cut_after: int | None = None


def accepted(next_heartbeat_in: float = 300) -> Reply:
    return Reply(200, {"server_time": "2026-01-01T00:00:00Z", "next_heartbeat_in": next_heartbeat_in, "commands": []})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, {"type": "about:blank", "title": "x", "status": status, "detail": detail}, headers or {})


class _Server(ThreadingHTTPServer):
    # The default of 5 drops the connections of a storm, and each of them comes back a second later.
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Many tests close the connection on purpose."""


class FakeService:
    """Answers `replies` first (with `repeat_last` the last one again and again), then accepts everything."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.repeat_last = False
        self.heartbeats: list[dict[str, Any]] = []
        self.enrolments: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.addresses: list[str | None] = []
        self.connections = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def connected(self) -> None:
        with self._changed:
            self.connections += 1

    def reply(self, path: str, body: dict[str, Any], token: str | None) -> Reply:
        with self._changed:
            if path == "/api/fleet/enrolments":
                self.enrolments.append(body)
                if body["enrolment_code"] != CODE:
                    answer = problem(404, "登録コードが正しくありません。")
                else:
                    answer = Reply(201, {"terminal_id": len(self.enrolments), "token": TOKEN})
            else:
                self.heartbeats.append(body)
                self.tokens.append(token)
                answer = accepted()
            if self.replies and path == "/api/fleet/heartbeats":
                answer = self.replies[0] if self.repeat_last and len(self.replies) == 1 else self.replies.pop(0)
            self._changed.notify_all()
        if answer.hold:
            self._closed.wait(WAIT_SECONDS)
        return answer

    def put(self, path: str, content: bytes, headers: Headers) -> Reply:
        return problem(404, path)

    def get(self, path: str, headers: Headers) -> Reply:
        return problem(404, path)

    def wait_for_heartbeats(self, count: int) -> list[dict[str, Any]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heartbeats) >= count, WAIT_SECONDS)
            return list(self.heartbeats)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            service.connected()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.addresses.append(self.headers.get("X-Forwarded-For"))
            self.answer(service.reply(self.path, body, self.headers.get("Authorization")))

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(service.put(self.path, content, self.headers))

        def do_GET(self) -> None:
            self.answer(service.get(self.path, self.headers))

        def answer(self, reply: Reply) -> None:
            if reply.status is None:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: reply.cut_after])
            self.close_connection = reply.cut_after is not None

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class FakeSerialLine:
    """A serial line whose other end answers each request with the bytes that `answer` returns."""

    def __init__(self, folder: Path, answer: Callable[[bytes], bytes | None]) -> None:
        """`answer` gets the raw request; None pulls the cable."""
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = str(folder / "ttyPLAYED")
        os.symlink(os.ttyname(self._slave), self.port)
        self.requests: list[bytes] = []
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        pending = b""
        while True:
            ready, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in ready:
                break
            pending += os.read(self._master, 4096)
            while b"\n" in pending:
                raw, _, pending = pending.partition(b"\n")
                self.requests.append(raw + b"\n")
                answer = self._answer(raw + b"\n")
                if answer is None:
                    os.close(self._master)
                    os.close(self._slave)
                    return
                os.write(self._master, answer)
        os.close(self._master)
        os.close(self._slave)

    def close(self) -> None:
        os.write(self._waker, b"!")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)
