"""Learned opening hours over HTTP: how they are shown, and the two switches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.values.times import day_bounds, local_date
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Terminal, TerminalState, terminal_logs
from tests import factories

WEEK = ("0" * 18 + "1" * 6) + ("1" * 2 + "0" * 16 + "1" * 6) * 5 + ("1" * 2 + "0" * 22)
SWITCH = "learned_hours"


def hours_url(terminal: Terminal) -> str:
    return f"/api/fleet/terminals/{terminal.id}/hours"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


@pytest.fixture
def bars(db: Session) -> list[Terminal]:
    """Two terminals of one customer and one of another, all open at night; silent since a minute ago, and their
    alerts wait."""
    customer = factories.customer(db, "ABC商事")
    terminals = [factories.terminal(db, of) for of in (customer, customer, None)]
    midnight, _ = day_bounds(local_date(app_now(db)))
    for terminal in terminals:
        values = {"terminal_id": terminal.id, "learned_until": midnight, "days": 28}
        db.add(LearnedHours(**values, week=WEEK, ahead=[0] * 192))
    waits = {"status": "offline", "alert_after": app_now(db) + timedelta(hours=3)}
    db.execute(update(TerminalState).values(last_heartbeat_at=app_now(db), **waits))
    db.commit()
    return terminals


def waiting_state(db: Session, terminal: Terminal) -> tuple[bool, bool]:
    """Whether hours are planned ahead, and whether the alert of the present silence waits."""
    db.expire_all()
    state = db.get_one(TerminalState, terminal.id)
    return db.get_one(LearnedHours, terminal.id).ahead is not None, state.alert_after is not None


def audited(db: Session) -> list[tuple[str, Any, Any]]:
    entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "update").order_by(AuditEntry.id))
    return [(entry.subject, entry.before, entry.after) for entry in entries]


def test_hours_are_shown_by_weekday_and_the_night_belongs_to_its_evening(
    admin: TestClient, db: Session, bars: list[Terminal]
) -> None:
    hours = admin.get(hours_url(bars[0])).json()

    assert hours["week"] == [[{"opens": 18, "closes": 26}]] * 6 + [[]]
    assert (hours["setting"], hours["customer"], hours[SWITCH]) == (True, True, True)
    assert (hours["days"], hours["days_needed"]) == (28, 14)
    assert hours["alert_after"] is not None
    detail = admin.get(f"/api/fleet/terminals/{bars[0].id}").json()
    assert detail["diagnosis"]["finding"] == "closed"

    without_hours = admin.get(hours_url(factories.terminal(db))).json()
    assert (
        without_hours["week"],
        without_hours["days"],
        without_hours["learned_until"],
        without_hours["alert_after"],
    ) == (None, 0, None, None)


def test_a_terminal_that_is_switched_off_waits_no_longer(admin: TestClient, db: Session, bars: list[Terminal]) -> None:
    answer = admin.put(hours_url(bars[0]), json={SWITCH: False})

    assert answer.status_code == 200
    assert (answer.json()[SWITCH], answer.json()["alert_after"]) == (False, None)
    assert [waiting_state(db, terminal) for terminal in bars] == [(False, False), (True, True), (True, True)]
    assert admin.get(f"/api/fleet/terminals/{bars[0].id}").json()["diagnosis"]["finding"] == "store_silent"

    admin.put(hours_url(bars[0]), json={SWITCH: False})  # changes nothing
    admin.put(hours_url(bars[0]), json={SWITCH: True})

    assert waiting_state(db, bars[0]) == (True, False)
    assert any(db.get_one(LearnedHours, bars[0].id).ahead or ())
    assert audited(db) == [("terminal", {SWITCH: not on}, {SWITCH: on}) for on in (False, True)]
    log = terminal_logs.c
    lines = db.execute(select(log.detail, log.by).where(log.kind == "edited", log.terminal_id == bars[0].id)).all()
    assert [(detail["fields"], by) for detail, by in lines] == [([SWITCH], "alice さん")] * 2


def test_a_customer_switches_all_its_terminals_and_their_own_switches_stay(
    admin: TestClient, db: Session, bars: list[Terminal]
) -> None:
    customers = f"/api/fleet/customers/{bars[0].customer_id}/hours"
    assert admin.get(customers).json() == {"setting": True, SWITCH: True}
    admin.put(hours_url(bars[0]), json={SWITCH: False})

    assert admin.put(customers, json={SWITCH: False}).json()[SWITCH] is False
    assert [waiting_state(db, terminal) for terminal in bars] == [(False, False), (False, False), (True, True)]
    assert admin.get(hours_url(bars[1])).json()["customer"] is False

    admin.put(customers, json={SWITCH: True})
    assert [waiting_state(db, terminal)[0] for terminal in bars] == [False, True, True]
    assert audited(db)[1:] == [("customer", {SWITCH: not on}, {SWITCH: on}) for on in (False, True)]


@pytest.mark.parametrize("body", [{}, {SWITCH: None}, {SWITCH: "maybe"}, {SWITCH: True, "week": WEEK}])
def test_a_switch_is_on_or_off(admin: TestClient, bars: list[Terminal], body: dict[str, Any]) -> None:
    assert admin.put(hours_url(bars[0]), json=body).status_code == 422


def test_what_is_not_there_has_no_hours(admin: TestClient) -> None:
    for path in ("/api/fleet/terminals/999999/hours", "/api/fleet/customers/999999/hours"):
        assert admin.get(path).status_code == 404
        assert admin.put(path, json={SWITCH: False}).status_code == 404
