"""The reservations' ticks: they find what is due, each reservation in a transaction of its own, and only once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs import reservations
from service.core.database.clock import app_now
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.reservations.cases.rules import Case
from service.reservations.events import rules as e
from service.reservations.flow import queries
from service.reservations.machine import rules as machine
from service.reservations.machine.rules import EarliestCall
from tests.api.reservations import scene


@pytest.fixture
def stage(db: Session) -> Session:
    scene.fill(db)
    db.commit()
    return db


def test_a_tick_moves_on_all_that_is_due_and_a_second_one_finds_nothing(stage: Session) -> None:
    made = [scene.ask(stage), scene.ask(stage, service_code="cake", plan_code="5")]
    stage.commit()

    reservations.advance_reservations()
    reservations.advance_reservations()

    for reservation in made:
        stage.refresh(reservation)
    assert [one.state for one in made] == ["calling", "calling"]
    assert stage.scalar(select(func.count()).where(OutboxMessage.topic == "voice")) == 2
    assert stage.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.flow")).all()


def test_a_deadline_is_served_by_the_next_tick(stage: Session) -> None:
    reservation = scene.awaiting(stage)
    scene.set_clock(stage, app_now(stage) + timedelta(minutes=10))
    stage.commit()

    reservations.advance_reservations()

    stage.refresh(reservation)
    assert reservation.state == "expiring"


def test_what_fails_in_one_takes_nothing_back_of_the_others(stage: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = scene.ask(stage), scene.ask(stage, service_code="cake", plan_code="5")
    stage.commit()
    real = machine.due_event

    def due(case: Case, now: datetime, free: EarliestCall) -> e.Event | None:
        if case == before:
            raise RuntimeError("a case that nobody expected")
        return real(case, now, free)

    before = queries.case_of(broken)
    monkeypatch.setattr(machine, "due_event", due)
    reservations.advance_reservations()

    stage.refresh(broken)
    stage.refresh(sound)
    assert (broken.state, sound.state) == ("requested", "calling")
