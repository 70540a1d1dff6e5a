"""The ticks of a few seconds, in one message."""

from __future__ import annotations

import time

import pytest

from jobs import pulse
from jobs.app import app
from jobs.timetable import PULSE, QUICK_TICKS, TICKS
from service.core.areas import ticks


@pytest.fixture(autouse=True)
def tasks() -> None:
    """All of them are known, as in a worker."""
    app.loader.import_default_modules()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the quick ticks that ran, in their order. They do nothing else."""
    names: list[str] = []
    monkeypatch.setattr(pulse, "_due_at", {})
    for name in QUICK_TICKS:
        monkeypatch.setattr(app.tasks[name], "run", lambda name=name: names.append(name))
    return names


def test_every_tick_has_a_message_of_its_own_or_is_in_the_pulse() -> None:
    assert {*TICKS} - {PULSE} == {*ticks()} - {*QUICK_TICKS}
    assert {"tasks.wake", "outbox.send", "reservations.flow"} <= {*QUICK_TICKS}
    assert PULSE in app.tasks


def test_a_tick_runs_again_when_its_interval_is_over(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(6):
        pulse.pulse()
        now += 1

    assert [runs.count(name) for name in ("tasks.wake", "reservations.look", "outbox.send")] == [6, 3, 2]


def test_a_tick_that_fails_or_is_still_running_does_not_stop_the_others(
    runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no database")

    monkeypatch.setattr(app.tasks["outbox.send"], "run", fail)
    with pulse._running["reservations.flow"]:
        pulse.pulse()

    assert {*runs} == {*QUICK_TICKS} - {"outbox.send", "reservations.flow"}
