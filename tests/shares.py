"""How `make test` shares the tests out among its workers, each with servers and databases of its own (pytest-xdist).

A file stays on one worker. The long ones are handed out first, then those that start something dear once for all their
tests: the last long piece decides when everybody may go home. Tests with a browser come afterwards, by themselves.
"""

from __future__ import annotations

import os

import pytest

# Each takes a gigabyte, servers included.
MOST_WORKERS = 6
ONCE = {"module", "package"}
# Half a minute each and more.
LONG = ("tests/api/openapi/", "tests/api/walks/", "tests/house/test_sixth_area.py")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits for a process or a browser leaves its core to another."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After pytest-randomly has shuffled: the order of the files, within them and among the rest stays chance's."""
    items.sort(key=lambda item: (not item.nodeid.startswith(LONG), not starts_something_once(item)))


def starts_something_once(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return any(found[-1].scope in ONCE for found in fixtures)
