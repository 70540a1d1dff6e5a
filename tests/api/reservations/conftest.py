"""The scene that tests of reservations play in."""

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
from tests.conftest import committed_database, filled_database, own_database
from tests.rls_bypass import seeing_all


@pytest.fixture(scope="session")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """The demo's services and shops are there: `scene.fill` has nothing left to make."""
    with filled_database(running_servers, "genba_stage", masters) as engine:
        yield engine


@pytest.fixture(scope="session")
def planned(running_servers: Home) -> Iterator[Engine]:
    """The coming weeks' 定期作業 are planned, too."""

    def fill(db: Session) -> None:
        scene.fill(db)
        holidays.top_up(db)
        chores.plan(db)

    with filled_database(running_servers, "genba_planned", fill) as engine:
        yield engine


@pytest.fixture
def stage(db: Session) -> Session:
    """The demo's services and shops, on a Wednesday at ten."""
    scene.fill(db)
    return db


@pytest.fixture
def several(running_servers: Home) -> Iterator[Engine]:
    """The same, committed, for what needs several connections at once."""
    with committed_database(running_servers, own_database("genba_reservations")) as url:
        engine = create_engine(seeing_all(url), pool_size=25)
        with Session(engine) as db, db.begin():
            scene.fill(db)
        yield engine
        engine.dispose()
