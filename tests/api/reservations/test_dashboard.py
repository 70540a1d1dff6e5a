"""運営ダッシュボード: today by status, people's work, the week's rates, and what Slack was told."""

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
from service.reservations.events.rules import Answer, Task
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.settings import settings
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo

SignIn = Callable[..., TestClient]
DASHBOARD = "/api/reservations/dashboard"


@pytest.fixture
def olivia(sign_in: SignIn, stage: Session) -> TestClient:
    return sign_in("olivia", reservations="operator")


def block(client: TestClient, name: str) -> dict[str, Any]:
    answer = client.get(f"{DASHBOARD}/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_day_on_which_nothing_happened(olivia: TestClient) -> None:
    today = block(olivia, "today")

    assert (today["day"], today["requested"], today["states"], today["operations"]) == ("2031-01-08", 0, [], [])
    assert block(olivia, "notices")["items"] == []
    assert block(olivia, "week")["this"]["success"] == {"part": 0, "whole": 0, "share": None}


def test_todays_reservations_by_how_they_stand_now(olivia: TestClient, stage: Session) -> None:
    outcomes.timed_out(stage, outcomes.linked(stage, tokyo(2031, 1, 8, 9, 0)))
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0), starts_at=tokyo(2031, 1, 8, 19, 0))
    outcomes.asked(stage, tokyo(2031, 1, 7, 9, 0))  # yesterday, before this time
    outcomes.asked(stage, tokyo(2031, 1, 7, 23, 59, 59))  # and after it
    outcomes.asked(stage, tokyo(2031, 1, 8, 10, 30), service_code="cake", plan_code="4")

    today = block(olivia, "today")
    assert today["requested"] == 3
    assert today["states"] == [
        {"state": "requested", "number": 1},
        {"state": "payment_timeout", "number": 1},
        {"state": "confirmed", "number": 1},
    ]
    assert (today["before"], today["starting"]) == (1, 1)


def test_the_day_begins_at_midnight_in_tokyo(olivia: TestClient, stage: Session) -> None:
    outcomes.asked(stage, tokyo(2031, 1, 8, 23, 59, 59))
    assert block(olivia, "today")["requested"] == 1

    scene.set_clock(stage, tokyo(2031, 1, 9))
    assert (block(olivia, "today")["requested"], block(olivia, "today")["day"]) == (0, "2031-01-09")


def opened(db: Session, kind: Task) -> Operation:
    reservation = scene.ask(db)
    return operations.open_operation(db, reservation.id, reservation.code, kind)


def test_todays_work_of_people_is_open_or_done_and_older_work_stands_beside_it(
    olivia: TestClient, stage: Session
) -> None:
    scene.set_clock(stage, tokyo(2031, 1, 7, 17, 50))
    opened(stage, Task.VAGUE_ANSWER)
    # What was done on an earlier day is nobody's today.
    opened(stage, Task.DISPUTE).resolved_at = app_now(stage)
    scene.set_clock(stage, tokyo(2031, 1, 8, 10, 0))
    opened(stage, Task.VAGUE_ANSWER).resolved_at = app_now(stage)
    opened(stage, Task.SMS_FAILED)
    stage.flush()

    today = block(olivia, "today")
    assert today["operations"] == [
        {"kind": "sms_failed", "open": 1, "done": 0, "carried": 0, "overdue": 0},
        {"kind": "vague_answer", "open": 0, "done": 1, "carried": 1, "overdue": 1},
    ]
    assert (today["begun"], today["still_open"], today["overdue"]) == (2, 2, 1)


def test_the_week_runs_from_monday_to_sunday_beside_the_one_before(
    olivia: TestClient, stage: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "success_goal", 90)
    outcomes.confirmed(stage, tokyo(2031, 1, 5, 19, 59, 59))  # Sunday
    outcomes.timed_out(stage, outcomes.linked(stage, tokyo(2031, 1, 6, 9, 0)))  # Monday
    kept = outcomes.confirmed(stage, tokyo(2031, 1, 7, 9, 0))
    refund = outcomes.cancelled(stage, kept, tokyo(2031, 1, 8, 9, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 8, 9, 5))

    week = block(olivia, "week")
    assert (week["first"], [one["day"] for one in week["days"]][-1]) == ("2031-01-06", "2031-01-12")
    assert [one["success"]["share"] for one in week["days"]] == [0.0, 1.0, None, None, None, None, None]
    assert [one["payment"]["share"] for one in week["days"]] == [0.0, 1.0, None, None, None, None, None]
    assert week["this"]["success"] == {"part": 1, "whole": 2, "share": 0.5}
    assert week["this"]["cancellation"] == {"part": 1, "whole": 1, "share": 1.0}
    assert week["before"]["success"] == {"part": 1, "whole": 1, "share": 1.0}
    assert (week["success_goal"], week["payment_goal"]) == (90, None)


def test_what_slack_was_told_last_with_what_became_of_it(olivia: TestClient, stage: Session) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)
    scene.shop_says(stage, reservation, Answer.VAGUE)
    for number in range(11):
        operations.notify_slack(stage, reservation.code, f"{number}番目")
    stage.flush()
    newest = stage.query(OutboxMessage.id).filter_by(topic="slack").order_by(OutboxMessage.id.desc()).first()
    assert newest is not None
    stage.execute(update(OutboxMessage).where(OutboxMessage.id == newest.id).values(sent_at=real_now()))

    items = block(olivia, "notices")["items"]
    assert [one["title"] for one in items] == [f"{number}番目" for number in range(10, 0, -1)]
    assert [one["state"] for one in items[:2]] == ["sent", "waiting"]
    assert (items[0]["subject"], items[0]["subject_id"]) == ("reservation", reservation.code)


def test_another_areas_messages_are_none_of_ours(olivia: TestClient, stage: Session) -> None:
    stage.add(
        OutboxMessage(
            topic="slack", payload={}, area="fleet", recipient="#fleet", title="端末", next_attempt_at=real_now()
        )
    )
    stage.flush()

    assert block(olivia, "notices")["items"] == []


@pytest.mark.parametrize("role", ["operator", "support", "admin"])
def test_operators_and_support_see_it(sign_in: SignIn, stage: Session, role: str) -> None:
    client = sign_in("somebody", reservations=role)

    assert {client.get(f"{DASHBOARD}/{name}").status_code for name in ("today", "week", "notices")} == {200}


@pytest.mark.parametrize("who", [{"reservations": "manager"}, {"fleet": "admin"}])
def test_managers_and_others_do_not(sign_in: SignIn, stage: Session, who: dict[str, str]) -> None:
    client = sign_in("charlie", **who)

    assert {client.get(f"{DASHBOARD}/{name}").status_code for name in ("today", "week", "notices")} == {403}


def test_two_weeks_are_read_whatever_day_it_is(olivia: TestClient, stage: Session) -> None:
    for number in range(7):
        scene.set_clock(stage, tokyo(2031, 1, 6, 10, 0) + number * DAY - timedelta(minutes=1))
        assert block(olivia, "week")["first"] == "2031-01-06"
