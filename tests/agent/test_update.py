"""Firmware: from the signed order to the TC-200 that runs it, on a real pty, over real HTTP, with cut connections
and killed agents."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import Backoff
from agent.collectors import terminal as collector
from agent.command import CommandFailed
from agent.firmware import device, download, order, trial
from agent.simulator.firmware_slots import Fault
from agent.simulator.tc200 import SimulatedTerminal
from tests.agent.bench import SERIAL, Bench
from tests.agent.conftest import ROOT
from tests.agent.desk import KEY, PUBLIC_KEY, CommandService
from tests.agent.doubles import Reply, problem
from tests.processes import child_command

OLD, NEW = "1.0.0", "2.0.0"
FILE = random.Random(7).randbytes(9_000)
PlugIn = Callable[..., SimulatedTerminal]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("firmware.download", "command_report", "commands.worker"):
        monkeypatch.setattr(f"agent.{name}.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    for module in (device, trial):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(trial, "GRACE_SECONDS", 0.6)
    monkeypatch.setattr(trial, "CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr(trial, "RESTART_SECONDS", 1.5)
    monkeypatch.setattr(device, "PATIENCE_SECONDS", 1.0)


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator[PlugIn]:
    """Starts a TC-200 at tmp_path/tc200 with version 1.0.0."""
    running: list[tuple[SimulatedTerminal, threading.Thread]] = []

    def make(fault: Fault | None = None, serial: str = SERIAL, trial_seconds: float = 60) -> SimulatedTerminal:
        options = {"fault": fault, "restart_seconds": 0.1, "trial_seconds": trial_seconds}
        terminal = SimulatedTerminal(tmp_path / "tc200", serial, OLD, **options)  # type: ignore[arg-type]
        thread = threading.Thread(target=terminal.serve)
        thread.start()
        running.append((terminal, thread))
        return terminal

    yield make
    for terminal, thread in running:
        terminal.stop()
        thread.join()


def test_a_signed_firmware_goes_all_the_way_and_stays(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, tmp_path: Path
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]) == ("done", {"version": NEW})
    assert command_service.steps(1) == ["downloading", "verifying", "installing", "restarting", "confirming"]
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)
    assert not (tmp_path / "firmware").exists()
    (headers,) = command_service.downloads
    assert "Range" not in headers


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"signature": "A" * 86 + "=="}, (PUBLIC_KEY,)),
        ({"version": "2.0.1"}, (PUBLIC_KEY,)),
        ({"size": len(FILE) + 1}, (PUBLIC_KEY,)),
        ({"sha256": "0" * 64}, (PUBLIC_KEY,)),
        ({}, ()),
        ({}, (bytes(range(32)),)),
        ({"signature": "not base64"}, (PUBLIC_KEY,)),
        ({"version": "2.0.0\n9000"}, (PUBLIC_KEY,)),
        ({"size": "9000"}, (PUBLIC_KEY,)),
        ({"sha256": None}, (PUBLIC_KEY,)),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else str(len(value)),
)
def test_a_wrong_signature_never_reaches_the_device_nor_costs_a_byte(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, changes: dict[str, object], keys: tuple[bytes, ...]
) -> None:
    commands: list[str] = []
    terminal = plug_in()
    terminal.firmware.answer = lambda command, _: commands.append(command) or {}  # type: ignore[assignment,func-returns-value]
    bench.context.settings = replace(bench.settings, firmware_public_keys=keys)
    command_service.order_update(1, NEW, FILE, changes)
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]) == (
        "failed",
        {"code": "bad_signature", "rolled_back": False},
    )
    assert (commands, command_service.downloads) == ([], [])


def test_any_of_several_keys_may_have_signed() -> None:
    message = order.signed_bytes(NEW, len(FILE), hashlib.sha256(FILE).hexdigest())
    assert message == f"genba-firmware-1\n{NEW}\n9000\n{hashlib.sha256(FILE).hexdigest()}\n".encode()
    signed = order.Order(1, NEW, len(FILE), hashlib.sha256(FILE).hexdigest(), KEY.sign(message))
    order.verify(signed, (bytes(range(32)), PUBLIC_KEY))


@given(
    st.dictionaries(
        st.sampled_from(["task_id", "version", "size", "sha256", "signature"]),
        st.none() | st.text() | st.integers() | st.lists(st.none()),
    )
)
def test_no_arguments_whatever_break_the_reading_of_an_order(arguments: dict[str, object]) -> None:
    with pytest.raises(CommandFailed):
        order.read(arguments)


def test_a_cut_download_goes_on_where_it_was_cut(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    command_service.cut_after.extend([3000, 0, 2500])
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    sha256 = hashlib.sha256(FILE).hexdigest()
    ranges = [headers.get("Range") for headers in command_service.downloads]
    assert ranges == [None, "bytes=3000-", "bytes=3000-", "bytes=5500-"]
    assert {headers.get("If-Range") for headers in command_service.downloads[1:]} == {f'"{sha256}"'}
    assert terminal.firmware.version == NEW


def test_a_download_goes_on_after_a_restart_of_the_agent(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.cut_after.append(4000)
    command_service.download_replies.clear()
    command_service.order_update(1, NEW, FILE)
    bench.take()
    original_get = command_service.get

    def cut_then_gone(path: str, headers: dict[str, str]) -> Reply:
        return (
            original_get(path, headers)
            if not command_service.downloads
            else problem(503, "停止中", {"Retry-After": "1"})
        )

    command_service.get = cut_then_gone  # type: ignore[method-assign,assignment]
    bench.start()
    part = bench.settings.state_dir / "firmware" / f"{hashlib.sha256(FILE).hexdigest()}.part"
    while not part.exists() or part.stat().st_size < 4000:
        pass
    bench.restart()
    command_service.get = original_get  # type: ignore[method-assign]
    assert bench.run_to_end(1)["state"] == "done"
    assert command_service.downloads[-1]["Range"] == "bytes=4000-"


def test_busy_answers_are_waited_out_and_never_counted_as_failures(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.download_replies.extend(
        [problem(429, "x", {"Retry-After": "0"}), problem(503, "x"), Reply(None)] * 4
    )
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    assert len(command_service.downloads) == 13


def test_a_wrong_range_and_a_part_that_is_too_long_begin_anew(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.cut_after.append(3000)
    command_service.order_update(1, NEW, FILE)
    original_get = command_service.get

    def answer_wrongly(path: str, headers: dict[str, str]) -> Reply:
        if len(command_service.downloads) == 1:
            command_service.downloads.append(dict(headers))
            return Reply(206, FILE[100:], {"Content-Range": "bytes 100-8999/9000"})
        if len(command_service.downloads) == 2:
            command_service.downloads.append(dict(headers))
            return problem(416, "範囲外です。")
        return original_get(path, headers)

    command_service.get = answer_wrongly  # type: ignore[method-assign,assignment]
    assert bench.run_to_end(1)["state"] == "done"
    assert "Range" not in command_service.downloads[-1]


def test_a_file_that_is_not_the_signed_one_is_refused_after_one_clean_try_more(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files[1001] = FILE[::-1]
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]["code"]) == ("failed", "bad_checksum")
    assert len(command_service.downloads) == 2
    assert terminal.firmware.version == OLD


def test_a_file_longer_than_signed_fills_no_disk(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files[1001] = FILE + b"x" * 5_000_000
    assert bench.run_to_end(1)["state"] == "done"


def test_damage_on_the_disk_costs_one_download_more(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    arguments = command_service.order_update(1, NEW, FILE)
    bench.take()
    folder = bench.settings.state_dir / "firmware"
    folder.mkdir()
    (folder / "update.json").write_text('{"command_id": 1}')
    (folder / f"{arguments['sha256']}.part").write_bytes(b"z" * 5000)
    assert bench.run_to_end(1)["state"] == "done"
    assert [headers.get("Range") for headers in command_service.downloads] == ["bytes=5000-", None]


def test_a_withdrawn_file_a_refusal_and_a_full_disk_end_the_update(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files.clear()
    assert bench.run_to_end(1)["result"]["code"] == "cancelled"
    command_service.order_update(2, NEW, FILE)
    command_service.download_replies.append(problem(403, "許可されていません。"))
    assert bench.run_to_end(2)["result"]["code"] == "download_failed"
    monkeypatch.setattr(download, "SPARE_BYTES", 2**60)
    command_service.order_update(3, NEW, FILE)
    assert bench.run_to_end(3)["result"]["code"] == "no_space"
    assert terminal.firmware.version == OLD


@pytest.mark.parametrize("step", ["downloading", "installing", "restarting"])
def test_a_cancelled_update_stops_at_the_next_safe_point(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, step: str, tmp_path: Path
) -> None:
    terminal = plug_in()
    command_service.stop_at = step
    command_service.order_update(1, NEW, FILE)
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]) == ("failed", {"code": "cancelled", "rolled_back": False})
    assert (terminal.firmware.version, terminal.firmware._staged) == (OLD, None)
    assert not (tmp_path / "firmware").exists()


def test_after_the_restart_an_update_is_led_to_its_end_cancelled_or_not(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    command_service.stop_at = "confirming"
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)


def test_a_terminal_that_never_takes_it_is_restarted_three_times(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, commands = plug_in(Fault.NEVER_TAKES), list[str]()
    answer = terminal.firmware.answer

    def record(name: str, values: Mapping[str, str]) -> dict[str, str]:
        commands.append(name)
        return answer(name, values)

    monkeypatch.setattr(terminal.firmware, "answer", record)
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["result"] == {"code": "wrong_version_after_restart", "rolled_back": True}
    assert commands.count("FWCOMMIT") == 3
    assert terminal.firmware.version == OLD


@pytest.mark.parametrize(
    ("fault", "code", "rolled_back"),
    [
        (Fault.REFUSES, "device_refused", False),
        (Fault.DIES_MIDWAY, "device_lost", False),
        (Fault.WRONG_VERSION, "wrong_version_after_restart", True),
        (Fault.FALLS_BACK, "wrong_version_after_restart", True),
        (Fault.UNWELL, "device_refused", True),
        (Fault.NEVER_RETURNS, "device_lost", False),
    ],
)
def test_a_bad_firmware_ends_with_its_reason_and_the_old_version(
    bench: Bench,
    command_service: CommandService,
    plug_in: PlugIn,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    code: str,
    rolled_back: bool,
) -> None:
    monkeypatch.setattr(trial, "ROLL_BACK_SECONDS", 1.0 if fault is Fault.NEVER_RETURNS else 10.0)
    terminal = plug_in(fault)
    command_service.order_update(1, NEW, FILE)
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]) == ("failed", {"code": code, "rolled_back": rolled_back})
    assert final_report["message"]
    if fault is not Fault.NEVER_RETURNS:
        assert (terminal.firmware.version, terminal.firmware.on_trial) == (OLD, False)
    assert ("rolling_back" in command_service.steps(1)) == (fault not in (Fault.REFUSES, Fault.DIES_MIDWAY))


@pytest.mark.parametrize("fault", [Fault.BUSY_ONCE, Fault.RESTARTS_MIDWAY, Fault.DAMAGES])
def test_a_passing_trouble_of_the_terminal_does_not_end_the_update(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, fault: Fault
) -> None:
    terminal = plug_in(fault)
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    assert terminal.firmware.version == NEW


def test_a_cable_pulled_in_the_middle_and_put_back_goes_on(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = plug_in()
    data = terminal.firmware._data
    pieces: list[int] = []

    def pulled_once(values: dict[str, str]) -> dict[str, str]:
        pieces.append(int(values["offset"]))
        if len(pieces) == 12:
            terminal.toggle_plug()
            threading.Timer(0.3, terminal.toggle_plug).start()
        return data(values)

    monkeypatch.setattr(terminal.firmware, "_data", pulled_once)
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    assert terminal.firmware.version == NEW
    # The terminal kept what it had received: only the piece around the cut was sent twice.
    assert len(pieces) <= len(FILE) // 336 + 3


def test_another_terminal_on_the_cable_gets_no_firmware(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in(serial="TC200-OTHER")
    command_service.order_update(1, NEW, FILE)
    final_report = bench.run_to_end(1)
    assert final_report["result"]["code"] == "device_lost"
    assert "TC200-OTHER" in final_report["message"]
    assert terminal.firmware._staged is None


def test_a_version_that_runs_already_needs_nothing(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.order_update(1, OLD, FILE)
    assert bench.run_to_end(1)["result"] == {"version": OLD}
    assert command_service.downloads == []


def test_an_error_that_was_there_before_is_not_the_new_firmwares(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    terminal.toggle_error()
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"


def test_an_unconfirmed_terminal_rolls_back_by_itself(plug_in: PlugIn) -> None:
    terminal = plug_in(trial_seconds=0.2)
    slots = terminal.firmware
    sha256 = hashlib.sha256(FILE).hexdigest()
    slots.answer("FWBEGIN", {"version": NEW, "size": str(len(FILE)), "sha256": sha256})
    slots._content += FILE
    slots.answer("FWCOMMIT", {})
    terminal._notice()
    deadline = threading.Event()
    for _ in range(200):
        if slots.reverted == NEW and not slots.on_trial:
            break
        deadline.wait(0.02)
    assert (slots.version, slots.reverted, slots.on_trial) == (OLD, NEW, False)


def test_readings_go_on_while_a_firmware_is_sent_and_its_restart_is_no_fault(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "SLICE_SECONDS", 0.02)
    plug_in()
    command_service.order_update(1, NEW, FILE * 10)
    bench.take()
    bench.start()
    facts = []
    while 1 not in command_service.final_reports:
        facts.append(collector.read(bench.context.line, SERIAL))
    assert len(facts) >= 5
    assert {fact.connected for fact in facts} == {True}
    assert {fact.error for fact in facts} == {None}
    assert bench.run_to_end(1)["state"] == "done"


@pytest.fixture(scope="module")
def run_until_killed() -> Iterator[Callable[..., int]]:
    """Runs an agent, in a process of its own, that kills itself at a point of the update; returns the signal that
    ended it."""
    command = child_command([sys.executable, "-m", "tests.agent.killed"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:

        def run(*arguments: object) -> int:
            assert parent.stdin
            assert parent.stdout
            print(*arguments, file=parent.stdin, flush=True)
            return int(parent.stdout.readline())

        yield run
        parent.terminate()


@pytest.mark.parametrize(
    "kill_point",
    [
        *("FWDATA", "written:restarting", "FWCONFIRM:answered", "forget"),
        *(
            pytest.param(point, marks=pytest.mark.deep)
            for point in ("written:installing", "FWBEGIN", "write:restarting", "FWCOMMIT:answered", "write:confirming")
        ),
    ],
)
def test_kill_9_at_every_step_ends_in_the_new_firmware_all_the_same(
    bench: Bench,
    command_service: CommandService,
    plug_in: PlugIn,
    run_until_killed: Callable[..., int],
    tmp_path: Path,
    kill_point: str,
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert run_until_killed(tmp_path, command_service.url, kill_point) == signal.SIGKILL
    bench._open()
    bench.start()
    final_report = command_service.wait_for_final_report(1, 20)
    assert (final_report["state"], final_report["result"]) == ("done", {"version": NEW})
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)


@pytest.mark.parametrize("kill_point", ["write:rolling_back", "written:rolling_back", "FWROLLBACK:answered", "forget"])
def test_kill_9_on_the_way_back_ends_in_the_old_firmware_all_the_same(
    bench: Bench,
    command_service: CommandService,
    plug_in: PlugIn,
    run_until_killed: Callable[..., int],
    tmp_path: Path,
    kill_point: str,
) -> None:
    terminal = plug_in(Fault.UNWELL)
    command_service.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert run_until_killed(tmp_path, command_service.url, kill_point) == signal.SIGKILL
    bench._open()
    bench.start()
    final_report = command_service.wait_for_final_report(1, 20)
    assert final_report["result"] == {"code": "device_refused", "rolled_back": True}
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (OLD, False)
    assert os.path.exists(tmp_path / "commands.json")


@pytest.mark.parametrize(("fault", "expected_version"), [(None, NEW), (Fault.UNWELL, OLD)])
def test_an_update_that_is_called_off_while_the_agent_is_dead_is_led_to_its_end(
    bench: Bench,
    command_service: CommandService,
    plug_in: PlugIn,
    run_until_killed: Callable[..., int],
    tmp_path: Path,
    fault: Fault | None,
    expected_version: str,
) -> None:
    """The TC-200 runs the new firmware on trial: left alone, it would stay on it for another ten minutes."""
    terminal = plug_in(fault)
    command_service.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert run_until_killed(tmp_path, command_service.url, "written:confirming") == signal.SIGKILL
    command_service.stop_at = "accepted"
    bench._open()
    bench.start()
    final_report = command_service.wait_for_final_report(1, 20)
    assert final_report["state"] == ("failed" if fault else "done")
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (expected_version, False)
