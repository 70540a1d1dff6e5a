"""Fixtures: databases with the demo's services and shops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from service.core import holidays
from service.demo.reservations import masters
from service.reservations.chores import actions as chores
from stack.home import Home
from tests.api.reservations import scene
from tests.conftest import committed_database, seeded_database, worker_database_name
from tests.reservation_locks import locked_once
from tests.rls_bypass import rls_bypass_url


@pytest.fixture(scope="session")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """The demo's services and shops are stored: `scene.fill` has nothing to create."""
    with seeded_database(running_servers, "genba_stage", masters) as engine:
        yield engine


@pytest.fixture(scope="session")
def planned_engine(running_servers: Home) -> Iterator[Engine]:
    """The coming weeks' 定期作業 are planned, too."""

    def fill(db: Session) -> None:
        scene.fill(db)
        holidays.top_up(db)
        chores.plan(db)

    with seeded_database(running_servers, "genba_planned", fill) as engine:
        yield engine


@pytest.fixture
def stage(db: Session) -> Session:
    """The demo's services and shops, on a Wednesday at ten."""
    scene.fill(db)
    return db


@pytest.fixture
def pooled_engine(running_servers: Home) -> Iterator[Engine]:
    """The same, committed, for tests that need several connections at once."""
    with committed_database(running_servers, worker_database_name("genba_reservations")) as url:
        engine = create_engine(rls_bypass_url(url), pool_size=25)
        with Session(engine) as db, db.begin():
            scene.fill(db)
        yield engine
        engine.dispose()


@pytest.fixture(autouse=True)
def _reservations_are_locked_once(request: pytest.FixtureRequest) -> Iterator[None]:
    with locked_once(exempt=request.getfixturevalue("db") if "db" in request.fixturenames else None):
        yield
