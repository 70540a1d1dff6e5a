"""A pytest plugin that notes which test file runs which lines of the product, in the process of the tests.

`-p tests.mutants.recorder`, with `RECORD_TO` naming a folder: one coverage file for each worker. What runs in other
processes (a service of its own, browsers) is not seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
        _recording.switch_context(item.nodeid.partition("::")[0])
    return (yield)


def pytest_sessionfinish() -> None:
    if _FOLDER:
        _recording.stop()
        _recording.save()


def touched(folder: Path, root: Path) -> dict[str, dict[int, set[str]]]:
    """The test files of each line, by the path of the product's file; of a line that is only run by an import, none."""
    found: dict[str, dict[int, set[str]]] = {}
    for data_file in folder.glob("data.*"):
        data = coverage.CoverageData(str(data_file))
        data.read()
        for measured in data.measured_files():
            lines = found.setdefault(str(Path(measured).relative_to(root)), {})
            for line, contexts in data.contexts_by_lineno(measured).items():
                lines.setdefault(line, set()).update(filter(None, contexts))
    return found
