"""Compares updated terminals with waiting ones: clearly more trouble stops a roll-out."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.firmware import actions, queries, schemas
from service.fleet.models import Terminal
from tests.jobs.rolling import HalfUpdatedFleet
from tests.jobs.test_fleet_watch import advance_clock, mails, record_heartbeat


@pytest.fixture
def fleet(db: Session) -> HalfUpdatedFleet:
    return HalfUpdatedFleet(db)


def cohorts(fleet: HalfUpdatedFleet) -> list[tuple[int, int, int]]:
    observed = (queries.observe_cohort(fleet.db, fleet.rollout, updated=is_updated) for is_updated in (True, False))
    return [(cohort.terminals, cohort.troubled, cohort.hours) for cohort in observed]


def test_updated_terminals_with_clearly_more_trouble_than_those_that_wait_stop_it(fleet: HalfUpdatedFleet) -> None:
    assert (len(fleet.updated), len(fleet.waiting)) == (30, 30)
    fleet.log_events(fleet.updated[:3], "disconnected")
    fleet.log_events(fleet.updated[3:6], "status", status="error", detail={"from": "online"})
    fleet.log_events(fleet.updated[6:8], "started")
    fleet.advance()

    assert cohorts(fleet) == [(30, 8, 52), (30, 0, 60)]
    assert fleet.rollout.state == "paused"
    reason = "更新済みの端末で、異常が未更新の端末より明らかに増えています（更新済み 30台中8台、未更新 30台中0台）。"
    assert fleet.rollout.reason == reason
    assert [mail["body"].count(reason) for mail in mails(fleet.db) if "一時停止" in mail["subject"]] == [1]
    detail = schemas.RolloutDetail.model_validate(queries.rollout(fleet.db, fleet.rollout.id))
    assert detail.comparison
    assert detail.comparison.updated.model_dump() == {"terminals": 30, "troubled": 8, "hours": 52}


def test_the_same_trouble_on_both_sides_is_not_the_firmwares(fleet: HalfUpdatedFleet) -> None:
    fleet.log_events([*fleet.updated[:8], *fleet.waiting[:8]], "disconnected")
    fleet.advance()
    assert cohorts(fleet) == [(30, 8, 52), (30, 8, 52)]
    assert fleet.rollout.state == "running"


def test_what_is_no_trouble_or_was_not_seen_does_not_count(fleet: HalfUpdatedFleet) -> None:
    """Clean restarts, trouble before the update, the same trouble twice, and terminals in maintenance or silent
    since."""
    fleet.log_events(fleet.updated[:8], "shutdown", 30)
    fleet.log_events(fleet.updated[:8], "started", 31)
    fleet.log_events(fleet.updated[8:16], "disconnected", -1)
    fleet.log_events(fleet.updated[16:17], "disconnected", 30)
    fleet.log_events(fleet.updated[16:17], "disconnected", 90)
    fleet.log_events(fleet.updated[17:19], "disconnected", 10)
    for task, facts in (
        (fleet.updated[17], {"status": "maintenance"}),
        (fleet.updated[18], {"last_heartbeat_at": fleet.updated_at}),
    ):
        record_heartbeat(fleet.db, fleet.db.get_one(Terminal, task.terminal_id), **facts)
    fleet.advance()

    assert cohorts(fleet) == [(28, 1, 55), (30, 0, 60)]
    assert fleet.rollout.state == "running"


def test_resuming_accepts_known_trouble_and_new_trouble_stops_it_again(fleet: HalfUpdatedFleet) -> None:
    fleet.log_events(fleet.updated[:8], "disconnected")
    fleet.advance()
    actions.resume(fleet.db, fleet.by, fleet.rollout.id)
    fleet.advance()
    assert fleet.rollout.state == "running"

    resumed = app_now(fleet.db)
    advance_clock(fleet.db, 60)
    record_heartbeat(fleet.db, *fleet.terminals)
    fleet.log_events(fleet.updated[:8], "disconnected", (resumed - fleet.updated_at).total_seconds() / 60 + 30)
    fleet.advance()

    assert cohorts(fleet) == [(30, 8, 26), (30, 0, 30)]
    assert fleet.rollout.state == "paused"
