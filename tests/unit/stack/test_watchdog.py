"""The watchdog probes endpoints that fail in many ways, and stores its probes in a real file."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stack import watchdog
from tests.processes import free_port


@dataclass
class Product:
    """An HTTP server that answers as the test configures it, and accepts deliveries of probes."""

    url: str = ""
    status: int = 200
    body: str = "{}"
    content_type: str = "application/json"
    delivery_status: int = 200
    delivered: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@pytest.fixture
def product() -> Iterator[Product]:
    fake_product = Product()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(fake_product.status, fake_product.body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake_product.tokens.add(self.headers["Authorization"])
            if fake_product.delivery_status == 200:
                fake_product.delivered += body["probes"]
            self._answer(fake_product.delivery_status, "{}")

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", fake_product.content_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake_product.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield fake_product
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(product: Product, tmp_path: Path) -> watchdog.Settings:
    environ = {"WATCHDOG_FILE": str(tmp_path / "probes.sqlite"), "SERVICE_URL": product.url, "WATCHDOG_TOKEN": "t"}
    from_environ = watchdog.settings(environ | {"PUBLIC_BASE_URL": product.url, "WATCHDOG_INTERVAL_SECONDS": "1"})
    # The default, half of the interval, is too short on a busy machine.
    return replace(from_environ, timeout_seconds=10)


@pytest.fixture
def probe_store(settings: watchdog.Settings) -> Iterator[watchdog.ProbeStore]:
    with closing(watchdog.ProbeStore(settings.file)) as store:
        yield store


def test_parts_that_are_down_are_recorded_by_name(product: Product) -> None:
    assert watchdog.probe("service", product.url, 5).down is None

    product.status = 503
    product.body = json.dumps({"parts": {"database": "ok", "redis": "Redisに接続できません"}})

    assert watchdog.probe("service", product.url, 5).down == "redis: Redisに接続できません"


def test_any_other_answer_counts_as_down_with_its_status(product: Product) -> None:
    product.status, product.body = 502, "not json"
    assert watchdog.probe("service", product.url, 5).down == "状態 502"
    product.status, product.body, product.content_type = 503, "接続できません。しばらくお待ちください。", "text/plain"
    assert watchdog.probe("service", product.url, 5).down == "状態 503 接続できません"


def test_an_endpoint_that_refuses_or_does_not_answer_is_down() -> None:
    refused = watchdog.probe("service", f"http://127.0.0.1:{free_port()}", 5)
    assert refused.down == "接続できません（プログラムが動いていません）"
    unknown_host = watchdog.probe("service", "http://no-such-name.invalid/", 5)
    assert unknown_host.down == "接続できません（サーバーの名前が見つかりません）"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        timed_out = watchdog.probe("service", f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
    assert timed_out.down == "0.2秒以内に応答がありません"
    assert timed_out.latency_ms >= 200


def test_undelivered_probes_are_delivered_later_and_once(
    product: Product, settings: watchdog.Settings, probe_store: watchdog.ProbeStore
) -> None:
    product.delivery_status = 503
    rounds = watchdog.watch(settings, probe_store)
    next(rounds)
    next(rounds)
    assert product.delivered == []

    # Another process later, which has only the file.
    product.delivery_status = 200
    with closing(watchdog.ProbeStore(settings.file)) as reopened:
        next(watchdog.watch(settings, reopened))

    assert sorted(probe["target"] for probe in product.delivered) == ["dashboards"] * 3 + ["service"] * 3
    assert product.tokens == {"Bearer t"}
    assert watchdog.deliver(probe_store, settings) == ""
    assert len(product.delivered) == 6


def test_many_probes_are_delivered_in_batches(
    product: Product, settings: watchdog.Settings, probe_store: watchdog.ProbeStore
) -> None:
    timestamps = [f"2026-11-21T00:00:00.{number:06}+00:00" for number in range(watchdog.BATCH_SIZE + 1)]
    probe_store.keep([watchdog.Probe("service", timestamp, 1, None) for timestamp in timestamps], 30)

    assert watchdog.deliver(probe_store, settings) == ""

    assert [probe["at"] for probe in product.delivered] == timestamps


def test_a_refused_delivery_is_reported_and_the_probes_are_kept(
    product: Product, settings: watchdog.Settings, probe_store: watchdog.ProbeStore
) -> None:
    probe_store.keep([watchdog.Probe("service", "2026-11-21T00:00:00+00:00", 1, None)], 30)
    product.delivery_status = 401

    assert watchdog.deliver(probe_store, settings) == "the service answered 401"
    assert "cannot be reached" in watchdog.deliver(
        probe_store, replace(settings, deliver_to=f"http://127.0.0.1:{free_port()}/api/core/probes")
    )
    assert len(probe_store.waiting()) == 1


def test_delivered_probes_are_deleted_after_forty_days(
    product: Product, settings: watchdog.Settings, probe_store: watchdog.ProbeStore
) -> None:
    probe_store.keep([watchdog.Probe("service", "2026-11-21T00:00:00+00:00", 1, None)], 30)
    watchdog.deliver(probe_store, settings)
    with closing(sqlite3.connect(settings.file)) as file, file:
        file.execute("UPDATE probes SET delivered_at = '2020-01-01T00:00:00+00:00'")
    probe_store.keep([watchdog.Probe("service", "2026-11-21T00:00:30+00:00", 1, None)], 30)
    watchdog.deliver(probe_store, settings)

    with closing(sqlite3.connect(settings.file)) as file:
        assert file.execute("SELECT at FROM probes").fetchall() == [("2026-11-21T00:00:30+00:00",)]


def test_an_invalid_interval_is_refused_with_a_message() -> None:
    with pytest.raises(ValueError, match="WATCHDOG_INTERVAL_SECONDS"):
        watchdog.settings({"WATCHDOG_INTERVAL_SECONDS": "0"})


def test_the_round_after_a_change_comes_sooner(
    product: Product, settings: watchdog.Settings, probe_store: watchdog.ProbeStore
) -> None:
    rounds = watchdog.watch(settings, probe_store)
    assert [next(rounds), next(rounds)] == [False, False]
    product.status = 503
    assert [next(rounds), next(rounds), next(rounds)] == [True, False, False]
    product.status = 200
    assert [next(rounds), next(rounds), next(rounds)] == [True, False, False]


def test_slack_needs_a_token_and_defaults_to_the_channel_of_the_reservations() -> None:
    assert watchdog.slack({}) is None
    assert watchdog.slack({"SLACK_BOT_TOKEN": "t", "WATCHDOG_SLACK_CHANNEL": "off"}) is None
    slack = watchdog.slack({"SLACK_BOT_TOKEN": "t", "SLACK_BASE_URL": "http://slack.example/api/"})
    assert slack is not None
    assert (slack.base_url, slack.channel) == ("http://slack.example/api/", "#qrv-alerts")
    environ = {"SLACK_BOT_TOKEN": "t", "RESERVATIONS_SLACK_CHANNEL": "#alerts"}
    assert getattr(watchdog.slack(environ), "channel", None) == "#alerts"
    assert getattr(watchdog.slack(environ | {"WATCHDOG_SLACK_CHANNEL": "C0123456"}), "channel", None) == "C0123456"


def test_an_invalid_number_of_failures_is_refused_with_a_message() -> None:
    with pytest.raises(ValueError, match="WATCHDOG_DOWN_AFTER"):
        watchdog.settings({"WATCHDOG_DOWN_AFTER": "0"})
