"""Collect, spool, send: the agent's loop against a real HTTP server."""

import logging
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import __version__
from agent import loop as loop_module
from agent.backoff import Backoff
from agent.config import Settings
from agent.context import Context
from agent.loop import Loop
from agent.send import Service
from agent.simulator.tc200 import SimulatedTerminal
from agent.spool import Spool
from agent.state import Credentials
from tests.agent.doubles import PATIENCE_SECONDS, TOKEN, Reply, SmallService, accepted, problem

SERIAL = "TC200-000123"


class Watched(Spool):
    """The spool, telling the test when its content changes."""

    changed: threading.Condition

    def put(self, body: object) -> tuple[int, int]:
        with self.changed:
            result = super().put(body)  # type: ignore[arg-type]
            self.changed.notify_all()
        return result

    def acknowledged(self, sequence: int) -> None:
        with self.changed:
            super().acknowledged(sequence)
            self.changed.notify_all()

    def wait_until(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, PATIENCE_SECONDS)


class Rig:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.spool = Watched(settings.state_dir / "spool.db", settings.spool_limit)
        self.spool.changed = threading.Condition()
        self.stop = threading.Event()
        self._service = Service(settings.service_url, settings.http_timeout_seconds)
        self._thread: threading.Thread | None = None

    def loop(self) -> Loop:
        context = Context(self.settings, Credentials(1, SERIAL, TOKEN), self.spool, self.stop)
        return Loop(context, self._service, random.Random(1))

    def run(self) -> None:
        self._thread = threading.Thread(target=self.loop().run)
        self._thread.start()

    def end(self) -> None:
        self.stop.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self.end()
        self._service.close()
        self.spool.close()


@pytest.fixture
def rig(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    """Rigs with short pauses; the pauses' real lengths are asserted where they matter."""
    monkeypatch.setattr(loop_module, "DRAIN_PAUSE_SECONDS", (0.0, 0.01))
    monkeypatch.setattr("agent.collectors.cpu.usage", lambda: 12.5)
    rigs: list[Rig] = []

    def make(**changes: object) -> Rig:
        rigs.append(Rig(replace(settings, **changes)))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for made in rigs:
        made.close()


def test_the_first_heartbeat_goes_out_at_once_and_says_everything(
    rig: Callable[..., Rig], service: SmallService, tc200: SimulatedTerminal
) -> None:
    made = rig()
    made.run()
    (body,) = service.wait_for_heartbeats(1)
    assert body.pop("sent_at").endswith("+00:00")
    assert body.pop("agent_time").endswith("+00:00")
    assert body == {
        "cpu_usage": 12.5,
        "memory_usage": body["memory_usage"],
        "disk_usage": body["disk_usage"],
        "firmware_version": "2.3.4",
        "agent_version": __version__,
        "terminal_connected": True,
        "terminal_serial": SERIAL,
        "error": None,
        "event": "started",
        "stream_id": made.spool.stream_id,
        "sequence": 1,
    }
    assert service.tokens == [f"Bearer {TOKEN}"]


def test_a_heartbeat_leaves_the_spool_only_after_a_2xx(
    rig: Callable[..., Rig], service: SmallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "Backoff", lambda rng: Backoff(rng, base=0.01))
    made = rig()
    service.replies = [Reply(None), problem(500, "x"), Reply(200, b"<html>"), problem(404, "x"), accepted()]
    made.run()
    sent = service.wait_for_heartbeats(5)
    made.spool.wait_until(lambda: made.spool.count() == 0)
    assert [body["sequence"] for body in sent] == [1] * 5
    stamps = [body.pop("agent_time") for body in sent]
    assert stamps == sorted(set(stamps))
    assert all(body == sent[0] for body in sent)


def test_readings_go_on_while_the_service_is_away_and_drain_in_order(
    rig: Callable[..., Rig], service: SmallService
) -> None:
    made = rig(heartbeat_seconds=0.02)
    service.stuck = True
    service.replies = [problem(503, "停止中")]
    made.run()
    made.spool.wait_until(lambda: made.spool.count() >= 5)
    made.end()
    service.replies.clear()
    first = len(service.heartbeats)
    made.stop.clear()
    made.settings = replace(made.settings, heartbeat_seconds=300)
    made.run()
    made.spool.wait_until(lambda: made.spool.count() == 0)
    drained = [body["sequence"] for body in service.heartbeats[first:]]
    assert drained == list(range(1, len(drained) + 1))
    assert len(drained) >= 6


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_row_that_can_never_succeed_is_moved_aside_and_the_next_one_goes(
    rig: Callable[..., Rig], service: SmallService, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig()
    made.spool.put({"old": 1})
    service.replies = [problem(status, "値が範囲外です。")]
    assert made.loop().once() is None
    assert [body["sequence"] for body in service.heartbeats] == [1, 2]
    assert made.spool.rejected() == [(1, f"値が範囲外です。（HTTP {status}）")]
    assert "除外しました" in caplog.text


def test_a_refused_token_stops_sending_for_ten_minutes_but_not_the_readings(
    rig: Callable[..., Rig], service: SmallService, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig(heartbeat_seconds=0.02)
    service.stuck = True
    service.replies = [problem(401, "トークンが取り消されました。")]
    made.run()
    made.spool.wait_until(lambda: made.spool.count() >= 6)
    made.end()
    assert len(service.heartbeats) == 1
    assert loop_module.UNAUTHORISED_PAUSE_SECONDS[0] >= 600
    assert "enrol で登録し直して" in caplog.text
    assert TOKEN not in caplog.text


def test_retry_after_is_waited_out_in_full_and_jittered_on_top(
    rig: Callable[..., Rig], service: SmallService, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig()
    loop = made.loop()
    loop._read_and_spool()
    waiting = made.spool.oldest()
    assert waiting is not None
    service.stuck = True
    for status in (429, 503):
        service.replies = [problem(status, "混雑しています。", {"Retry-After": "120"})]
        pauses = [loop._send(waiting) for _ in range(5)]
        assert all(120 <= pause <= 120 + 2**10 for pause in pauses)
        assert len(set(pauses)) == 5
    assert made.spool.count() == 1
    assert "混雑しています。" in caplog.text


def test_the_service_sets_the_interval(
    rig: Callable[..., Rig], service: SmallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "MIN_INTERVAL_SECONDS", 0.01)
    made = rig()
    service.stuck = True
    service.replies = [accepted(0.02)]
    made.run()
    sent = service.wait_for_heartbeats(4)
    assert [body["sequence"] for body in sent[:4]] == [1, 2, 3, 4]


@pytest.mark.parametrize(("said", "kept"), [(0, 5), (-3, 5), (7, 7), (1e9, 3600)])
def test_an_interval_out_of_range_is_clamped(
    rig: Callable[..., Rig], service: SmallService, caplog: pytest.LogCaptureFixture, said: float, kept: int
) -> None:
    caplog.set_level(logging.INFO, "agent")
    service.replies = [accepted(said)]
    assert rig().loop().once() is None
    assert f"間隔 {kept} 秒" in caplog.text


def test_a_backlogs_answers_do_not_put_off_the_next_reading(rig: Callable[..., Rig], service: SmallService) -> None:
    made = rig()
    for _ in range(3):
        made.spool.put({"old": 1})
    loop = made.loop()
    loop._next_reading = 1.0
    loop._newest = 3
    for sequence in (1, 2):
        waiting = made.spool.oldest()
        assert waiting is not None
        assert waiting.sequence == sequence
        loop._send(waiting)
        assert loop._next_reading == 1.0
    waiting = made.spool.oldest()
    assert waiting is not None
    loop._send(waiting)
    assert loop._next_reading > 1.0


def test_a_full_spool_drops_the_oldest_loudly(
    rig: Callable[..., Rig], service: SmallService, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig(spool_limit=2)
    service.stuck = True
    service.replies = [problem(500, "x")]
    loop = made.loop()
    for _ in range(3):
        assert loop.once()
    assert made.spool.count() == 2
    assert "古いものから 1 件を破棄しました" in caplog.text


def test_a_full_disk_costs_the_reading_and_not_the_agent(
    rig: Callable[..., Rig], service: SmallService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig()

    def full(_: object) -> tuple[int, int]:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(made.spool, "put", full)
        assert made.loop().once() == "スプールに保存できません"
    assert "空き容量を確認" in caplog.text
    assert made.loop().once() is None


def test_a_spool_that_cannot_forget_a_sent_heartbeat_sends_it_again_later(
    rig: Callable[..., Rig], service: SmallService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = rig()
    loop = made.loop()
    loop._read_and_spool()
    waiting = made.spool.oldest()
    assert waiting is not None

    def full(_: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(made.spool, "acknowledged", full)
        assert loop._send(waiting) >= 0
    assert "スプールを更新できません" in caplog.text
    loop._send(waiting)
    assert [body["sequence"] for body in service.heartbeats] == [1, 1]
    assert made.spool.count() == 0


def test_the_last_known_firmware_version_stands_in_for_an_unplugged_terminal(
    rig: Callable[..., Rig], service: SmallService, tmp_path: Path
) -> None:
    made = rig()
    assert made.loop().once() is None
    terminal = SimulatedTerminal(tmp_path / "tc200", SERIAL, "2.3.4")
    thread = threading.Thread(target=terminal.serve)
    thread.start()
    assert made.loop().once() is None
    terminal.stop()
    thread.join()
    assert made.loop().once() is None
    assert [(body["firmware_version"], body["terminal_connected"]) for body in service.heartbeats] == [
        ("unknown", False),
        ("2.3.4", True),
        ("2.3.4", False),
    ]


def test_the_start_is_spread_and_a_stop_in_the_meantime_is_immediate(
    rig: Callable[..., Rig], service: SmallService
) -> None:
    made = rig(start_spread_seconds=300)
    made.run()
    made.end()
    assert service.heartbeats == []
    assert made.spool.count() == 0


def test_after_an_outage_a_backlog_leaves_at_about_two_a_second() -> None:
    low, high = loop_module.DRAIN_PAUSE_SECONDS
    assert 0.2 <= low < high <= 1
