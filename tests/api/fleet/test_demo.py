"""The demo has a month behind it: charts, reports and the timeline have something to show from the first minute."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import day_bounds, local_date
from service.demo import fill
from service.demo.fleet import tills
from service.demo.fleet_past import DAYS
from service.fleet.history import actions, queries
from service.fleet.history.rules import DAY
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Day, Terminal, terminal_logs


def test_the_demo_has_a_month_behind_it_and_filling_it_again_adds_nothing(
    db: Session, sign_in: Callable[..., TestClient]
) -> None:
    fill(db, ["fleet"])
    db.commit()
    before = [db.scalar(select(func.count()).select_from(table)) for table in (Day, terminal_logs, Maintenance)]
    fill(db, ["fleet"])
    db.commit()

    assert [db.scalar(select(func.count()).select_from(table)) for table in (Day, terminal_logs, Maintenance)] == before
    assert before[0] == DAYS * len(tills())
    spent = Day.online_seconds + Day.offline_seconds + Day.error_seconds + Day.maintenance_seconds + Day.closed_seconds
    assert db.scalars(select(spent).distinct()).all() == [86400]
    assert db.scalars(select(Day.closed_seconds).distinct().order_by(Day.closed_seconds)).all() == [0, 43200]
    online = db.execute(select(func.sum(Day.online_seconds) / func.sum(spent))).scalar_one()
    assert 0.96 < online < 1
    assert queries.compacted_until(db) == day_bounds(local_date(app_now(db)))[0]
    assert actions.compact(db) is None
    # The days agree with what they are made of: summed up again, they are the same.
    begins = queries.compacted_until(db) - DAY
    statement = select(Day.terminal_id, Day.online_seconds).where(Day.begins_at == begins).order_by(Day.terminal_id)
    first = db.execute(statement).all()
    actions.sum_up(db, begins, begins + DAY)
    assert db.execute(statement).all() == first

    client = sign_in("visitor", fleet="support")
    shibuya = db.scalars(select(Terminal.id).where(Terminal.store == "渋谷店")).first()
    points = client.get(f"/api/fleet/terminals/{shibuya}/metrics", params={"hours": 720}).json()["points"]
    assert sum(point["seconds"]["maintenance"] for point in points if point["seconds"]) == 3 * 3600
    assert len(points) == 30
    hours = {
        store: client.get(f"/api/fleet/terminals/{key}/hours").json()["week"]
        for store, key in db.execute(select(Terminal.store, func.min(Terminal.id)).group_by(Terminal.store))
    }
    assert hours.pop("駅前店") == [[{"opens": 9, "closes": 21}]] * 7
    assert list(hours.values()) == [[[{"opens": 0, "closes": 24}]] * 7] * 11
    tags = {tag["value"]: tag["terminals"] for tag in client.get("/api/fleet/terminals/choices").json()["tags"]}
    assert tags == {"主レジ": 12, "24時間営業": 22, "駅ナカ": 26}
    planned = client.get("/api/fleet/maintenances", params={"phase": "next"}).json()
    assert planned["total"] == 8
    assert planned["items"][0]["created_by"] == "田中 運"
