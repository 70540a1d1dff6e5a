"""Alerts of one incident that open and end in the same moment: the incident is closed when nothing of it is left, and
only then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.firmware import actions as firmware
from service.fleet.firmware.models import UpdateTask
from service.fleet.incidents import actions as incidents
from service.fleet.incidents import queries, schemas
from service.fleet.incidents.models import Incident
from service.fleet.models import Alert, TerminalState
from service.fleet.queries import get_terminal
from service.fleet.terminals.actions import archive
from service.fleet.watch import actions
from tests import factories, people
from tests.concurrent_transactions import beside
from tests.jobs.rolling import Field
from tests.jobs.test_fleet_watch import heard, later
from tests.restored import Restored


@pytest.fixture
def several(committed: Restored) -> Engine:
    return committed.seeing_all


def silent_store(db: Session, tills: int) -> list[int]:
    """The tills of one store, of which nothing is heard any more."""
    customer = factories.customer(db)
    made = [factories.terminal(db, customer, store_name=f"本店 レジ{till}番") for till in range(1, tills + 1)]
    for terminal in made:
        heard(db, terminal)
    later(db, 12)
    return [terminal.id for terminal in made]


def stands(several: Engine) -> list[tuple[bool, int]]:
    """Of each incident: whether it is open, and how many alerts of it are."""
    with Session(several) as db:
        alerts = (
            select(func.count()).where(Alert.incident_id == Incident.id, ~Alert.is_resolved).correlate(Incident)
        ).scalar_subquery()
        rows = db.execute(select(Incident.resolved_at.is_(None), alerts).order_by(Incident.id))
        return [(is_open, count) for is_open, count in rows]


def test_an_incident_is_closed_when_its_last_two_terminals_are_archived_at_once(several: Engine) -> None:
    with Session(several) as db, db.begin():
        one, other = silent_store(db, 2)
        actions.watch(db)
        alice = people.actor(db, "alice", fleet="admin")
    assert stands(several) == [(True, 2)]

    with Session(several) as first:
        archive(first, alice, one)
        beside(several, first, lambda db: archive(db, alice, other), lambda: None)

    assert stands(several) == [(False, 0)]


def test_whoever_closes_an_incident_is_not_in_the_way_of_the_watch_that_sees_it_is_over(several: Engine) -> None:
    with Session(several) as db, db.begin():
        [one] = silent_store(db, 1)
        actions.watch(db)
        alice = people.actor(db, "alice", fleet="admin")
        back = {"status": "online", "last_heartbeat_at": app_now(db), "offline_after": app_now(db) + timedelta(days=1)}
        db.execute(update(TerminalState).where(TerminalState.terminal_id == one).values(back))
        incident = db.scalars(select(Incident.id)).one()

    with Session(several) as first:
        queries.get_incident(first, incident, lock=True)
        said = schemas.Resolution(version=1, resolution="ルーターを再起動しました。")
        beside(several, first, actions.watch, lambda: incidents.resolve(first, alice, incident, said))

    assert stands(several) == [(False, 0)]


def test_nobody_joins_an_incident_that_is_just_being_closed(several: Engine) -> None:
    with Session(several) as db, db.begin():
        one, other = silent_store(db, 2)
        # Missed a little later than the first one.
        a_while = {"offline_after": app_now(db) + timedelta(minutes=1)}
        db.execute(update(TerminalState).where(TerminalState.terminal_id == other).values(a_while))
        actions.watch(db)
        alice = people.actor(db, "alice", fleet="admin")
        later(db, 2)
    assert stands(several) == [(True, 1)]

    with Session(several) as first:
        archive(first, alice, one)
        beside(several, first, actions.watch, lambda: None)

    assert stands(several) == [(False, 0), (True, 1)]


def test_a_terminal_that_is_just_being_archived_gets_no_alert(several: Engine) -> None:
    with Session(several) as db, db.begin():
        one, other = silent_store(db, 2)
        # Known to be silent, and not told of yet.
        actions.mark_offline(db)
        alice = people.actor(db, "alice", fleet="admin")

    with Session(several) as first:
        archive(first, alice, one)
        beside(several, first, actions.watch, lambda: None)

    assert stands(several) == [(True, 1)]
    with Session(several) as db:
        assert db.scalars(select(Alert.terminal_id)).all() == [other]


def test_a_terminal_is_archived_while_its_update_is_found_to_have_failed(several: Engine) -> None:
    with Session(several) as db, db.begin():
        field = Field(db, 1)
        field.started(waves=[100])
        field.look()
        [task] = field.tasks("offered")
        field.goes_wrong(task)
        one = task.terminal_id

    with Session(several) as first:
        get_terminal(first, one, lock=True)
        beside(several, first, firmware.advance, lambda: archive(first, field.by, one))

    with Session(several) as db:
        assert db.scalars(select(UpdateTask.state)).all() == ["cancelled"]
    assert stands(several) == []
