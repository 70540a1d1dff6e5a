"""Many reservations and one telephone line: a waiting reservation gets one event, and the line as soon as it is
free."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.reservations.flow import actions
from service.reservations.models import Reservation
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from tests.api.reservations import scene

MINUTE = timedelta(minutes=1)


def waiting(db: Session, count: int) -> list[Reservation]:
    """Reservations that wait for the only shop in use; each has its event, and has found the line busy once."""
    scene.shop(db, "S002").blacklisted_at = app_now(db)
    db.flush()
    reservations = [scene.create_reservation(db) for _ in range(count)]
    scene.pass_time(db)
    scene.pass_time(db, timedelta(seconds=15))
    return reservations


def kinds(db: Session, reservation: Reservation) -> list[str]:
    return [event.kind for event in scene.timeline(db, reservation)]


def test_waiting_for_a_line_is_recorded_once_however_long_it_takes(stage: Session) -> None:
    _, other = waiting(stage, 2)
    before = kinds(stage, other)
    assert before.count("shops_closed") == 1

    for _ in range(5):
        scene.pass_time(stage, MINUTE)

    assert kinds(stage, other) == before
    assert other.next_action_at is not None
    assert app_now(stage) < other.next_action_at <= app_now(stage) + 1.5 * MINUTE


def test_the_first_reservation_gets_the_line_as_soon_as_it_is_free(stage: Session) -> None:
    first, second, third = waiting(stage, 3)

    scene.record_shop_answer(stage, first, Answer.OK)
    scene.pass_time(stage)

    assert scene.case(stage, second).call is not None
    assert scene.case(stage, third).call is None


def test_a_call_that_is_ended_for_the_customer_frees_the_line_too(stage: Session) -> None:
    first, second = waiting(stage, 2)

    actions.record_event(stage, first.id, e.CancelAsked(by="customer"), source="customer")
    scene.pass_time(stage)

    assert scene.case(stage, second).call is not None
    assert scene.active_call(stage, second).phone == "+81312340001"


def test_a_reservation_whose_turn_at_the_shop_is_over_is_not_woken_for_it(stage: Session) -> None:
    first, second, third = waiting(stage, 3)
    scene.record_shop_answer(stage, first, Answer.REFUSED)
    scene.pass_time(stage)
    scene.record_shop_answer(stage, second, Answer.REFUSED)
    scene.pass_time(stage)

    # The first two have called it in this round; it is the third's turn.
    assert scene.case(stage, third).call is not None
