"""運営ダッシュボード: today's reservations by state, manual tasks, the week's rates, and the latest Slack messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import DAY
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.settings import settings
from service.reservations.state_machine.states import Answer, Task
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo

SignIn = Callable[..., TestClient]
DASHBOARD = "/api/reservations/dashboard"


@pytest.fixture
def olivia(sign_in: SignIn, stage: Session) -> TestClient:
    return sign_in("olivia", reservations="operator")


def get_block(client: TestClient, name: str) -> dict[str, Any]:
    response = client.get(f"{DASHBOARD}/{name}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_day_on_which_nothing_happened(olivia: TestClient) -> None:
    today = get_block(olivia, "today")

    assert (today["day"], today["requested"], today["states"], today["operations"]) == ("2031-01-08", 0, [], [])
    assert get_block(olivia, "notices")["items"] == []
    assert get_block(olivia, "week")["this"]["success"] == {"part": 0, "whole": 0, "share": None}


def test_todays_reservations_by_their_current_state(olivia: TestClient, stage: Session) -> None:
    outcomes.timed_out(stage, outcomes.awaiting_payment(stage, tokyo(2031, 1, 8, 9, 0)))
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0), starts_at=tokyo(2031, 1, 8, 19, 0))
    outcomes.requested(stage, tokyo(2031, 1, 7, 9, 0))  # yesterday, before this time
    outcomes.requested(stage, tokyo(2031, 1, 7, 23, 59, 59))  # and after it
    outcomes.requested(stage, tokyo(2031, 1, 8, 10, 30), service_code="cake", plan_code="4")

    today = get_block(olivia, "today")
    assert today["requested"] == 3
    assert today["states"] == [
        {"state": "requested", "number": 1},
        {"state": "payment_timeout", "number": 1},
        {"state": "confirmed", "number": 1},
    ]
    assert (today["before"], today["starting"]) == (1, 1)


def test_the_day_begins_at_midnight_in_tokyo(olivia: TestClient, stage: Session) -> None:
    outcomes.requested(stage, tokyo(2031, 1, 8, 23, 59, 59))
    assert get_block(olivia, "today")["requested"] == 1

    scene.set_clock(stage, tokyo(2031, 1, 9))
    assert (get_block(olivia, "today")["requested"], get_block(olivia, "today")["day"]) == (0, "2031-01-09")


def open_task(db: Session, kind: Task) -> Operation:
    reservation = scene.create_reservation(db)
    return operations.open_operation(db, reservation.id, reservation.code, kind)


def test_todays_manual_tasks_are_open_or_done_and_older_ones_are_counted_too(
    olivia: TestClient, stage: Session
) -> None:
    scene.set_clock(stage, tokyo(2031, 1, 7, 17, 50))
    open_task(stage, Task.VAGUE_ANSWER)
    # A task that was completed on an earlier day does not count today.
    open_task(stage, Task.DISPUTE).resolved_at = app_now(stage)
    scene.set_clock(stage, tokyo(2031, 1, 8, 10, 0))
    open_task(stage, Task.VAGUE_ANSWER).resolved_at = app_now(stage)
    open_task(stage, Task.SMS_FAILED)
    stage.flush()

    today = get_block(olivia, "today")
    assert today["operations"] == [
        {"kind": "sms_failed", "open": 1, "done": 0, "carried": 0, "overdue": 0},
        {"kind": "vague_answer", "open": 0, "done": 1, "carried": 1, "overdue": 1},
    ]
    assert (today["begun"], today["still_open"], today["overdue"]) == (2, 2, 1)


def test_the_week_runs_from_monday_to_sunday_next_to_the_week_before(
    olivia: TestClient, stage: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "success_goal", 90)
    outcomes.confirmed(stage, tokyo(2031, 1, 5, 19, 59, 59))  # Sunday
    outcomes.timed_out(stage, outcomes.awaiting_payment(stage, tokyo(2031, 1, 6, 9, 0)))  # Monday
    reservation = outcomes.confirmed(stage, tokyo(2031, 1, 7, 9, 0))
    refund = outcomes.cancelled(stage, reservation, tokyo(2031, 1, 8, 9, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 8, 9, 5))

    week = get_block(olivia, "week")
    assert (week["first"], [day["day"] for day in week["days"]][-1]) == ("2031-01-06", "2031-01-12")
    assert [day["success"]["share"] for day in week["days"]] == [0.0, 1.0, None, None, None, None, None]
    assert [day["payment"]["share"] for day in week["days"]] == [0.0, 1.0, None, None, None, None, None]
    assert week["this"]["success"] == {"part": 1, "whole": 2, "share": 0.5}
    assert week["this"]["cancellation"] == {"part": 1, "whole": 1, "share": 1.0}
    assert week["before"]["success"] == {"part": 1, "whole": 1, "share": 1.0}
    assert (week["success_goal"], week["payment_goal"]) == (90, None)


def test_the_latest_slack_messages_with_their_delivery_state(olivia: TestClient, stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)
    scene.record_shop_answer(stage, reservation, Answer.VAGUE)
    for number in range(11):
        operations.notify_slack(stage, reservation.code, f"{number}番目")
    stage.flush()
    newest = stage.query(OutboxMessage.id).filter_by(topic="slack").order_by(OutboxMessage.id.desc()).first()
    assert newest is not None
    stage.execute(update(OutboxMessage).where(OutboxMessage.id == newest.id).values(sent_at=real_now()))

    items = get_block(olivia, "notices")["items"]
    assert [item["title"] for item in items] == [f"{number}番目" for number in range(10, 0, -1)]
    assert [item["state"] for item in items[:2]] == ["sent", "waiting"]
    assert (items[0]["subject"], items[0]["subject_id"]) == ("reservation", reservation.code)


def test_messages_of_another_area_are_not_listed(olivia: TestClient, stage: Session) -> None:
    stage.add(
        OutboxMessage(
            topic="slack", payload={}, area="fleet", recipient="#fleet", title="端末", next_attempt_at=real_now()
        )
    )
    stage.flush()

    assert get_block(olivia, "notices")["items"] == []


@pytest.mark.parametrize("role", ["operator", "support", "admin"])
def test_operators_and_support_see_it(sign_in: SignIn, stage: Session, role: str) -> None:
    client = sign_in("somebody", reservations=role)

    assert {client.get(f"{DASHBOARD}/{name}").status_code for name in ("today", "week", "notices")} == {200}


@pytest.mark.parametrize("roles", [{"reservations": "manager"}, {"fleet": "admin"}])
def test_managers_and_others_do_not(sign_in: SignIn, stage: Session, roles: dict[str, str]) -> None:
    client = sign_in("charlie", **roles)

    assert {client.get(f"{DASHBOARD}/{name}").status_code for name in ("today", "week", "notices")} == {403}


def test_the_week_begins_on_monday_whatever_day_it_is(olivia: TestClient, stage: Session) -> None:
    for number in range(7):
        scene.set_clock(stage, tokyo(2031, 1, 6, 10, 0) + number * DAY - timedelta(minutes=1))
        assert get_block(olivia, "week")["first"] == "2031-01-06"
