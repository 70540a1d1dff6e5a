"""What the sandbox sends to us, by the example of Slack's events: signed, repeated, and hit by the same switches."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from slack_sdk.signature import SignatureVerifier

from tests.sandbox.process import SIGNING_SECRET, Sandbox, running_sandbox
from tests.sandbox.test_doors import post


class Ear(ThreadingHTTPServer):
    """Listens for events; answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hearing)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    def texts(self) -> list[str]:
        return [json.loads(body)["event"]["text"] for _, body in self.heard]


class Hearing(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers.items()), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[Ear, Sandbox]]:
    ear = Ear()
    thread = threading.Thread(target=ear.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with running_sandbox(events_url=f"http://127.0.0.1:{ear.server_port}/") as sandbox:
        yield ear, sandbox
    ear.shutdown()
    thread.join(5)
    ear.server_close()


@pytest.fixture
def ear(listening: tuple[Ear, Sandbox]) -> Ear:
    listening[0].heard.clear()
    return listening[0]


@pytest.fixture
def sandbox(listening: tuple[Ear, Sandbox]) -> Sandbox:
    listening[1].reset()
    return listening[1]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_an_event_is_signed_as_slack_signs(ear: Ear, sandbox: Sandbox) -> None:
    post(sandbox, "こんにちは")
    wait_for(lambda: ear.heard)

    [(headers, body)] = ear.heard
    assert SignatureVerifier(SIGNING_SECRET).is_valid_request(body, headers)
    assert not SignatureVerifier("another").is_valid_request(body, headers)
    assert json.loads(body)["event"]["text"] == "こんにちは"


def test_an_event_that_was_not_taken_comes_again(ear: Ear, sandbox: Sandbox) -> None:
    ear.statuses.append(503)

    post(sandbox, "もう一度")
    wait_for(lambda: len(ear.heard) == 2)

    wait_for(lambda: [entry["answer"] for entry in sandbox.truth("slack", "events")] == ["503", "200"])


def test_switches_withhold_repeat_and_reorder_events(ear: Ear, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "drop", door="events", count=1)
    post(sandbox, "届かない")
    wait_for(lambda: sandbox.faults() == [])
    sandbox.fault("slack", "duplicate", door="events", count=1)
    post(sandbox, "二重")
    wait_for(lambda: len(ear.heard) == 2)
    sandbox.fault("slack", "reorder", door="events", count=2)
    post(sandbox, "先")
    post(sandbox, "後")
    wait_for(lambda: len(ear.heard) == 4)

    assert ear.texts() == ["二重", "二重", "後", "先"]
