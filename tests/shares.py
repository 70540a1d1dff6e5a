"""How `make test` distributes the tests over its workers (pytest-xdist), and how long the files take.

All tests of a file run on one worker, and so do groups of files that share an expensive setup. The files that took
longest in the table of `make test-times` start first, so that no long file starts last.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

# Each takes a gigabyte of memory.
MAX_WORKERS = 6
# Groups of tests that run on one worker, because their shared setup takes longer than they do: the OpenAPI document,
# the running product.
GROUPS = (
    ("tests/api/walks/", "tests/api/openapi/", "tests/api/fleet/test_cross_tokens.py"),
    ("tests/browser/product/",),
    ("tests/browser/station_faults/",),
    ("tests/browser/test_agencies_", "tests/browser/test_files.py"),
    ("tests/browser/test_guides.py", "tests/browser/test_reservation_pages.py"),
)
TIMES_FILE = Path(__file__).parent / "times.tsv"
# For a file that is not in the table: it might be long.
DEFAULT_SECONDS = 30.0


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, because tests often wait for a process."""
    return min((os.cpu_count() or 1) + 1, MAX_WORKERS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return LongestFirstScheduling(config, log) if config.option.dist == "loadfile" else None


def recorded_times() -> dict[str, float]:
    """Seconds by test file, from the committed table."""
    lines = TIMES_FILE.read_text().splitlines() if TIMES_FILE.exists() else []
    return {name: float(seconds) for name, _, seconds in (line.partition("\t") for line in lines) if seconds}


class LongestFirstScheduling(LoadFileScheduling):
    """Starts the longest files first."""

    def _split_scope(self, nodeid: str) -> str:
        group = (paths[0] for paths in GROUPS if nodeid.startswith(paths))
        return next(group, "") or nodeid.partition("::")[0]

    def schedule(self) -> None:
        if self.collection is None:
            self._times: dict[str, float] = {}
            for file, seconds in recorded_times().items():
                scope = self._split_scope(file)
                self._times[scope] = self._times.get(scope, 0) + seconds
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = max(self.workqueue, key=lambda scope: self._times.get(scope, DEFAULT_SECONDS))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


class TimeBudget:
    """Skips the tests that have not started when the minutes are over. Another day's seed gives another order."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes
        self._ends = time.monotonic() + minutes * 60

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if time.monotonic() > self._ends:
            pytest.skip(f"the budget of {self._minutes:g} minutes is over")


class FileTimes:
    """Sums the seconds of each file, with set-up and tear-down, in the process that prints the summary."""

    def __init__(self, write_to: Path | None) -> None:
        self._seconds: dict[str, float] = {}
        self._write_to = write_to

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self._seconds[file] = self._seconds.get(file, 0) + report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seconds) < 2:
            return
        terminalreporter.section("slowest files")
        slowest = sorted(self._seconds.items(), key=lambda item: -item[1])
        for file, seconds in slowest[:5]:
            terminalreporter.write_line(f"{seconds:6.1f} s  {file}")
        if self._write_to:
            self._write_to.write_text("".join(f"{file}\t{seconds:.1f}\n" for file, seconds in slowest))
