"""How `make test` shares the tests out among its workers (pytest-xdist), and what the files take.

A file stays on one worker, and so do the files of a folder that stand on something dear. What took longest in the table
of `make test-times` goes first: the last long piece decides when everybody may go home.
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

# Each takes a gigabyte.
MOST_WORKERS = 6
# Tests that share something that takes longer to make than they do: the OpenAPI document, the product.
TOGETHER = (
    ("tests/api/walks/", "tests/api/openapi/", "tests/api/fleet/test_cross_tokens.py"),
    ("tests/browser/product/",),
    ("tests/browser/station_faults/",),
    ("tests/browser/test_agencies_", "tests/browser/test_files.py"),
    ("tests/browser/test_guides.py", "tests/browser/test_reservation_pages.py"),
)
TIMES = Path(__file__).parent / "times.tsv"
# Of a file that the table does not know: it might be long.
UNKNOWN_SECONDS = 30.0


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits for a process leaves its core to another."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return ByTimes(config, log) if config.option.dist == "loadfile" else None


def known_times() -> dict[str, float]:
    """Seconds by test file, from the committed table."""
    lines = TIMES.read_text().splitlines() if TIMES.exists() else []
    return {name: float(seconds) for name, _, seconds in (line.partition("\t") for line in lines) if seconds}


class ByTimes(LoadFileScheduling):
    """The longest first."""

    def _split_scope(self, nodeid: str) -> str:
        together = (paths[0] for paths in TOGETHER if nodeid.startswith(paths))
        return next(together, "") or nodeid.partition("::")[0]

    def schedule(self) -> None:
        if self.collection is None:
            self._times: dict[str, float] = {}
            for file, seconds in known_times().items():
                scope = self._split_scope(file)
                self._times[scope] = self._times.get(scope, 0) + seconds
        super().schedule()

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = max(self.workqueue, key=lambda scope: self._times.get(scope, UNKNOWN_SECONDS))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


class Budget:
    """What has not begun when the minutes are over is left for another day: its seed has another order."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes
        self._ends = time.monotonic() + minutes * 60

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if time.monotonic() > self._ends:
            pytest.skip(f"the budget of {self._minutes:g} minutes is over")


class Times:
    """Seconds of each file, tests with their set-up and tear-down, in the process that prints the summary."""

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
        listed = sorted(self._seconds.items(), key=lambda one: -one[1])
        for file, seconds in listed[:5]:
            terminalreporter.write_line(f"{seconds:6.1f} s  {file}")
        if self._write_to:
            self._write_to.write_text("".join(f"{file}\t{seconds:.1f}\n" for file, seconds in listed))
