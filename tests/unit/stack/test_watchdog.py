"""The watchdog in front of doors that fail in every way, with its memory in a real file."""

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
    """A door that answers what the test wants, and takes deliveries."""

    url: str = ""
    status: int = 200
    body: str = "{}"
    content_type: str = "application/json"
    delivery_status: int = 200
    delivered: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@pytest.fixture
def product() -> Iterator[Product]:
    made = Product()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(made.status, made.body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.tokens.add(self.headers["Authorization"])
            if made.delivery_status == 200:
                made.delivered += body["probes"]
            self._answer(made.delivery_status, "{}")

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", made.content_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mine(product: Product, tmp_path: Path) -> watchdog.Settings:
    given = {"WATCHDOG_FILE": str(tmp_path / "probes.sqlite"), "SERVICE_URL": product.url, "WATCHDOG_TOKEN": "t"}
    read = watchdog.settings(given | {"PUBLIC_BASE_URL": product.url, "WATCHDOG_INTERVAL_SECONDS": "1"})
    # Half of the interval is little on a machine that is busy.
    return replace(read, timeout_seconds=10)


@pytest.fixture
def memory(mine: watchdog.Settings) -> Iterator[watchdog.ProbeStore]:
    with closing(watchdog.ProbeStore(mine.file)) as opened:
        yield opened


def test_the_parts_that_are_down_are_written_down_by_name(product: Product) -> None:
    assert watchdog.probe("service", product.url, 5).down is None

    product.status = 503
    product.body = json.dumps({"parts": {"database": "ok", "redis": "Redisに接続できません"}})

    assert watchdog.probe("service", product.url, 5).down == "redis: Redisに接続できません"


def test_any_other_answer_is_down_with_its_status(product: Product) -> None:
    product.status, product.body = 502, "not json"
    assert watchdog.probe("service", product.url, 5).down == "状態 502"
    product.status, product.body, product.content_type = 503, "接続できません。しばらくお待ちください。", "text/plain"
    assert watchdog.probe("service", product.url, 5).down == "状態 503 接続できません"


def test_a_door_that_is_not_there_or_keeps_silent_is_down() -> None:
    refused = watchdog.probe("service", f"http://127.0.0.1:{free_port()}", 5)
    assert refused.down == "接続できません（プログラムが動いていません）"
    nowhere = watchdog.probe("service", "http://no-such-name.invalid/", 5)
    assert nowhere.down == "接続できません（サーバーの名前が見つかりません）"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = watchdog.probe("service", f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
    assert seen.down == "0.2秒以内に応答がありません"
    assert seen.latency_ms >= 200


def test_what_was_seen_while_nobody_took_it_is_delivered_later_and_once(
    product: Product, mine: watchdog.Settings, memory: watchdog.ProbeStore
) -> None:
    product.delivery_status = 503
    rounds = watchdog.watch(mine, memory)
    next(rounds)
    next(rounds)
    assert product.delivered == []

    # Another process later: the file is all that is left.
    product.delivery_status = 200
    with closing(watchdog.ProbeStore(mine.file)) as later:
        next(watchdog.watch(mine, later))

    assert sorted(seen["target"] for seen in product.delivered) == ["dashboards"] * 3 + ["service"] * 3
    assert product.tokens == {"Bearer t"}
    assert watchdog.deliver(memory, mine) == ""
    assert len(product.delivered) == 6


def test_more_than_fits_into_one_delivery_leaves_in_several(
    product: Product, mine: watchdog.Settings, memory: watchdog.ProbeStore
) -> None:
    moments = [f"2026-11-21T00:00:00.{number:06}+00:00" for number in range(watchdog.BATCH_SIZE + 1)]
    memory.keep([watchdog.Probe("service", moment, 1, None) for moment in moments], 30)

    assert watchdog.deliver(memory, mine) == ""

    assert [seen["at"] for seen in product.delivered] == moments


def test_a_refused_delivery_is_said_and_kept(
    product: Product, mine: watchdog.Settings, memory: watchdog.ProbeStore
) -> None:
    memory.keep([watchdog.Probe("service", "2026-11-21T00:00:00+00:00", 1, None)], 30)
    product.delivery_status = 401

    assert watchdog.deliver(memory, mine) == "the service answered 401"
    assert "cannot be reached" in watchdog.deliver(
        memory, replace(mine, deliver_to=f"http://127.0.0.1:{free_port()}/api/core/probes")
    )
    assert len(memory.waiting()) == 1


def test_delivered_probes_leave_the_file_after_forty_days(
    product: Product, mine: watchdog.Settings, memory: watchdog.ProbeStore
) -> None:
    memory.keep([watchdog.Probe("service", "2026-11-21T00:00:00+00:00", 1, None)], 30)
    watchdog.deliver(memory, mine)
    with closing(sqlite3.connect(mine.file)) as file, file:
        file.execute("UPDATE probes SET delivered_at = '2020-01-01T00:00:00+00:00'")
    memory.keep([watchdog.Probe("service", "2026-11-21T00:00:30+00:00", 1, None)], 30)
    watchdog.deliver(memory, mine)

    with closing(sqlite3.connect(mine.file)) as file:
        assert file.execute("SELECT at FROM probes").fetchall() == [("2026-11-21T00:00:30+00:00",)]


def test_an_interval_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="WATCHDOG_INTERVAL_SECONDS"):
        watchdog.settings({"WATCHDOG_INTERVAL_SECONDS": "0"})


def test_the_round_that_decides_comes_sooner(
    product: Product, mine: watchdog.Settings, memory: watchdog.ProbeStore
) -> None:
    rounds = watchdog.watch(mine, memory)
    assert [next(rounds), next(rounds)] == [False, False]
    product.status = 503
    assert [next(rounds), next(rounds), next(rounds)] == [True, False, False]
    product.status = 200
    assert [next(rounds), next(rounds), next(rounds)] == [True, False, False]


def test_slack_is_told_with_a_token_and_in_the_channel_of_the_reservations() -> None:
    assert watchdog.slack({}) is None
    assert watchdog.slack({"SLACK_BOT_TOKEN": "t", "WATCHDOG_SLACK_CHANNEL": "off"}) is None
    told = watchdog.slack({"SLACK_BOT_TOKEN": "t", "SLACK_BASE_URL": "http://slack.example/api/"})
    assert told is not None
    assert (told.base_url, told.channel) == ("http://slack.example/api/", "#qrv-alerts")
    given = {"SLACK_BOT_TOKEN": "t", "RESERVATIONS_SLACK_CHANNEL": "#alerts"}
    assert getattr(watchdog.slack(given), "channel", None) == "#alerts"
    assert getattr(watchdog.slack(given | {"WATCHDOG_SLACK_CHANNEL": "C0123456"}), "channel", None) == "C0123456"


def test_a_number_of_failures_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="WATCHDOG_DOWN_AFTER"):
        watchdog.settings({"WATCHDOG_DOWN_AFTER": "0"})
