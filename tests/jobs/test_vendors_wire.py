"""Connections to vendors that are slow, break off or lead nowhere, and senders that die on them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import MOST_SECONDS, OutcomeUnknown, VendorFailure, payments, wire
from service.core.outbox import queue
from stack.home import ROOT
from tests.jobs.conftest import configure_clients
from tests.jobs.outbox_scene import history, make_due, only_message, publish
from tests.processes import free_port
from tests.restored import RestoredDatabase
from tests.sandbox.process import BLAND_KEY, STRIPE_KEY, TOKEN, TWILIO_SID, TWILIO_TOKEN, Sandbox

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def running_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats each connection with `answer`. Yields its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with connection:
                connection.recv(65_536)
                try:
                    answer(connection)
                except OSError:
                    return  # the client has disconnected

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def byte_by_byte(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for number in range(len(text)):
            connection.sendall(text[number : number + 1])
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize("text", [HEAD, HEAD[:17] + b"X-Long: " + b"x" * 10_000], ids=["body", "headers"])
def test_an_answer_byte_by_byte_times_out_and_leaves_it_in_doubt(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    configure_clients(monkeypatch, vendor_timeout_seconds=1)
    with running_server(byte_by_byte(text + b"x" * 1000)) as url:
        started_at = time.monotonic()

        with pytest.raises(OutcomeUnknown, match="1秒以内に終わりませんでした"):
            wire.VendorHttp("Twilio").request("POST", url)

        assert 0.9 < time.monotonic() - started_at < 20


def test_a_silent_vendor_runs_into_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_clients(monkeypatch, vendor_timeout_seconds=1)
    with running_server(lambda _: time.sleep(5)) as url:
        started_at = time.monotonic()

        with pytest.raises(OutcomeUnknown):
            wire.VendorHttp("Twilio").request("POST", url)
        with pytest.raises(VendorFailure) as reading:
            wire.VendorHttp("Twilio").request("GET", url)

        assert time.monotonic() - started_at < 9
        assert type(reading.value) is VendorFailure


@pytest.mark.parametrize("text", [b"", b"nonsense\r\n\r\n", HEAD + b"{"], ids=["nothing", "nonsense", "half"])
def test_a_connection_that_breaks_off_leaves_it_in_doubt(text: bytes) -> None:
    with (
        running_server(lambda connection: connection.sendall(text)) as url,
        pytest.raises(OutcomeUnknown, match="途中で途切れました"),
    ):
        wire.VendorHttp("Twilio").request("POST", url)


def test_a_request_that_was_never_sent_is_not_in_doubt() -> None:
    with pytest.raises(VendorFailure, match="接続できません") as refused:
        wire.VendorHttp("Twilio").request("POST", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(VendorFailure, match="接続できません") as unresolved:
        wire.VendorHttp("Twilio").request("POST", "http://twilio.invalid/")

    assert [type(error.value) for error in (refused, unresolved)] == [VendorFailure, VendorFailure]


def test_a_proxy_that_cannot_reach_the_vendor_leaves_nothing_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server(lambda connection: connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        wire._client.cache_clear()
        try:
            with pytest.raises(VendorFailure, match="接続できません") as refused:
                wire.VendorHttp("Twilio").request("POST", "https://twilio.invalid/")
        finally:
            wire._client.cache_clear()

    assert type(refused.value) is VendorFailure


def test_all_requests_of_a_try_together_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_SECONDS", 2)

    def answer_late(connection: socket.socket) -> None:
        time.sleep(0.8)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    def ask_ten_times(http: wire.VendorHttp, url: str) -> None:
        for _ in range(10):
            http.request("GET", url)

    with running_server(answer_late) as url:
        started_at = time.monotonic()

        with pytest.raises(VendorFailure, match="Bland の応答"):
            ask_ten_times(wire.VendorHttp("Bland"), url)

        assert 0.9 < time.monotonic() - started_at < 20


def test_asking_and_sending_together_end_before_the_lease_does() -> None:
    assert timedelta(seconds=2 * MOST_SECONDS) < queue.LEASE


def test_no_connection_is_reused_that_the_vendor_may_have_closed_meanwhile() -> None:
    connections: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        connections.append(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.recv(1)

    with running_server(answer) as url:
        for _ in range(2):
            assert wire.VendorHttp("Bland").request("POST", url).text == "{}"

    assert len(connections) == 2


def test_stripes_sdk_uses_the_same_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe's own clients would wait again after each byte."""
    with running_server(byte_by_byte(HEAD + b"x" * 1000)) as url:
        configure_clients(
            monkeypatch, vendor_timeout_seconds=1, stripe_base_url=url, stripe_api_key=SecretStr("sk_test_for_tests")
        )
        started_at = time.monotonic()

        with pytest.raises(VendorFailure, match="1秒以内に終わりませんでした"):
            payments.session("cs_test_1")

        assert time.monotonic() - started_at < 20


# A sender that dies before its request reaches the vendor, or as soon as the vendor has answered.
BEFORE = """from slack_sdk import WebClient
from jobs.vendors.wire import VendorHttp
VendorHttp.request = WebClient.api_call = die"""
AFTER = "from service.core.outbox import queue; queue.mark_sent = die"
DYING_SENDER = """
import os, signal, sys
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
exec(sys.argv[1])
from jobs.outbox import send_topic
send_topic(sys.argv[2])
"""


def vendor_objects(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    listings: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "sms": sandbox.sms,
        "call": sandbox.calls,
        "post": sandbox.posts,
        "checkout": sandbox.sessions,
        "refund": sandbox.refunds,
        "expire": lambda: [session for session in sandbox.sessions() if session["status"] == "expired"],
    }
    return listings[kind]()


TOPICS = {"sms": "sms", "call": "voice", "post": "slack"} | dict.fromkeys(("checkout", "expire", "refund"), "payments")


def death_params() -> Iterator[Any]:
    """What follows from a death is the same for every vendor, so only one runs every day. `test_vendors_*` check
    what is found at each vendor."""
    for kind in TOPICS:
        yield pytest.param(kind, BEFORE, "sent", marks=pytest.mark.deep, id=f"{kind}-before")
        marks = [] if kind == "refund" else [pytest.mark.deep]
        yield pytest.param(kind, AFTER, "found", marks=marks, id=f"{kind}-after")


@pytest.mark.parametrize(("kind", "code", "outcome"), [*death_params()])
def test_a_sender_killed_before_or_after_the_vendor_did_it_leaves_exactly_one(
    committed: RestoredDatabase, sandbox: Sandbox, kind: str, code: str, outcome: str
) -> None:
    topic = TOPICS[kind]
    environ = os.environ | {
        "DATABASE_URL": committed.url,
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
        "TWILIO_BASE_URL": sandbox.url,
        "TWILIO_ACCOUNT_SID": TWILIO_SID,
        "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "TWILIO_FROM": "+815000000000",
        "BLAND_BASE_URL": sandbox.url,
        "BLAND_API_KEY": BLAND_KEY,
        "STRIPE_BASE_URL": sandbox.url,
        "STRIPE_API_KEY": STRIPE_KEY,
    }
    with committed.session() as db:
        before = prepare_message(db, sandbox, kind)

        died = subprocess.run([sys.executable, "-c", DYING_SENDER, code, topic], cwd=ROOT, env=environ, timeout=60)

        assert died.returncode == -signal.SIGKILL
        assert len(vendor_objects(sandbox, kind)) == (0 if code == BEFORE else 1)
        assert queue.claim(db, topic) is None
        db.commit()
        make_due(db)  # as after the lease
        outbox_jobs.send_topic(topic)
        assert history(db) == [*before, "lost", outcome]
        assert len(vendor_objects(sandbox, kind)) == 1


def prepare_message(db: Session, sandbox: Sandbox, kind: str) -> list[str | None]:
    """Publishes the message after those that it needs, and returns the outcomes of those."""
    if kind not in ("expire", "refund"):
        publish(db, TOPICS[kind])
        return []
    publish(db, "payments")
    outbox_jobs.send_topic("payments")
    page = str(only_message(db).external_id)
    if kind == "expire":
        publish(db, "payments", payload={"do": "expire", "session_id": page})
    else:
        intent = sandbox.pay(page)["session"]["payment_intent"]
        refund = {"do": "refund", "payment_intent": intent, "amount": 5500, "reference": "QRV-000001"}
        publish(db, "payments", payload=refund)
    return ["sent"]
