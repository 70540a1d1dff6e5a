"""Lines to vendors that crawl, break off or lead nowhere; senders that die on them."""

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
from tests.jobs.conftest import point
from tests.jobs.outbox_scene import history, make_due, only_message, publish
from tests.processes import free_port
from tests.restored import Restored
from tests.sandbox.process import BLAND_KEY, STRIPE_KEY, TOKEN, TWILIO_SID, TWILIO_TOKEN, Sandbox

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with each connection what the test says; its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(line,), daemon=True).start()

        def attend(line: socket.socket) -> None:
            with line:
                line.recv(65_536)
                try:
                    answer(line)
                except OSError:
                    return  # the client has gone

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def drop_by_drop(text: bytes) -> Callable[[socket.socket], None]:
    def answer(line: socket.socket) -> None:
        for number in range(len(text)):
            line.sendall(text[number : number + 1])
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize("text", [HEAD, HEAD[:17] + b"X-Long: " + b"x" * 10_000], ids=["body", "headers"])
def test_an_answer_in_drops_ends_in_time_and_leaves_it_in_doubt(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    point(monkeypatch, vendor_timeout_seconds=1)
    with listening(drop_by_drop(text + b"x" * 1000)) as url:
        begun = time.monotonic()

        with pytest.raises(OutcomeUnknown, match="1秒以内に終わりませんでした"):
            wire.VendorHttp("Twilio").request("POST", url)

        assert 0.9 < time.monotonic() - begun < 20


def test_a_silent_vendor_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    point(monkeypatch, vendor_timeout_seconds=1)
    with listening(lambda _: time.sleep(5)) as url:
        begun = time.monotonic()

        with pytest.raises(OutcomeUnknown):
            wire.VendorHttp("Twilio").request("POST", url)
        with pytest.raises(VendorFailure) as reading:
            wire.VendorHttp("Twilio").request("GET", url)

        assert time.monotonic() - begun < 9
        assert type(reading.value) is VendorFailure


@pytest.mark.parametrize("text", [b"", b"nonsense\r\n\r\n", HEAD + b"{"], ids=["nothing", "nonsense", "half"])
def test_a_line_that_breaks_off_leaves_it_in_doubt(text: bytes) -> None:
    with listening(lambda line: line.sendall(text)) as url, pytest.raises(OutcomeUnknown, match="途中で途切れました"):
        wire.VendorHttp("Twilio").request("POST", url)


def test_what_never_left_is_not_in_doubt() -> None:
    with pytest.raises(VendorFailure, match="接続できません") as nobody:
        wire.VendorHttp("Twilio").request("POST", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(VendorFailure, match="接続できません") as nowhere:
        wire.VendorHttp("Twilio").request("POST", "http://twilio.invalid/")

    assert [type(one.value) for one in (nobody, nowhere)] == [VendorFailure, VendorFailure]


def test_a_proxy_that_cannot_reach_the_vendor_leaves_nothing_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(lambda line: line.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")) as proxy:
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

    def late(line: socket.socket) -> None:
        time.sleep(0.8)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    def ask_ten_times(line: wire.VendorHttp, url: str) -> None:
        for _ in range(10):
            line.request("GET", url)

    with listening(late) as url:
        begun = time.monotonic()

        with pytest.raises(VendorFailure, match="Bland の応答"):
            ask_ten_times(wire.VendorHttp("Bland"), url)

        assert 0.9 < time.monotonic() - begun < 20


def test_asking_and_sending_together_end_before_the_lease_does() -> None:
    assert timedelta(seconds=2 * MOST_SECONDS) < queue.LEASE


def test_no_connection_is_kept_that_the_vendor_may_have_closed_meanwhile() -> None:
    lines: list[socket.socket] = []

    def answer(line: socket.socket) -> None:
        lines.append(line)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        line.recv(1)

    with listening(answer) as url:
        for _ in range(2):
            assert wire.VendorHttp("Bland").request("POST", url).text == "{}"

    assert len(lines) == 2


def test_stripes_sdk_stands_on_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own clients would wait for each drop."""
    with listening(drop_by_drop(HEAD + b"x" * 1000)) as url:
        point(monkeypatch, vendor_timeout_seconds=1, stripe_base_url=url, stripe_api_key=SecretStr("sk_test_for_tests"))
        begun = time.monotonic()

        with pytest.raises(VendorFailure, match="1秒以内に終わりませんでした"):
            payments.session("cs_test_1")

        assert time.monotonic() - begun < 20


# A sender that dies before the vendor hears of it, or as soon as the vendor has answered.
BEFORE = """from slack_sdk import WebClient
from jobs.vendors.wire import VendorHttp
VendorHttp.request = WebClient.api_call = die"""
AFTER = "from service.core.outbox import queue; queue.mark_sent = die"
DYING = """
import os, signal, sys
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
exec(sys.argv[1])
from jobs.outbox import send_topic
send_topic(sys.argv[2])
"""


def there(sandbox: Sandbox, what: str) -> list[dict[str, Any]]:
    found: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "sms": sandbox.sms,
        "call": sandbox.calls,
        "post": sandbox.posts,
        "checkout": sandbox.sessions,
        "refund": sandbox.refunds,
        "expire": lambda: [one for one in sandbox.sessions() if one["status"] == "expired"],
    }
    return found[what]()


EFFECTS = {"sms": "sms", "call": "voice", "post": "slack"} | dict.fromkeys(("checkout", "expire", "refund"), "payments")


def one_every_day() -> Iterator[Any]:
    """What follows from a death is the outbox's, whoever the vendor is; what is found there is in `test_vendors_*`."""
    for what in EFFECTS:
        yield pytest.param(what, BEFORE, "sent", marks=pytest.mark.deep, id=f"{what}-before")
        marks = [] if what == "refund" else [pytest.mark.deep]
        yield pytest.param(what, AFTER, "found", marks=marks, id=f"{what}-after")


@pytest.mark.parametrize(("what", "moment", "ends"), [*one_every_day()])
def test_a_sender_killed_before_or_after_the_vendor_did_it_leaves_exactly_one(
    committed: Restored, sandbox: Sandbox, what: str, moment: str, ends: str
) -> None:
    topic = EFFECTS[what]
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
        before = prepared(db, sandbox, what)

        died = subprocess.run([sys.executable, "-c", DYING, moment, topic], cwd=ROOT, env=environ, timeout=60)

        assert died.returncode == -signal.SIGKILL
        assert len(there(sandbox, what)) == (0 if moment == BEFORE else 1)
        assert queue.claim(db, topic) is None
        db.commit()
        make_due(db)  # as after the lease
        outbox_jobs.send_topic(topic)
        assert history(db) == [*before, "lost", ends]
        assert len(there(sandbox, what)) == 1


def prepared(db: Session, sandbox: Sandbox, what: str) -> list[str | None]:
    """The message to be sent, and how those ended that it needs."""
    if what not in ("expire", "refund"):
        publish(db, EFFECTS[what])
        return []
    publish(db, "payments")
    outbox_jobs.send_topic("payments")
    page = str(only_message(db).external_id)
    if what == "expire":
        publish(db, "payments", payload={"do": "expire", "session_id": page})
    else:
        intent = sandbox.pay(page)["session"]["payment_intent"]
        refund = {"do": "refund", "payment_intent": intent, "amount": 5500, "reference": "QRV-000001"}
        publish(db, "payments", payload=refund)
    return ["sent"]
