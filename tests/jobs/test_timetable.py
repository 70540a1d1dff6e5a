"""When ticks run."""

from __future__ import annotations

from kombu.utils.imports import symbol_by_name

from jobs.timetable import TICKS, StartAtOnce, app


def test_every_tick_runs_at_the_start_and_then_at_its_interval() -> None:
    scheduler = symbol_by_name(app.conf.beat_scheduler)(app)
    assert isinstance(scheduler, StartAtOnce)

    for name, entry in scheduler.schedule.items():
        if name in TICKS:
            is_due, _ = entry.is_due()
            is_due_again, wait = next(entry).is_due()
            assert is_due, name
            assert not is_due_again, name
            assert 0 < wait <= TICKS[name]["schedule"].total_seconds()


def test_a_tick_that_waited_too_long_is_dropped() -> None:
    for name, tick in TICKS.items():
        assert 10 <= tick["options"]["expires"] <= 600, name
