"""Maintenance begins and ends by the watch: it mutes alerts, and its end does not fire what it hid."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.database.clock import app_now
from service.fleet.incidents.models import IncidentEvent
from service.fleet.maintenance import actions, schemas
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Terminal, TerminalState, terminal_logs
from service.fleet.watch import actions as watch
from tests import factories, people
from tests.jobs.test_fleet_watch import heard, later, mails, open_alerts

SILENCE = timedelta(minutes=11)


def planned(db: Session, *terminals: Terminal, starts_in: int = 0, minutes: int = 60) -> list[int]:
    now = app_now(db)
    operator = people.actor(db, f"oscar-{terminals[0].id}-{starts_in}", fleet="operator")
    return actions.plan(
        db,
        operator,
        schemas.NewMaintenance(
            terminal_ids=[terminal.id for terminal in terminals],
            starts_at=now + timedelta(minutes=starts_in) if starts_in else None,
            ends_at=now + timedelta(minutes=starts_in + minutes),
            reason="改装工事",
        ),
    )


def state(db: Session, terminal: Terminal) -> TerminalState:
    db.expire_all()
    return db.get_one(TerminalState, terminal.id)


def look(db: Session) -> None:
    actions.begin_and_end_due(db)
    watch.watch(db)


def test_the_watch_begins_and_ends_a_planned_window(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    [key] = planned(db, terminal, starts_in=5)
    look(db)
    assert state(db, terminal).status == "online"

    later(db, 6)
    db.commit()
    fleet_jobs.watch()
    assert state(db, terminal).status == "maintenance"
    assert actions.begin_and_end_due(db) == {"maintenance_begun": 0, "maintenance_ended": 0}

    later(db, 60)
    heard(db, terminal, status="maintenance", cpu_run=2)
    db.commit()
    fleet_jobs.watch()
    ended = state(db, terminal)
    assert (ended.status, ended.cpu_run) == ("online", 0)
    assert ended.offline_after == ended.alerts_from == app_now(db) + SILENCE
    window = db.get_one(Maintenance, key)
    assert window.begun_at is not None
    assert window.ended_by == "システム"
    log = terminal_logs.c
    kinds = db.scalars(select(log.kind).where(log.kind.startswith("maintenance")).order_by(log.id)).all()
    assert kinds == ["maintenance_planned", "maintenance_started", "maintenance_ended"]


def test_silence_during_maintenance_is_no_alert_and_its_end_waits_before_there_is_one(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    planned(db, terminal)
    later(db, 59)
    look(db)
    assert open_alerts(db) == []

    later(db, 2)
    look(db)
    assert state(db, terminal).status == "offline"
    assert open_alerts(db) == []
    later(db, 10)
    look(db)
    assert open_alerts(db) == []

    later(db, 2)
    look(db)
    assert open_alerts(db) == [(terminal.id, "offline")]
    assert len(mails(db)) == 1


def test_who_reports_an_error_at_the_end_is_in_error(db: Session) -> None:
    broken, unplugged = factories.terminal(db), factories.terminal(db)
    heard(db, broken)
    heard(db, unplugged)
    planned(db, broken, unplugged)
    later(db, 61)
    heard(db, broken, status="maintenance", error="紙詰まり", terminal_connected=True)
    heard(db, unplugged, status="maintenance", terminal_connected=False)

    actions.begin_and_end_due(db)

    assert state(db, broken).status == state(db, unplugged).status == "error"


def test_our_own_absence_makes_nobody_offline_at_the_end(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    planned(db, terminal)
    later(db, 0)

    later(db, 61, service_alive=False)
    actions.begin_and_end_due(db)

    assert state(db, terminal).status == "online"


def test_an_open_alert_stays_open_its_incident_says_why_and_nobody_is_reminded(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    later(db, 12)
    look(db)
    [incident_id] = db.scalars(select(Alert.incident_id))

    planned(db, terminal)
    later(db, 30)
    look(db)

    assert open_alerts(db) == [(terminal.id, "offline")]
    events = db.execute(select(IncidentEvent.kind, IncidentEvent.text).order_by(IncidentEvent.id)).all()
    assert ("maintenance", "改装工事") in [(kind, text) for kind, text in events]
    assert "reminded" not in [kind for kind, _ in events]
    assert len(mails(db)) == 1

    later(db, 31)
    heard(db, terminal, status="maintenance")
    look(db)
    assert open_alerts(db) == []
    assert state(db, terminal).status == "online"
    assert db.scalars(select(Alert.incident_id)).all() == [incident_id]


def test_an_incident_with_one_terminal_outside_maintenance_is_reminded_of(db: Session) -> None:
    customer = factories.customer(db)
    inside, outside = factories.terminal(db, customer), factories.terminal(db, customer)
    heard(db, inside)
    heard(db, outside)
    later(db, 12)
    look(db)
    planned(db, inside)

    later(db, 6)
    look(db)

    assert "reminded" in db.scalars(select(IncidentEvent.kind)).all()


def test_a_window_that_nobody_was_there_to_begin_is_over_without_having_been(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    [key] = planned(db, terminal, starts_in=5, minutes=10)

    later(db, 30)
    heard(db, terminal)
    actions.begin_and_end_due(db)

    window = db.get_one(Maintenance, key, populate_existing=True)
    assert (window.begun_at, window.ended_by) == (None, "システム")
    assert state(db, terminal).status == "online"


def test_one_window_follows_another(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    planned(db, terminal, minutes=60)
    planned(db, terminal, starts_in=60, minutes=60)

    later(db, 61)
    assert actions.begin_and_end_due(db) == {"maintenance_begun": 1, "maintenance_ended": 1}

    assert state(db, terminal).status == "maintenance"
