"""Events outside the heartbeat interval: start, cable, shutdown; and commands that arrive while `run` works."""

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
def enrolled(command_service: CommandService, tmp_path: Path) -> Path:
    path = tmp_path / "genba-agent.toml"
    path.write_text(
        f'service_url = "{command_service.url}"\nserial_port = "{tmp_path}/tc200"\nstate_dir = "state"\n'
        "start_spread_seconds = 0\nserial_timeout_seconds = 0.5\nplug_poll_seconds = 0.2\n"
    )
    assert main(["enrol", "--config", str(path), "--code", CODE, "--serial", "TC200-000123"]) == 0
    return path


def events(command_service: CommandService) -> list[str]:
    return [body["event"] for body in command_service.heartbeats]


def test_an_unplugged_cable_and_the_shutdown_are_reported_at_once(
    enrolled: Path, command_service: CommandService, tc200: SimulatedTerminal, start: Start
) -> None:
    process = start("run", "--config", enrolled)
    command_service.wait_for_heartbeats(1)
    tc200.toggle_plug()
    command_service.wait_for_heartbeats(2)
    process.terminate()
    _, err = process.communicate(timeout=5)
    assert process.returncode == 0, err
    assert events(command_service) == ["started", "unplugged", "shutdown"]
    assert [body["terminal_connected"] for body in command_service.heartbeats] == [True, False, False]
    assert [body["terminal_serial"] for body in command_service.heartbeats] == ["TC200-000123", None, None]
    assert [body["sequence"] for body in command_service.heartbeats] == [1, 2, 3]
    stamps = [body["sent_at"] for body in command_service.heartbeats]
    assert stamps == sorted(set(stamps))


def test_an_unsent_shutdown_event_waits_and_is_sent_in_order_later(
    enrolled: Path, command_service: CommandService, start: Start, tmp_path: Path
) -> None:
    command_service.replies = [problem(503, "停止中", {"Retry-After": "100"})] * 2
    process = start("run", "--config", enrolled)
    command_service.wait_for_heartbeats(1)
    process.terminate()
    process.communicate(timeout=5)
    spool = Spool(tmp_path / "state/spool.db", 10)
    assert spool.count() == 2
    spool.close()
    assert main(["once", "--config", str(enrolled)]) == 0
    assert [(body["sequence"], body["event"]) for body in command_service.heartbeats[2:]] == [
        (1, "started"),
        (2, "shutdown"),
        (3, None),
    ]


def test_commands_are_done_while_heartbeats_go_on_and_the_log_is_written(
    enrolled: Path, command_service: CommandService, tc200: SimulatedTerminal, start: Start, tmp_path: Path
) -> None:
    command_service.order(1, "diagnose")
    command_service.order(2, "rotate_token")
    command_service.order(3, "send_bundle")
    process = start("run", "--config", enrolled)
    reports = [command_service.wait_for_final_report(number) for number in (1, 2, 3)]
    tc200.toggle_plug()
    command_service.wait_for_heartbeats(2)
    process.terminate()
    _, err = process.communicate(timeout=5)
    assert [report["state"] for report in reports] == ["done"] * 3, err
    credentials = load_credentials(tmp_path / "state")
    assert credentials is not None
    assert credentials.token not in (TOKEN, "")
    assert command_service.tokens[-1] == f"Bearer {credentials.token}"
    text = (tmp_path / "state/agent.log").read_text()
    assert "コマンド 3（send_bundle）が終わりました。" in text
    assert credentials.token not in text + err
    assert TOKEN not in text + err
    assert (tmp_path / "state/agent.log").stat().st_mode & 0o777 == 0o600


class Cable:
    def __init__(self) -> None:
        self.plugged_in = True
        self.restarting = False

    def present(self) -> bool:
        return self.plugged_in

    def absence_expected(self) -> bool:
        return self.restarting


def make_plug(cable: Cable) -> Plug:
    return Plug(cable, 5)  # type: ignore[arg-type]


def test_a_loose_contact_is_no_flood_and_its_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(plug, "monotonic", lambda: clock[0])
    cable = Cable()
    poller = make_plug(cable)
    reported: list[tuple[float, str]] = []
    for second in range(120):
        clock[0] = 100.0 + second
        cable.plugged_in = second % 2 == 0 if second < 100 else False
        if event := poller.look():
            reported.append((second, event))
    assert len(reported) <= 100 / plug.MIN_SECONDS_BETWEEN_EVENTS + 2
    assert reported[-1][1] == "unplugged"
    assert all(event[1] != next_event[1] for event, next_event in pairwise(reported))


def test_the_restart_of_an_update_is_no_pulled_cable() -> None:
    cable = Cable()
    poller = make_plug(cable)
    cable.plugged_in, cable.restarting = False, True
    assert poller.look() is None
    cable.restarting = False
    assert poller.look() == "unplugged"


def test_windows_ports_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.line.os.name", "nt")
    port = type("Port", (), {"device": "COM3"})()
    monkeypatch.setattr("agent.line.list_ports.comports", lambda: [port])
    assert [SharedLine(name, 1).present() for name in ("com3", "COM3", "COM4")] == [True, True, False]


def test_the_shutdown_of_windows_waits_until_the_service_is_notified() -> None:
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
