"""Updated terminals against those that wait: clearly more trouble stops a roll-out."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.firmware import actions, queries, schemas
from service.fleet.models import Terminal
from tests.jobs.rolling import Wide
from tests.jobs.test_fleet_watch import heard, later, mails


@pytest.fixture
def wide(db: Session) -> Wide:
    return Wide(db)


def sides(wide: Wide) -> list[tuple[int, int, int]]:
    both = (queries.observe_cohort(wide.db, wide.rollout, updated=side) for side in (True, False))
    return [(side.terminals, side.troubled, side.hours) for side in both]


def test_updated_terminals_with_clearly_more_trouble_than_those_that_wait_stop_it(wide: Wide) -> None:
    assert (len(wide.new), len(wide.old)) == (30, 30)
    wide.happens(wide.new[:3], "disconnected")
    wide.happens(wide.new[3:6], "status", status="error", detail={"from": "online"})
    wide.happens(wide.new[6:8], "started")
    wide.look()

    assert sides(wide) == [(30, 8, 52), (30, 0, 60)]
    assert wide.rollout.state == "paused"
    reason = "更新済みの端末で、異常が未更新の端末より明らかに増えています（更新済み 30台中8台、未更新 30台中0台）。"
    assert wide.rollout.reason == reason
    assert [mail["body"].count(reason) for mail in mails(wide.db) if "一時停止" in mail["subject"]] == [1]
    detail = schemas.RolloutDetail.model_validate(queries.rollout(wide.db, wide.rollout.id))
    assert detail.comparison
    assert detail.comparison.updated.model_dump() == {"terminals": 30, "troubled": 8, "hours": 52}


def test_the_same_trouble_on_both_sides_is_not_the_firmwares(wide: Wide) -> None:
    wide.happens([*wide.new[:8], *wide.old[:8]], "disconnected")
    wide.look()
    assert sides(wide) == [(30, 8, 52), (30, 8, 52)]
    assert wide.rollout.state == "running"


def test_what_is_no_trouble_or_was_not_seen_does_not_count(wide: Wide) -> None:
    """Orderly restarts, trouble from before the update, the same twice; who is in maintenance, or silent since."""
    wide.happens(wide.new[:8], "shutdown", 30)
    wide.happens(wide.new[:8], "started", 31)
    wide.happens(wide.new[8:16], "disconnected", -1)
    wide.happens(wide.new[16:17], "disconnected", 30)
    wide.happens(wide.new[16:17], "disconnected", 90)
    wide.happens(wide.new[17:19], "disconnected", 10)
    for task, facts in ((wide.new[17], {"status": "maintenance"}), (wide.new[18], {"last_heartbeat_at": wide.begun})):
        heard(wide.db, wide.db.get_one(Terminal, task.terminal_id), **facts)
    wide.look()

    assert sides(wide) == [(28, 1, 55), (30, 0, 60)]
    assert wide.rollout.state == "running"


def test_who_resumes_has_seen_the_trouble_and_new_trouble_stops_it_again(wide: Wide) -> None:
    wide.happens(wide.new[:8], "disconnected")
    wide.look()
    actions.resume(wide.db, wide.by, wide.rollout.id)
    wide.look()
    assert wide.rollout.state == "running"

    resumed = app_now(wide.db)
    later(wide.db, 60)
    heard(wide.db, *wide.terminals)
    wide.happens(wide.new[:8], "disconnected", (resumed - wide.begun).total_seconds() / 60 + 30)
    wide.look()

    assert sides(wide) == [(30, 8, 26), (30, 0, 30)]
    assert wide.rollout.state == "paused"
