"""Firmware: from the signed order to the TC-200 that runs it, on a real pty, over real HTTP, cut and killed."""

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
from agent.commands import CommandFailed
from agent.firmware import device, download, order, trial
from agent.simulator.firmware_slots import Fault
from agent.simulator.tc200 import SimulatedTerminal
from tests.agent.bench import SERIAL, Bench
from tests.agent.conftest import ROOT
from tests.agent.desk import KEY, PUBLIC_KEY, CommandService
from tests.agent.doubles import Reply, problem
from tests.processes import tied

OLD, NEW = "1.0.0", "2.0.0"
FILE = random.Random(7).randbytes(9_000)
Make = Callable[..., SimulatedTerminal]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("firmware.download", "commands.report", "commands.worker"):
        monkeypatch.setattr(f"agent.{name}.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    for module in (device, trial):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(trial, "GRACE_SECONDS", 0.6)
    monkeypatch.setattr(trial, "CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr(trial, "RESTART_SECONDS", 1.5)
    monkeypatch.setattr(device, "PATIENCE_SECONDS", 1.0)


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[Make]:
    """A TC-200 at tmp_path/tc200 with version 1.0.0."""
    made: list[tuple[SimulatedTerminal, threading.Thread]] = []

    def make(fault: Fault | None = None, serial: str = SERIAL, trial_seconds: float = 60) -> SimulatedTerminal:
        how = {"fault": fault, "restart_seconds": 0.1, "trial_seconds": trial_seconds}
        terminal = SimulatedTerminal(tmp_path / "tc200", serial, OLD, **how)  # type: ignore[arg-type]
        thread = threading.Thread(target=terminal.serve)
        thread.start()
        made.append((terminal, thread))
        return terminal

    yield make
    for terminal, thread in made:
        terminal.stop()
        thread.join()


def test_a_signed_firmware_goes_all_the_way_and_stays(
    bench: Bench, desk: CommandService, plugged: Make, tmp_path: Path
) -> None:
    terminal = plugged()
    desk.order_update(1, NEW, FILE)
    end = bench.done(1)
    assert (end["state"], end["result"]) == ("done", {"version": NEW})
    assert desk.steps(1) == ["downloading", "verifying", "installing", "restarting", "confirming"]
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)
    assert not (tmp_path / "firmware").exists()
    (headers,) = desk.downloads
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
    bench: Bench, desk: CommandService, plugged: Make, changes: dict[str, object], keys: tuple[bytes, ...]
) -> None:
    asked: list[str] = []
    terminal = plugged()
    terminal.firmware.answer = lambda command, _: asked.append(command) or {}  # type: ignore[assignment,func-returns-value]
    bench.context.settings = replace(bench.settings, firmware_public_keys=keys)
    desk.order_update(1, NEW, FILE, changes)
    end = bench.done(1)
    assert (end["state"], end["result"]) == ("failed", {"code": "bad_signature", "rolled_back": False})
    assert (asked, desk.downloads) == ([], [])


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


def test_a_cut_download_goes_on_where_it_was_cut(bench: Bench, desk: CommandService, plugged: Make) -> None:
    terminal = plugged()
    desk.cuts.extend([3000, 0, 2500])
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"
    sha256 = hashlib.sha256(FILE).hexdigest()
    ranges = [headers.get("Range") for headers in desk.downloads]
    assert ranges == [None, "bytes=3000-", "bytes=3000-", "bytes=5500-"]
    assert {headers.get("If-Range") for headers in desk.downloads[1:]} == {f'"{sha256}"'}
    assert terminal.firmware.version == NEW


def test_a_download_goes_on_after_a_restart_of_the_agent(bench: Bench, desk: CommandService, plugged: Make) -> None:
    plugged()
    desk.cuts.append(4000)
    desk.download_replies.clear()
    desk.order_update(1, NEW, FILE)
    bench.take()
    first = desk.get

    def cut_then_gone(path: str, headers: dict[str, str]) -> Reply:
        return first(path, headers) if not desk.downloads else problem(503, "停止中", {"Retry-After": "1"})

    desk.get = cut_then_gone  # type: ignore[method-assign,assignment]
    bench.start()
    part = bench.settings.state_dir / "firmware" / f"{hashlib.sha256(FILE).hexdigest()}.part"
    while not part.exists() or part.stat().st_size < 4000:
        pass
    bench.restart()
    desk.get = first  # type: ignore[method-assign]
    assert bench.done(1)["state"] == "done"
    assert desk.downloads[-1]["Range"] == "bytes=4000-"


def test_busy_answers_are_waited_out_and_never_counted_as_failures(
    bench: Bench, desk: CommandService, plugged: Make
) -> None:
    plugged()
    desk.download_replies.extend([problem(429, "x", {"Retry-After": "0"}), problem(503, "x"), Reply(None)] * 4)
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"
    assert len(desk.downloads) == 13


def test_a_wrong_range_and_a_part_that_is_too_long_begin_anew(
    bench: Bench, desk: CommandService, plugged: Make
) -> None:
    plugged()
    desk.cuts.append(3000)
    desk.order_update(1, NEW, FILE)
    first = desk.get

    def odd(path: str, headers: dict[str, str]) -> Reply:
        if len(desk.downloads) == 1:
            desk.downloads.append(dict(headers))
            return Reply(206, FILE[100:], {"Content-Range": "bytes 100-8999/9000"})
        if len(desk.downloads) == 2:
            desk.downloads.append(dict(headers))
            return problem(416, "範囲外です。")
        return first(path, headers)

    desk.get = odd  # type: ignore[method-assign,assignment]
    assert bench.done(1)["state"] == "done"
    assert "Range" not in desk.downloads[-1]


def test_a_file_that_is_not_the_signed_one_is_refused_after_one_clean_try_more(
    bench: Bench, desk: CommandService, plugged: Make
) -> None:
    terminal = plugged()
    desk.order_update(1, NEW, FILE)
    desk.files[1001] = FILE[::-1]
    end = bench.done(1)
    assert (end["state"], end["result"]["code"]) == ("failed", "bad_checksum")
    assert len(desk.downloads) == 2
    assert terminal.firmware.version == OLD


def test_a_file_longer_than_signed_fills_no_disk(bench: Bench, desk: CommandService, plugged: Make) -> None:
    plugged()
    desk.order_update(1, NEW, FILE)
    desk.files[1001] = FILE + b"x" * 5_000_000
    assert bench.done(1)["state"] == "done"


def test_damage_on_the_disk_costs_one_download_more(bench: Bench, desk: CommandService, plugged: Make) -> None:
    plugged()
    arguments = desk.order_update(1, NEW, FILE)
    bench.take()
    folder = bench.settings.state_dir / "firmware"
    folder.mkdir()
    (folder / "update.json").write_text('{"command_id": 1}')
    (folder / f"{arguments['sha256']}.part").write_bytes(b"z" * 5000)
    assert bench.done(1)["state"] == "done"
    assert [headers.get("Range") for headers in desk.downloads] == ["bytes=5000-", None]


def test_a_withdrawn_file_a_refusal_and_a_full_disk_end_the_update(
    bench: Bench, desk: CommandService, plugged: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = plugged()
    desk.order_update(1, NEW, FILE)
    desk.files.clear()
    assert bench.done(1)["result"]["code"] == "cancelled"
    desk.order_update(2, NEW, FILE)
    desk.download_replies.append(problem(403, "許可されていません。"))
    assert bench.done(2)["result"]["code"] == "download_failed"
    monkeypatch.setattr(download, "SPARE_BYTES", 2**60)
    desk.order_update(3, NEW, FILE)
    assert bench.done(3)["result"]["code"] == "no_space"
    assert terminal.firmware.version == OLD


@pytest.mark.parametrize("step", ["downloading", "installing", "restarting"])
def test_a_cancelled_update_stops_at_the_next_safe_point(
    bench: Bench, desk: CommandService, plugged: Make, step: str, tmp_path: Path
) -> None:
    terminal = plugged()
    desk.stop_at = step
    desk.order_update(1, NEW, FILE)
    end = bench.done(1)
    assert (end["state"], end["result"]) == ("failed", {"code": "cancelled", "rolled_back": False})
    assert (terminal.firmware.version, terminal.firmware._staged) == (OLD, None)
    assert not (tmp_path / "firmware").exists()


def test_after_the_restart_an_update_is_led_to_its_end_cancelled_or_not(
    bench: Bench, desk: CommandService, plugged: Make
) -> None:
    terminal = plugged()
    desk.stop_at = "confirming"
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)


def test_a_terminal_that_never_takes_it_is_restarted_three_times(
    bench: Bench, desk: CommandService, plugged: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, asked = plugged(Fault.NEVER_TAKES), list[str]()
    answer = terminal.firmware.answer

    def noted(name: str, words: Mapping[str, str]) -> dict[str, str]:
        asked.append(name)
        return answer(name, words)

    monkeypatch.setattr(terminal.firmware, "answer", noted)
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["result"] == {"code": "wrong_version_after_restart", "rolled_back": True}
    assert asked.count("FWCOMMIT") == 3
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
    desk: CommandService,
    plugged: Make,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    code: str,
    rolled_back: bool,
) -> None:
    monkeypatch.setattr(trial, "ROLL_BACK_SECONDS", 1.0 if fault is Fault.NEVER_RETURNS else 10.0)
    terminal = plugged(fault)
    desk.order_update(1, NEW, FILE)
    end = bench.done(1)
    assert (end["state"], end["result"]) == ("failed", {"code": code, "rolled_back": rolled_back})
    assert end["message"]
    if fault is not Fault.NEVER_RETURNS:
        assert (terminal.firmware.version, terminal.firmware.on_trial) == (OLD, False)
    assert ("rolling_back" in desk.steps(1)) == (fault not in (Fault.REFUSES, Fault.DIES_MIDWAY))


@pytest.mark.parametrize("fault", [Fault.BUSY_ONCE, Fault.RESTARTS_MIDWAY, Fault.DAMAGES])
def test_a_passing_trouble_of_the_terminal_does_not_end_the_update(
    bench: Bench, desk: CommandService, plugged: Make, fault: Fault
) -> None:
    terminal = plugged(fault)
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"
    assert terminal.firmware.version == NEW


def test_a_cable_pulled_in_the_middle_and_put_back_goes_on(
    bench: Bench, desk: CommandService, plugged: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = plugged()
    data = terminal.firmware._data
    pieces: list[int] = []

    def pulled_once(values: dict[str, str]) -> dict[str, str]:
        pieces.append(int(values["offset"]))
        if len(pieces) == 12:
            terminal.toggle_plug()
            threading.Timer(0.3, terminal.toggle_plug).start()
        return data(values)

    monkeypatch.setattr(terminal.firmware, "_data", pulled_once)
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"
    assert terminal.firmware.version == NEW
    # The terminal kept what it had: only the piece around the cut was sent twice.
    assert len(pieces) <= len(FILE) // 336 + 3


def test_another_terminal_on_the_cable_gets_no_firmware(bench: Bench, desk: CommandService, plugged: Make) -> None:
    terminal = plugged(serial="TC200-OTHER")
    desk.order_update(1, NEW, FILE)
    end = bench.done(1)
    assert end["result"]["code"] == "device_lost"
    assert "TC200-OTHER" in end["message"]
    assert terminal.firmware._staged is None


def test_a_version_that_runs_already_needs_nothing(bench: Bench, desk: CommandService, plugged: Make) -> None:
    plugged()
    desk.order_update(1, OLD, FILE)
    assert bench.done(1)["result"] == {"version": OLD}
    assert desk.downloads == []


def test_an_error_that_was_there_before_is_not_the_new_firmwares(
    bench: Bench, desk: CommandService, plugged: Make
) -> None:
    terminal = plugged()
    terminal.toggle_error()
    desk.order_update(1, NEW, FILE)
    assert bench.done(1)["state"] == "done"


def test_a_terminal_that_nobody_confirms_goes_back_by_itself(plugged: Make) -> None:
    terminal = plugged(trial_seconds=0.2)
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
    bench: Bench, desk: CommandService, plugged: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "SLICE_SECONDS", 0.02)
    plugged()
    desk.order_update(1, NEW, FILE * 10)
    bench.take()
    bench.start()
    facts = []
    while 1 not in desk.ends:
        facts.append(collector.read(bench.context.line, SERIAL))
    assert len(facts) >= 5
    assert {fact.connected for fact in facts} == {True}
    assert {fact.error for fact in facts} == {None}
    assert bench.done(1)["state"] == "done"


@pytest.fixture(scope="module")
def killed() -> Iterator[Callable[..., int]]:
    """Runs an agent with a deadly moment in a process of its own; the signal that ended it."""
    command = tied([sys.executable, "-m", "tests.agent.killed"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as mother:

        def run(*arguments: object) -> int:
            assert mother.stdin
            assert mother.stdout
            print(*arguments, file=mother.stdin, flush=True)
            return int(mother.stdout.readline())

        yield run
        mother.terminate()


@pytest.mark.parametrize(
    "moment",
    [
        *("FWDATA", "written:restarting", "FWCONFIRM:answered", "forget"),
        *(
            pytest.param(other, marks=pytest.mark.deep)
            for other in ("written:installing", "FWBEGIN", "write:restarting", "FWCOMMIT:answered", "write:confirming")
        ),
    ],
)
def test_kill_9_at_every_step_ends_in_the_new_firmware_all_the_same(
    bench: Bench, desk: CommandService, plugged: Make, killed: Callable[..., int], tmp_path: Path, moment: str
) -> None:
    terminal = plugged()
    desk.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert killed(tmp_path, desk.url, moment) == signal.SIGKILL
    bench._open()
    bench.start()
    end = desk.wait_for_end(1, 20)
    assert (end["state"], end["result"]) == ("done", {"version": NEW})
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (NEW, False)


@pytest.mark.parametrize("moment", ["write:rolling_back", "written:rolling_back", "FWROLLBACK:answered", "forget"])
def test_kill_9_on_the_way_back_ends_in_the_old_firmware_all_the_same(
    bench: Bench, desk: CommandService, plugged: Make, killed: Callable[..., int], tmp_path: Path, moment: str
) -> None:
    terminal = plugged(Fault.UNWELL)
    desk.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert killed(tmp_path, desk.url, moment) == signal.SIGKILL
    bench._open()
    bench.start()
    end = desk.wait_for_end(1, 20)
    assert end["result"] == {"code": "device_refused", "rolled_back": True}
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (OLD, False)
    assert os.path.exists(tmp_path / "commands.json")


@pytest.mark.parametrize(("fault", "left"), [(None, NEW), (Fault.UNWELL, OLD)])
def test_an_update_that_is_called_off_while_the_agent_is_dead_is_led_to_its_end(
    bench: Bench,
    desk: CommandService,
    plugged: Make,
    killed: Callable[..., int],
    tmp_path: Path,
    fault: Fault | None,
    left: str,
) -> None:
    """The TC-200 runs the new firmware on trial: left alone, it would stay on it for another ten minutes."""
    terminal = plugged(fault)
    desk.order_update(1, NEW, FILE)
    bench.take()
    bench.end()
    assert killed(tmp_path, desk.url, "written:confirming") == signal.SIGKILL
    desk.stop_at = "accepted"
    bench._open()
    bench.start()
    end = desk.wait_for_end(1, 20)
    assert end["state"] == ("failed" if fault else "done")
    assert (terminal.firmware.version, terminal.firmware.on_trial) == (left, False)
