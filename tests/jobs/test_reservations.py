"""The reservations area's ticks: they advance what is due, each reservation in its own transaction, and only once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs import reservations
from service.core.database.clock import app_now
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.reservations.flow import queries
from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.rules import EarliestCall
from tests.api.reservations import scene


@pytest.fixture
def filled_db(db: Session) -> Session:
    scene.fill(db)
    db.commit()
    return db


def test_a_tick_advances_all_due_reservations_and_a_second_one_finds_none(filled_db: Session) -> None:
    created = [
        scene.create_reservation(filled_db),
        scene.create_reservation(filled_db, service_code="cake", plan_code="5"),
    ]
    filled_db.commit()

    reservations.advance_reservations()
    reservations.advance_reservations()

    for reservation in created:
        filled_db.refresh(reservation)
    assert [reservation.state for reservation in created] == ["calling", "calling"]
    assert filled_db.scalar(select(func.count()).where(OutboxMessage.topic == "voice")) == 2
    assert filled_db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.flow")).all()


def test_a_passed_deadline_is_handled_by_the_next_tick(filled_db: Session) -> None:
    reservation = scene.awaiting_payment(filled_db)
    scene.set_clock(filled_db, app_now(filled_db) + timedelta(minutes=10))
    filled_db.commit()

    reservations.advance_reservations()

    filled_db.refresh(reservation)
    assert reservation.state == "expiring"


def test_a_failing_reservation_does_not_roll_back_the_others(
    filled_db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, healthy = (
        scene.create_reservation(filled_db),
        scene.create_reservation(filled_db, service_code="cake", plan_code="5"),
    )
    filled_db.commit()
    due_event = machine.due_event

    def failing_due_event(case: Case, now: datetime, free: EarliestCall) -> e.Event | None:
        if case == broken_case:
            raise RuntimeError("a case that nobody expected")
        return due_event(case, now, free)

    broken_case = queries.case_of(broken)
    monkeypatch.setattr(machine, "due_event", failing_due_event)
    reservations.advance_reservations()

    filled_db.refresh(broken)
    filled_db.refresh(healthy)
    assert (broken.state, healthy.state) == ("requested", "calling")
