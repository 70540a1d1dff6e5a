"""A TC-200 on a real pty, and short waits."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.backoff import Backoff
from agent.firmware import device, trial
from agent.simulator.firmware_slots import Fault
from agent.simulator.tc200 import SimulatedTerminal
from tests.agent.bench import SERIAL

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
