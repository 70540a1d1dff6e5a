"""Fixtures of the pages of 代替機管理."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.loaners import begun


@pytest.fixture(autouse=True)
def clear_drafts() -> Iterator[None]:
    """What users typed in one test is not there in the next."""
    begun._all.clear()
    yield
    begun._all.clear()
