"""A pytest plugin that notes which test runs which lines of the product, in the process of the tests.

`-p tests.mutants.recorder`, with `RECORD_TO` naming a folder: one coverage file for each worker. What runs in other
processes (a service of its own, browsers) is not seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import coverage
import pytest

from tests.mutants.faults import ROOMS

_FOLDER = Path(os.environ["RECORD_TO"]) if "RECORD_TO" in os.environ else None
_recording = coverage.Coverage(
    data_file=str(_FOLDER / "data") if _FOLDER else None, data_suffix=str(os.getpid()), config_file=False, source=ROOMS
)
if _FOLDER:
    _recording.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if _FOLDER:
        _recording.switch_context(item.nodeid)
    return (yield)


def pytest_sessionfinish() -> None:
    if _FOLDER:
        _recording.stop()
        _recording.save()


BREADTH = "SELECT context, count(*) FROM line_bits JOIN context ON context.id = context_id GROUP BY context"


class Recorded:
    """What was noted by all workers."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root
        self._parts = [coverage.CoverageData(str(file)) for file in folder.glob("data.*")]
        # Product files that each test runs something of.
        self._breadth: Counter[str] = Counter()
        for part in self._parts:
            part.read()
            with closing(sqlite3.connect(part.data_filename())) as tables:
                self._breadth.update(dict(tables.execute(BREADTH)))

    def tests(self, path: str, lines: Collection[int]) -> list[str]:
        """Those that run one of these lines of the product's file, or any of it where none does, those first that run
        least beside it."""
        # Of a line that is run by an import, no test is named.
        test_names = self._tests_of(path, lines) - {""} or self._tests_of(path, ()) - {""}
        return sorted(test_names, key=lambda name: (self._breadth[name], name))

    def _tests_of(self, path: str, lines: Collection[int]) -> set[str]:
        by_lines = [part.contexts_by_lineno(str(self._root / path)) for part in self._parts]
        return {name for by_line in by_lines for line in lines or by_line for name in by_line.get(line, ())}
