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
from tests.agent.doubles import TOKEN, WAIT_SECONDS, FakeService, Reply, accepted, problem

SERIAL = "TC200-000123"


class NotifyingSpool(Spool):
    """A spool that notifies the test when its content changes."""

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

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_SECONDS)


class Rig:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.spool = NotifyingSpool(settings.state_dir / "spool.db", settings.spool_limit)
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
def make_rig(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    """Rigs with short pauses; the pauses' real lengths are asserted where they matter."""
    monkeypatch.setattr(loop_module, "DRAIN_PAUSE_SECONDS", (0.0, 0.01))
    monkeypatch.setattr("agent.collectors.cpu.usage", lambda: 12.5)
    rigs: list[Rig] = []

    def make(**changes: object) -> Rig:
        rigs.append(Rig(replace(settings, **changes)))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_the_first_heartbeat_goes_out_at_once_and_says_everything(
    make_rig: Callable[..., Rig], service: FakeService, tc200: SimulatedTerminal
) -> None:
    rig = make_rig()
    rig.run()
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
        "stream_id": rig.spool.stream_id,
        "sequence": 1,
    }
    assert service.tokens == [f"Bearer {TOKEN}"]


def test_a_heartbeat_leaves_the_spool_only_after_a_2xx(
    make_rig: Callable[..., Rig], service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "Backoff", lambda rng: Backoff(rng, base=0.01))
    rig = make_rig()
    service.replies = [Reply(None), problem(500, "x"), Reply(200, b"<html>"), problem(404, "x"), accepted()]
    rig.run()
    sent = service.wait_for_heartbeats(5)
    rig.spool.wait_until(lambda: rig.spool.count() == 0)
    assert [body["sequence"] for body in sent] == [1] * 5
    stamps = [body.pop("agent_time") for body in sent]
    assert stamps == sorted(set(stamps))
    assert all(body == sent[0] for body in sent)


def test_readings_go_on_while_the_service_is_away_and_drain_in_order(
    make_rig: Callable[..., Rig], service: FakeService
) -> None:
    rig = make_rig(heartbeat_seconds=0.02)
    service.repeat_last = True
    service.replies = [problem(503, "停止中")]
    rig.run()
    rig.spool.wait_until(lambda: rig.spool.count() >= 5)
    rig.end()
    service.replies.clear()
    first = len(service.heartbeats)
    rig.stop.clear()
    rig.settings = replace(rig.settings, heartbeat_seconds=300)
    rig.run()
    rig.spool.wait_until(lambda: rig.spool.count() == 0)
    drained = [body["sequence"] for body in service.heartbeats[first:]]
    assert drained == list(range(1, len(drained) + 1))
    assert len(drained) >= 6


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_row_that_can_never_succeed_is_moved_aside_and_the_next_one_goes(
    make_rig: Callable[..., Rig], service: FakeService, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig()
    rig.spool.put({"old": 1})
    service.replies = [problem(status, "値が範囲外です。")]
    assert rig.loop().once() is None
    assert [body["sequence"] for body in service.heartbeats] == [1, 2]
    assert rig.spool.rejected() == [(1, f"値が範囲外です。（HTTP {status}）")]
    assert "除外しました" in caplog.text


def test_a_refused_token_stops_sending_for_ten_minutes_but_not_the_readings(
    make_rig: Callable[..., Rig], service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(heartbeat_seconds=0.02)
    service.repeat_last = True
    service.replies = [problem(401, "トークンが取り消されました。")]
    rig.run()
    rig.spool.wait_until(lambda: rig.spool.count() >= 6)
    rig.end()
    assert len(service.heartbeats) == 1
    assert loop_module.UNAUTHORISED_PAUSE_SECONDS[0] >= 600
    assert "enrol で登録し直して" in caplog.text
    assert TOKEN not in caplog.text


def test_retry_after_is_waited_out_in_full_and_jittered_on_top(
    make_rig: Callable[..., Rig], service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig()
    loop = rig.loop()
    loop._read_and_spool()
    waiting = rig.spool.oldest()
    assert waiting is not None
    service.repeat_last = True
    for status in (429, 503):
        service.replies = [problem(status, "混雑しています。", {"Retry-After": "120"})]
        pauses = [loop._send(waiting) for _ in range(5)]
        assert all(120 <= pause <= 120 + 2**10 for pause in pauses)
        assert len(set(pauses)) == 5
    assert rig.spool.count() == 1
    assert "混雑しています。" in caplog.text


def test_the_service_sets_the_interval(
    make_rig: Callable[..., Rig], service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "MIN_INTERVAL_SECONDS", 0.01)
    rig = make_rig()
    service.repeat_last = True
    service.replies = [accepted(0.02)]
    rig.run()
    sent = service.wait_for_heartbeats(4)
    assert [body["sequence"] for body in sent[:4]] == [1, 2, 3, 4]


@pytest.mark.parametrize(("requested", "clamped"), [(0, 5), (-3, 5), (7, 7), (1e9, 3600)])
def test_an_interval_out_of_range_is_clamped(
    make_rig: Callable[..., Rig],
    service: FakeService,
    caplog: pytest.LogCaptureFixture,
    requested: float,
    clamped: int,
) -> None:
    caplog.set_level(logging.INFO, "agent")
    service.replies = [accepted(requested)]
    assert make_rig().loop().once() is None
    assert f"間隔 {clamped} 秒" in caplog.text


def test_a_backlogs_answers_do_not_put_off_the_next_reading(make_rig: Callable[..., Rig], service: FakeService) -> None:
    rig = make_rig()
    for _ in range(3):
        rig.spool.put({"old": 1})
    loop = rig.loop()
    loop._next_reading = 1.0
    loop._newest = 3
    for sequence in (1, 2):
        waiting = rig.spool.oldest()
        assert waiting is not None
        assert waiting.sequence == sequence
        loop._send(waiting)
        assert loop._next_reading == 1.0
    waiting = rig.spool.oldest()
    assert waiting is not None
    loop._send(waiting)
    assert loop._next_reading > 1.0


def test_a_full_spool_drops_the_oldest_loudly(
    make_rig: Callable[..., Rig], service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(spool_limit=2)
    service.repeat_last = True
    service.replies = [problem(500, "x")]
    loop = rig.loop()
    for _ in range(3):
        assert loop.once()
    assert rig.spool.count() == 2
    assert "古いものから 1 件を破棄しました" in caplog.text


def test_a_full_disk_costs_the_reading_and_not_the_agent(
    make_rig: Callable[..., Rig],
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = make_rig()

    def full(_: object) -> tuple[int, int]:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "put", full)
        assert rig.loop().once() == "スプールに保存できません"
    assert "空き容量を確認" in caplog.text
    assert rig.loop().once() is None


def test_a_spool_that_cannot_forget_a_sent_heartbeat_sends_it_again_later(
    make_rig: Callable[..., Rig],
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = make_rig()
    loop = rig.loop()
    loop._read_and_spool()
    waiting = rig.spool.oldest()
    assert waiting is not None

    def full(_: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "acknowledged", full)
        assert loop._send(waiting) >= 0
    assert "スプールを更新できません" in caplog.text
    loop._send(waiting)
    assert [body["sequence"] for body in service.heartbeats] == [1, 1]
    assert rig.spool.count() == 0


def test_the_last_known_firmware_version_stands_in_for_an_unplugged_terminal(
    make_rig: Callable[..., Rig], service: FakeService, tmp_path: Path
) -> None:
    rig = make_rig()
    assert rig.loop().once() is None
    terminal = SimulatedTerminal(tmp_path / "tc200", SERIAL, "2.3.4")
    thread = threading.Thread(target=terminal.serve)
    thread.start()
    assert rig.loop().once() is None
    terminal.stop()
    thread.join()
    assert rig.loop().once() is None
    assert [(body["firmware_version"], body["terminal_connected"]) for body in service.heartbeats] == [
        ("unknown", False),
        ("2.3.4", True),
        ("2.3.4", False),
    ]


def test_the_start_is_spread_and_a_stop_in_the_meantime_is_immediate(
    make_rig: Callable[..., Rig], service: FakeService
) -> None:
    rig = make_rig(start_spread_seconds=300)
    rig.run()
    rig.end()
    assert service.heartbeats == []
    assert rig.spool.count() == 0


def test_after_an_outage_a_backlog_leaves_at_about_two_a_second() -> None:
    low, high = loop_module.DRAIN_PAUSE_SECONDS
    assert 0.2 <= low < high <= 1
