"""Agents that are killed (-9) in the middle of an update."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.simulator.firmware_slots import Fault
from tests.agent.bench import Bench
from tests.agent.conftest import ROOT
from tests.agent.desk import CommandService
from tests.agent.update.conftest import FILE, NEW, OLD, PlugIn
from tests.processes import child_command


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
