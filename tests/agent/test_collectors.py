"""Each fact is collected on its own and fails on its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent import collectors
from agent import tc200 as tc200_module
from agent.collectors import Reading, terminal
from agent.config import Settings
from agent.line import SharedLine
from agent.simulator.tc200 import SimulatedTerminal
from agent.tc200 import Line, decode, encode
from tests.agent.doubles import FakeSerialLine

SERIAL = "TC200-000123"


def collect(settings: Settings, serial_number: str) -> Reading:
    line = SharedLine(settings.serial_port, settings.serial_timeout_seconds)
    return collectors.collect(settings, serial_number, line)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings("https://tms.example.jp", str(tmp_path / "tc200"), tmp_path, serial_timeout_seconds=0.2)


def test_a_well_store_pc_gives_every_fact(tc200: SimulatedTerminal, settings: Settings) -> None:
    reading = collect(settings, SERIAL)
    for usage in (reading.cpu_usage, reading.memory_usage, reading.disk_usage):
        assert usage is not None
        assert 0 <= usage <= 100
    assert (reading.terminal_connected, reading.firmware_version, reading.error) == (True, "2.3.4", None)
    assert reading.taken_at.utcoffset() is not None


def test_the_terminals_own_words_become_the_error(tc200: SimulatedTerminal, settings: Settings) -> None:
    tc200.toggle_error()
    reading = collect(settings, SERIAL)
    assert reading.terminal_connected
    assert reading.error == "カードリーダー応答なし（E01）"


def test_an_absent_terminal_is_not_connected_and_the_pc_is_still_read(settings: Settings) -> None:
    reading = collect(settings, SERIAL)
    assert not reading.terminal_connected
    assert reading.firmware_version is None
    assert "ポートを開けません" in (reading.error or "")
    assert reading.memory_usage


def test_another_terminal_on_the_cable_is_not_shown_under_this_ones_name(
    tc200: SimulatedTerminal, settings: Settings
) -> None:
    reading = collect(settings, "TC200-999999")
    assert not reading.terminal_connected
    assert reading.firmware_version is None
    assert "登録と異なるTC-200" in (reading.error or "")


@pytest.mark.parametrize(("after_info", "connected"), [(b"", False), (b"noise\n", True)])
def test_a_terminal_that_falls_silent_after_info_is_not_connected(
    fake_line: Callable[[Callable[[bytes], bytes | None]], FakeSerialLine],
    settings: Settings,
    after_info: bytes,
    connected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tc200_module, "ATTEMPTS", 1)

    def answer(raw: bytes) -> bytes:
        request = decode(raw)
        values = {"serial": SERIAL, "model": "TC-200", "firmware": "3.0", "protocol": "1"}
        return encode(Line("<", request.number, "INFO", "OK", values)) if request.command == "INFO" else after_info

    reading = collect(replace(settings, serial_port=fake_line(answer).port), SERIAL)
    assert (reading.terminal_connected, reading.firmware_version) == (connected, "3.0")
    assert reading.error


def test_a_failing_collector_stops_none_of_the_others(
    tc200: SimulatedTerminal, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> float:
        raise RuntimeError

    monkeypatch.setattr(psutil, "cpu_percent", broken)
    reading = collect(replace(settings, disk_path="/no/such/folder"), SERIAL)
    assert (reading.cpu_usage, reading.disk_usage) == (None, None)
    assert reading.memory_usage
    assert reading.terminal_connected
    assert (
        reading.error
        == "CPU使用率を取得できません（RuntimeError）、ディスク使用率を取得できません（FileNotFoundError）"
    )
    assert reading.heartbeat("unknown")["cpu_usage"] == 0


def test_a_restart_that_ends_while_the_terminal_is_asked_is_still_no_fault(settings: Settings) -> None:
    line = SharedLine(settings.serial_port, 0.2)
    line.expect_absence(30)
    original_open = line.open

    def restart_has_ended() -> object:
        line.expect_absence(0)
        return original_open()

    line.open = restart_has_ended  # type: ignore[method-assign,assignment]
    assert terminal.read(line, SERIAL) == terminal.Facts(True, None, None, SERIAL)
    assert not terminal.read(line, SERIAL).connected
