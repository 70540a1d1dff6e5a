"""What is told outside the rhythm: start, cable, shutdown; and commands that arrive while `run` works."""

import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from agent import plug, running
from agent.__main__ import main
from agent.line import SharedLine
from agent.plug import Plug
from agent.simulator.tc200 import SimulatedTerminal
from agent.spool import Spool
from agent.state import load_credentials
from tests.agent.desk import CommandService
from tests.agent.doubles import CODE, TOKEN, problem

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def enrolled(desk: CommandService, tmp_path: Path) -> Path:
    path = tmp_path / "genba-agent.toml"
    path.write_text(
        f'service_url = "{desk.url}"\nserial_port = "{tmp_path}/tc200"\nstate_dir = "state"\n'
        "start_spread_seconds = 0\nserial_timeout_seconds = 0.5\nplug_poll_seconds = 0.2\n"
    )
    assert main(["enrol", "--config", str(path), "--code", CODE, "--serial", "TC200-000123"]) == 0
    return path


def events(desk: CommandService) -> list[str]:
    return [body["event"] for body in desk.heartbeats]


def test_the_cable_and_the_end_are_told_at_once(
    enrolled: Path, desk: CommandService, tc200: SimulatedTerminal, start: Start
) -> None:
    process = start("run", "--config", enrolled)
    desk.wait_for_heartbeats(1)
    tc200.toggle_plug()
    desk.wait_for_heartbeats(2)
    process.terminate()
    _, err = process.communicate(timeout=5)
    assert process.returncode == 0, err
    assert events(desk) == ["started", "unplugged", "shutdown"]
    assert [body["terminal_connected"] for body in desk.heartbeats] == [True, False, False]
    assert [body["terminal_serial"] for body in desk.heartbeats] == ["TC200-000123", None, None]
    assert [body["sequence"] for body in desk.heartbeats] == [1, 2, 3]
    stamps = [body["sent_at"] for body in desk.heartbeats]
    assert stamps == sorted(set(stamps))


def test_a_shutdown_that_cannot_be_told_waits_and_is_told_in_order_later(
    enrolled: Path, desk: CommandService, start: Start, tmp_path: Path
) -> None:
    desk.replies = [problem(503, "停止中", {"Retry-After": "100"})] * 2
    process = start("run", "--config", enrolled)
    desk.wait_for_heartbeats(1)
    process.terminate()
    process.communicate(timeout=5)
    spool = Spool(tmp_path / "state/spool.db", 10)
    assert spool.count() == 2
    spool.close()
    assert main(["once", "--config", str(enrolled)]) == 0
    assert [(body["sequence"], body["event"]) for body in desk.heartbeats[2:]] == [
        (1, "started"),
        (2, "shutdown"),
        (3, None),
    ]


def test_commands_are_done_while_heartbeats_go_on_and_the_log_is_kept(
    enrolled: Path, desk: CommandService, tc200: SimulatedTerminal, start: Start, tmp_path: Path
) -> None:
    desk.order(1, "diagnose")
    desk.order(2, "rotate_token")
    desk.order(3, "send_bundle")
    process = start("run", "--config", enrolled)
    ends = [desk.wait_for_end(number) for number in (1, 2, 3)]
    tc200.toggle_plug()
    desk.wait_for_heartbeats(2)
    process.terminate()
    _, err = process.communicate(timeout=5)
    assert [end["state"] for end in ends] == ["done"] * 3, err
    kept = load_credentials(tmp_path / "state")
    assert kept is not None
    assert kept.token not in (TOKEN, "")
    assert desk.tokens[-1] == f"Bearer {kept.token}"
    text = (tmp_path / "state/agent.log").read_text()
    assert "コマンド 3（send_bundle）が終わりました。" in text
    assert kept.token not in text + err
    assert TOKEN not in text + err
    assert (tmp_path / "state/agent.log").stat().st_mode & 0o777 == 0o600


class Cable:
    def __init__(self) -> None:
        self.there = True
        self.restarting = False

    def present(self) -> bool:
        return self.there

    def absence_expected(self) -> bool:
        return self.restarting


def looked_at(cable: Cable) -> Plug:
    return Plug(cable, 5)  # type: ignore[arg-type]


def test_a_loose_contact_is_no_flood_and_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(plug, "monotonic", lambda: clock[0])
    cable = Cable()
    seen = looked_at(cable)
    told: list[tuple[float, str]] = []
    for second in range(120):
        clock[0] = 100.0 + second
        cable.there = second % 2 == 0 if second < 100 else False
        if event := seen.look():
            told.append((second, event))
    assert len(told) <= 100 / plug.MIN_SECONDS_BETWEEN_EVENTS + 2
    assert told[-1][1] == "unplugged"
    assert all(one[1] != other[1] for one, other in pairwise(told))


def test_the_restart_of_an_update_is_no_pulled_cable() -> None:
    cable = Cable()
    seen = looked_at(cable)
    cable.there, cable.restarting = False, True
    assert seen.look() is None
    cable.restarting = False
    assert seen.look() == "unplugged"


def test_windows_ports_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.line.os.name", "nt")
    port = type("Port", (), {"device": "COM3"})()
    monkeypatch.setattr("agent.line.list_ports.comports", lambda: [port])
    assert [SharedLine(name, 1).present() for name in ("com3", "COM3", "COM4")] == [True, True, False]


def test_the_shutdown_of_windows_waits_until_the_service_was_told() -> None:
    handlers: list[Callable[[int], bool]] = []
    stop, ended = threading.Event(), threading.Event()

    class Kernel:
        @staticmethod
        def SetConsoleCtrlHandler(handler: Callable[[int], bool], add: int) -> None:  # noqa: N802
            handlers.append(handler)

    class Windows:
        windll = type("Dlls", (), {"kernel32": Kernel})

        @staticmethod
        def WINFUNCTYPE(*_: Any) -> Callable[[Any], Any]:  # noqa: N802
            return lambda function: function

    running._on_windows_shutdown(stop, ended, Windows)
    assert handlers[0](0) is False
    assert not stop.is_set()
    threading.Timer(0.2, ended.set).start()
    started = monotonic()
    assert handlers[0](6) is True
    assert stop.is_set()
    assert 0.1 < monotonic() - started < running.WINDOWS_SECONDS


def test_one_thread_that_breaks_ends_them_all() -> None:
    stop = threading.Event()

    def broken() -> None:
        raise RuntimeError("boom")

    ended = running.work_until_stopped(stop, lambda: None, {"a": broken, "b": stop.wait, "c": lambda: sleep(5)})  # type: ignore[dict-item]
    assert [str(error) for error in ended.errors] == ["boom"]
    assert ended.unfinished == {"c"}
