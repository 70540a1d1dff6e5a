"""The demo lives at every hour: each area's main path can be tried at once, and its past agrees with itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from service.agencies.models import Request
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.values.times import DAY, TOKYO, at, local_date, month_of
from service.demo import fill
from service.demo.fleet import simulated_terminals
from service.entries.models import EntryExitLog, Nursery
from service.fleet.incidents.models import Incident
from service.fleet.models import Alert, Liveness, Terminal, TerminalState, terminal_logs
from service.fleet.monthly import queries as monthly
from service.fleet.watch.actions import watch
from service.reservations.flow.actions import advance_due
from service.reservations.models import Reservation, Shop
from service.reservations.outgoing.models import PhoneCall
from stack.home import Home
from tests import people
from tests.conftest import seeded_database

# The first minute of New Year's Day; other nights, mornings, a Sunday and an ordinary afternoon are for `deep`.
MOMENTS = {
    "midnight of a holiday": datetime(2032, 1, 1, 0, 0, tzinfo=TOKYO),
    "early morning": datetime(2031, 1, 8, 5, 25, tzinfo=TOKYO),
    "Sunday evening": datetime(2031, 1, 12, 22, 50, tzinfo=TOKYO),
    "afternoon": datetime(2031, 1, 15, 14, 40, tzinfo=TOKYO),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(moment, id=name.replace(" ", "-"), marks=[pytest.mark.deep] if place else [])
        for place, (name, moment) in enumerate(MOMENTS.items())
    ],
)
def moment(request: pytest.FixtureRequest) -> datetime:
    value: datetime = request.param
    return value


def set_clock(db: Session, moment: datetime) -> None:
    db.execute(text("UPDATE app_clock SET shift = shift + (:moment - app_now())"), {"moment": moment})
    db.execute(update(Liveness).values(alive_at=moment))


@pytest.fixture(scope="module")
def _engine(running_servers: Home, moment: datetime) -> Iterator[Engine]:
    """The demo, started at that moment. Real time goes on while it is filled, so its clock is set again afterwards."""

    def begin(db: Session) -> None:
        set_clock(db, moment)
        fill(db, ["fleet", "reservations", "agencies", "entries"])

    with seeded_database(running_servers, f"genba_hours_{moment:%m%d_%H%M}", begin) as engine:
        yield engine


def read(db: Session, client: TestClient, login_id: str, path: str, **params: Any) -> dict[str, Any]:
    user = db.scalars(select(User).where(User.login_id == login_id)).one()
    response = people.signed_in_client(db, client, user).get(path, params=params)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_the_newest_request_is_called_within_a_minute_by_a_shop_that_says_so(db: Session) -> None:
    newest = db.scalars(select(Reservation).where(Reservation.client_request_id == "demo-now")).one()
    set_clock(db, newest.created_at + timedelta(seconds=50))
    while advance_due(db, 10):
        pass
    call = db.scalars(select(PhoneCall).where(PhoneCall.reservation_id == newest.id)).one()
    assert call.planned_at <= newest.created_at + timedelta(minutes=1)
    [always_open] = db.scalars(select(Shop).where(Shop.opens_at == text("'00:00'"), Shop.closes_at >= text("'23:59'")))
    assert "24時間" in always_open.note


def test_there_are_children_in_a_nursery(db: Session, client: TestClient) -> None:
    nursery = db.scalars(select(Nursery.id).where(Nursery.code == "HMW456")).one()
    now = read(db, client, "entries-admin", "/api/entries/now", nursery_id=nursery)
    assert now["counts"]["in"] >= 1
    assert now["counts"]["overdue"] == 0


def test_in_the_nursery_that_never_closes_there_was_a_child_at_every_minute_of_four_weeks(db: Session) -> None:
    nursery = db.scalars(select(Nursery.id).where(Nursery.code == "HMW456")).one()
    logs = db.scalars(
        select(EntryExitLog).where(EntryExitLog.nursery_id == nursery).order_by(EntryExitLog.timestamp, EntryExitLog.id)
    ).all()
    today = local_date(app_now(db))
    assert {local_date(log.timestamp) for log in logs} == {today - back * DAY for back in range(29)}
    for day, scans in groupby(logs, key=lambda log: local_date(log.timestamp)):
        inside: set[int] = set()
        before = at(day, datetime.min.time())
        for log in scans:
            assert inside or log.timestamp - before <= timedelta(minutes=1), log.timestamp
            (inside.add if log.entry_type == "Entry" else inside.discard)(log.parent_id)
            before = log.timestamp


def test_there_are_cases_to_enter_and_some_came_within_the_hour(db: Session, client: TestClient) -> None:
    cases = read(db, client, "agencies-operator", "/api/agencies/cases")
    assert cases["total"] >= 5
    newest = db.scalar(select(func.max(Request.created_at)))
    assert newest is not None
    assert timedelta() < app_now(db) - newest < timedelta(hours=1)


def test_a_terminal_is_in_trouble_and_the_simulator_goes_on_reporting_it(db: Session, client: TestClient) -> None:
    [incident] = read(db, client, "fleet-support", "/api/fleet/incidents")["items"]
    first = simulated_terminals()[0]
    assert first["store_name"] in str(incident)
    state = db.execute(
        select(TerminalState.status, TerminalState.error)
        .join(Terminal, Terminal.id == TerminalState.terminal_id)
        .where(Terminal.serial_number == first["serial_number"])
    ).one()
    assert tuple(state) == ("error", "カードリーダー応答なし")
    assert watch(db) | {"reminded": 0} == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}


def test_the_simulated_terminals_that_fall_silent_raise_an_alert_at_this_hour(db: Session) -> None:
    serials = [one["serial_number"] for one in simulated_terminals()[-2:]]
    silent = list(db.scalars(select(Terminal.id).where(Terminal.serial_number.in_(serials))))
    heard = {"last_heartbeat_at": app_now(db), "offline_after": app_now(db) + timedelta(minutes=2)}
    db.execute(update(TerminalState).where(TerminalState.terminal_id.in_(silent)).values(status="online", **heard))
    set_clock(db, app_now(db) + timedelta(minutes=3))
    assert watch(db)["opened"] == 2
    alerts = select(Alert.terminal_id).where(Alert.alert_type == "offline", ~Alert.is_resolved)
    assert sorted(db.scalars(alerts)) == sorted(silent)


def troubles(db: Session) -> dict[int, list[tuple[datetime, str]]]:
    """When each terminal came into trouble while it had a heartbeat, by the log of its statuses. Silence in closed
    hours and silence until the agents start are none."""
    lines = db.execute(
        select(terminal_logs.c.terminal_id, terminal_logs.c.at, terminal_logs.c.status, Terminal.store)
        .join(Terminal, Terminal.id == terminal_logs.c.terminal_id)
        .where(terminal_logs.c.status.in_(["offline", "error"]))
        .where(terminal_logs.c.at < app_now(db) - timedelta(minutes=5), Terminal.store != "駅前店")
        .order_by(terminal_logs.c.terminal_id, terminal_logs.c.at)
    ).all()
    by_terminal = groupby(lines, key=attrgetter("terminal_id"))
    return {terminal: [(line.at, line.status) for line in group] for terminal, group in by_terminal}


def test_every_outage_of_the_past_month_has_an_incident_and_every_incident_an_outage(db: Session) -> None:
    alerts = db.execute(
        select(Alert.terminal_id, Alert.created_at, Alert.alert_type).order_by(Alert.terminal_id, Alert.created_at)
    ).all()
    told = {
        terminal: [(alert.created_at, alert.alert_type) for alert in group]
        for terminal, group in groupby(alerts, key=attrgetter("terminal_id"))
    }
    assert told == troubles(db)
    assert db.scalar(select(func.count(Incident.id))) == len(set(db.scalars(select(Alert.incident_id))))
    still_open = db.scalars(select(Incident).where(Incident.resolved_at.is_(None))).all()
    assert [incident.alert_type for incident in still_open] == ["error"]


def test_the_monthly_reports_figures_agree_with_the_incidents(db: Session) -> None:
    now = app_now(db)
    for month in (month_of(now - 31 * DAY), month_of(now)):
        begins, ends = month.bounds()
        facts = monthly.report_facts(db, month, None)
        incidents = select(func.count(Incident.id)).where(Incident.opened_at >= begins, Incident.opened_at < ends)
        assert facts.figures.counts.incidents == db.scalar(incidents)
        in_trouble = Counter(
            terminal for terminal, found in troubles(db).items() for moment, _ in found if begins <= moment < ends
        )
        numbers = dict(db.execute(select(Terminal.id, Terminal.serial_number)).all())
        expected = {numbers[terminal]: count for terminal, count in in_trouble.items()}
        told = {terminal.serial_number: terminal.incidents for terminal in facts.terminals if terminal.incidents}
        # The report knows the days that are over.
        listed = {terminal.serial_number for terminal in facts.terminals}
        assert told == {serial: count for serial, count in expected.items() if serial in listed}
        for terminal in facts.terminals:
            down = terminal.seconds.offline + terminal.seconds.error
            assert not down or terminal.incidents or terminal.serial_number not in expected
