"""The database of the tests of 予約運用's pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from service.demo.reservations import masters
from stack.home import Home
from tests.conftest import seeded_database


@pytest.fixture(scope="session")
def _engine(running_servers: Home) -> Iterator[Engine]:
    with seeded_database(running_servers, "genba_stage_of_pages", masters) as engine:
        yield engine
