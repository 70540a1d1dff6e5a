"""One running production for all tests that use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import factories, people
from tests.production import Production, running_production


@pytest.fixture(scope="session")
def production() -> Iterator[Production]:
    """With one administrator, yamada, and three terminals."""
    with running_production() as started:
        with started.scene.db() as db:
            people.create_user(db, "yamada", fleet="admin")
            for number in range(3):
                factories.terminal(db, factories.customer(db), f"TC200-REAL{number}")
        yield started
