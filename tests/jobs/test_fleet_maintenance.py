"""The watch begins and ends maintenance: it mutes alerts, and its end does not fire those that it muted."""

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
from tests.jobs.test_fleet_watch import advance_clock, mails, open_alerts, record_heartbeat

SILENCE = timedelta(minutes=11)


def plan(db: Session, *terminals: Terminal, starts_in: int = 0, minutes: int = 60) -> list[int]:
    now = app_now(db)
    operator = people.create_actor(db, f"oscar-{terminals[0].id}-{starts_in}", fleet="operator")
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


def run_watch(db: Session) -> None:
    actions.begin_and_end_due(db)
    watch.watch(db)


def test_the_watch_begins_and_ends_a_planned_window(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    [key] = plan(db, terminal, starts_in=5)
    run_watch(db)
    assert state(db, terminal).status == "online"

    advance_clock(db, 6)
    db.commit()
    fleet_jobs.watch()
    assert state(db, terminal).status == "maintenance"
    assert actions.begin_and_end_due(db) == {"maintenance_begun": 0, "maintenance_ended": 0}

    advance_clock(db, 60)
    record_heartbeat(db, terminal, status="maintenance", cpu_run=2)
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
    record_heartbeat(db, terminal)
    plan(db, terminal)
    advance_clock(db, 59)
    run_watch(db)
    assert open_alerts(db) == []

    advance_clock(db, 2)
    run_watch(db)
    assert state(db, terminal).status == "offline"
    assert open_alerts(db) == []
    advance_clock(db, 10)
    run_watch(db)
    assert open_alerts(db) == []

    advance_clock(db, 2)
    run_watch(db)
    assert open_alerts(db) == [(terminal.id, "offline")]
    assert len(mails(db)) == 1


def test_a_terminal_that_reports_an_error_is_in_error_after_maintenance(db: Session) -> None:
    broken, unplugged = factories.terminal(db), factories.terminal(db)
    record_heartbeat(db, broken)
    record_heartbeat(db, unplugged)
    plan(db, broken, unplugged)
    advance_clock(db, 61)
    record_heartbeat(db, broken, status="maintenance", error="紙詰まり", terminal_connected=True)
    record_heartbeat(db, unplugged, status="maintenance", terminal_connected=False)

    actions.begin_and_end_due(db)

    assert state(db, broken).status == state(db, unplugged).status == "error"


def test_our_own_outage_makes_no_terminal_offline_after_maintenance(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    plan(db, terminal)
    advance_clock(db, 0)

    advance_clock(db, 61, service_alive=False)
    actions.begin_and_end_due(db)

    assert state(db, terminal).status == "online"


def test_an_open_alert_stays_open_and_its_incident_sends_no_reminder(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    advance_clock(db, 12)
    run_watch(db)
    [incident_id] = db.scalars(select(Alert.incident_id))

    plan(db, terminal)
    advance_clock(db, 30)
    run_watch(db)

    assert open_alerts(db) == [(terminal.id, "offline")]
    events = db.execute(select(IncidentEvent.kind, IncidentEvent.text).order_by(IncidentEvent.id)).all()
    assert ("maintenance", "改装工事") in [(kind, text) for kind, text in events]
    assert "reminded" not in [kind for kind, _ in events]
    assert len(mails(db)) == 1

    advance_clock(db, 31)
    record_heartbeat(db, terminal, status="maintenance")
    run_watch(db)
    assert open_alerts(db) == []
    assert state(db, terminal).status == "online"
    assert db.scalars(select(Alert.incident_id)).all() == [incident_id]


def test_an_incident_with_a_terminal_outside_maintenance_sends_reminders(db: Session) -> None:
    customer = factories.customer(db)
    inside, outside = factories.terminal(db, customer), factories.terminal(db, customer)
    record_heartbeat(db, inside)
    record_heartbeat(db, outside)
    advance_clock(db, 12)
    run_watch(db)
    plan(db, inside)

    advance_clock(db, 6)
    run_watch(db)

    assert "reminded" in db.scalars(select(IncidentEvent.kind)).all()


def test_a_window_that_the_watch_missed_ends_without_having_begun(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    [key] = plan(db, terminal, starts_in=5, minutes=10)

    advance_clock(db, 30)
    record_heartbeat(db, terminal)
    actions.begin_and_end_due(db)

    window = db.get_one(Maintenance, key, populate_existing=True)
    assert (window.begun_at, window.ended_by) == (None, "システム")
    assert state(db, terminal).status == "online"


def test_one_window_follows_another(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    plan(db, terminal, minutes=60)
    plan(db, terminal, starts_in=60, minutes=60)

    advance_clock(db, 61)
    assert actions.begin_and_end_due(db) == {"maintenance_begun": 1, "maintenance_ended": 1}

    assert state(db, terminal).status == "maintenance"
