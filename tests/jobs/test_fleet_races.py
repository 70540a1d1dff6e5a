"""Alerts of one incident open and end at the same time: the incident closes exactly when its last alert has ended."""

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
from tests.concurrent_transactions import run_concurrently
from tests.jobs.rolling import Fleet
from tests.jobs.test_fleet_watch import advance_clock, record_heartbeat
from tests.restored import RestoredDatabase


@pytest.fixture
def engine(committed: RestoredDatabase) -> Engine:
    return committed.seeing_all


def silent_store(db: Session, tills: int) -> list[int]:
    """The tills of one store, which send no heartbeats any more."""
    customer = factories.customer(db)
    terminals = [factories.terminal(db, customer, store_name=f"本店 レジ{till}番") for till in range(1, tills + 1)]
    for terminal in terminals:
        record_heartbeat(db, terminal)
    advance_clock(db, 12)
    return [terminal.id for terminal in terminals]


def incident_states(engine: Engine) -> list[tuple[bool, int]]:
    """For each incident: whether it is open, and how many of its alerts are."""
    with Session(engine) as db:
        alerts = (
            select(func.count()).where(Alert.incident_id == Incident.id, ~Alert.is_resolved).correlate(Incident)
        ).scalar_subquery()
        rows = db.execute(select(Incident.resolved_at.is_(None), alerts).order_by(Incident.id))
        return [(is_open, count) for is_open, count in rows]


def test_an_incident_is_closed_when_its_last_two_terminals_are_archived_at_once(engine: Engine) -> None:
    with Session(engine) as db, db.begin():
        terminal_id, other_id = silent_store(db, 2)
        actions.watch(db)
        alice = people.create_actor(db, "alice", fleet="admin")
    assert incident_states(engine) == [(True, 2)]

    with Session(engine) as first:
        archive(first, alice, terminal_id)
        run_concurrently(engine, first, lambda db: archive(db, alice, other_id), lambda: None)

    assert incident_states(engine) == [(False, 0)]


def test_an_operator_and_the_watch_can_close_an_incident_at_the_same_time(engine: Engine) -> None:
    with Session(engine) as db, db.begin():
        [terminal_id] = silent_store(db, 1)
        actions.watch(db)
        alice = people.create_actor(db, "alice", fleet="admin")
        online = {
            "status": "online",
            "last_heartbeat_at": app_now(db),
            "offline_after": app_now(db) + timedelta(days=1),
        }
        db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal_id).values(online))
        incident = db.scalars(select(Incident.id)).one()

    with Session(engine) as first:
        queries.get_incident(first, incident, lock=True)
        resolution = schemas.Resolution(version=1, resolution="ルーターを再起動しました。")
        run_concurrently(engine, first, actions.watch, lambda: incidents.resolve(first, alice, incident, resolution))

    assert incident_states(engine) == [(False, 0)]


def test_no_alert_joins_an_incident_that_is_just_being_closed(engine: Engine) -> None:
    with Session(engine) as db, db.begin():
        terminal_id, other_id = silent_store(db, 2)
        # The second one is due a little later than the first.
        due_later = {"offline_after": app_now(db) + timedelta(minutes=1)}
        db.execute(update(TerminalState).where(TerminalState.terminal_id == other_id).values(due_later))
        actions.watch(db)
        alice = people.create_actor(db, "alice", fleet="admin")
        advance_clock(db, 2)
    assert incident_states(engine) == [(True, 1)]

    with Session(engine) as first:
        archive(first, alice, terminal_id)
        run_concurrently(engine, first, actions.watch, lambda: None)

    assert incident_states(engine) == [(False, 0), (True, 1)]


def test_a_terminal_that_is_just_being_archived_gets_no_alert(engine: Engine) -> None:
    with Session(engine) as db, db.begin():
        terminal_id, other_id = silent_store(db, 2)
        # Marked as offline, without an alert yet.
        actions.mark_offline(db)
        alice = people.create_actor(db, "alice", fleet="admin")

    with Session(engine) as first:
        archive(first, alice, terminal_id)
        run_concurrently(engine, first, actions.watch, lambda: None)

    assert incident_states(engine) == [(True, 1)]
    with Session(engine) as db:
        assert db.scalars(select(Alert.terminal_id)).all() == [other_id]


def test_a_terminal_is_archived_while_its_update_is_found_to_have_failed(engine: Engine) -> None:
    with Session(engine) as db, db.begin():
        fleet = Fleet(db, 1)
        fleet.start(waves=[100])
        fleet.advance()
        [task] = fleet.tasks("offered")
        fleet.fail(task)
        terminal_id = task.terminal_id

    with Session(engine) as first:
        get_terminal(first, terminal_id, lock=True)
        run_concurrently(engine, first, firmware.advance, lambda: archive(first, fleet.by, terminal_id))

    with Session(engine) as db:
        assert db.scalars(select(UpdateTask.state)).all() == ["cancelled"]
    assert incident_states(engine) == []
