"""Firmware: from the signed order to the TC-200 that runs it, on a real pty, over real HTTP."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import terminal as collector
from agent.command import CommandFailed
from agent.firmware import device, order, trial
from agent.simulator.firmware_slots import Fault
from tests.agent.bench import SERIAL, Bench
from tests.agent.desk import KEY, PUBLIC_KEY, CommandService
from tests.agent.update.conftest import FILE, NEW, OLD, PlugIn


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
