"""Of the pages of 代替機管理."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.loaners import begun


@pytest.fixture(autouse=True)
def nothing_begun() -> Iterator[None]:
    """People of one test have typed nothing in another one."""
    begun.delete_all_drafts()
    yield
    begun.delete_all_drafts()
