"""The serial line is shared: one user at a time, and no thread starves."""

import threading
from pathlib import Path
from time import monotonic, sleep

import pytest

from agent import line as line_module
from agent.line import SharedLine
from agent.simulator.tc200 import SimulatedTerminal
from agent.tc200 import PortUnavailable


def test_a_reading_gets_its_turn_while_an_update_comes_back_at_once_again_and_again(
    tc200: SimulatedTerminal, tmp_path: Path
) -> None:
    shared = SharedLine(str(tmp_path / "tc200"), 2)
    stop = threading.Event()
    slices: list[float] = []

    def update() -> None:
        while not stop.is_set():
            with shared.open():
                slices.append(monotonic())
                sleep(0.05)

    thread = threading.Thread(target=update)
    thread.start()
    try:
        for _ in range(5):
            before = len(slices)
            with shared.open() as terminal:
                assert terminal.info().model == "TC-200"
            # The slice in progress, and at most one more.
            assert len(slices) - before <= 2
    finally:
        stop.set()
        thread.join()


def test_a_line_that_is_never_given_back_is_named(
    tc200: SimulatedTerminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "PATIENCE_SECONDS", 0.05)
    shared = SharedLine(str(tmp_path / "tc200"), 1)
    with shared.open(), pytest.raises(PortUnavailable, match="使用中"), shared.open():
        pass
    with shared.open() as terminal:
        assert terminal.info().model == "TC-200"


def test_expected_silence_has_an_end() -> None:
    shared = SharedLine("none", 1)
    assert not shared.absence_expected()
    shared.expect_absence(30)
    assert shared.absence_expected()
    shared.expect_absence(0)
    assert not shared.absence_expected()
