"""A terminal's past: its timeline and its readings."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_clock, app_now
from service.core.database.paging import write_cursor
from service.core.values.times import TOKYO, day_bounds, local_date
from service.fleet.history import actions
from service.fleet.models import Terminal, TerminalState, heartbeats, terminal_logs
from tests import factories

STREAM = uuid.UUID("6a2f41a3-c54c-fce8-32d2-0324e1c32e22")


@pytest.fixture
def terminal(db: Session) -> Terminal:
    return factories.terminal(db)


def beat(
    db: Session, terminal: Terminal, received_at: datetime, cpu: int = 10, sent_at: datetime | None = None
) -> None:
    db.execute(
        insert(heartbeats).values(
            terminal_id=terminal.id,
            received_at=received_at,
            sent_at=sent_at or received_at,
            stream_id=STREAM,
            sequence=1,
            cpu_usage=cpu,
            memory_usage=cpu + 1,
            disk_usage=cpu + 2,
            terminal_connected=True,
        )
    )


def readings(client: TestClient, terminal: Terminal, hours: int) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/api/fleet/terminals/{terminal.id}/metrics", params={"hours": hours})
    assert answer.status_code == 200, answer.text
    return {point["at"]: point for point in answer.json()["points"]}


def timestamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_readings_come_in_steps_and_gaps_stay_gaps(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    now = app_now(db)
    last_hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minute, cpu in ((1, 10), (6, 30), (21, 95)):
        beat(db, terminal, last_hour + timedelta(minutes=minute), cpu)
    beat(db, factories.terminal(db), last_hour)
    db.commit()

    points = readings(sign_in("sam", fleet="support"), terminal, 24)

    assert len(points) == 144
    first, gap, last = (points[timestamp(last_hour + timedelta(minutes=minute))] for minute in (0, 10, 20))
    assert (first["heartbeats"], first["cpu_average"], first["cpu_highest"]) == (2, 20, 30)
    assert (first["memory_average"], first["memory_highest"], first["disk_highest"]) == (21, 31, 32)
    assert (gap["heartbeats"], gap["cpu_average"], gap["disk_highest"]) == (0, None, None)
    assert last["cpu_highest"] == 95
    assert sum(point["heartbeats"] for point in points.values()) == 3


def test_spooled_readings_are_shown_when_they_were_measured(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    """Two hours without a network, on a PC whose clock is an hour ahead."""
    db.execute(update(TerminalState).values(clock_skew_seconds=3600))
    arrived = app_now(db).replace(minute=5, second=0, microsecond=0) - timedelta(hours=1)
    measured = arrived - timedelta(hours=2)
    beat(db, terminal, arrived, 50, sent_at=measured + timedelta(hours=1))
    db.commit()

    points = readings(sign_in("sam", fleet="support"), terminal, 24)

    assert points[timestamp(measured.replace(minute=0))]["cpu_highest"] == 50


def test_a_month_is_shown_from_its_days_and_today_from_its_heartbeats(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    today, _ = day_bounds(local_date(app_now(db)))
    before = today - timedelta(days=2)
    terminal.created_at = before
    db.flush()
    beat(db, terminal, before + timedelta(hours=9), 40)
    db.execute(update(TerminalState).values(last_heartbeat_at=before))
    assert actions.compact(db) == before.astimezone(TOKYO).date().isoformat()
    beat(db, terminal, before + timedelta(hours=10), 99)  # arrived after the day was summed up, which never happens
    beat(db, terminal, today, 60)
    db.commit()

    points = readings(sign_in("sam", fleet="support"), terminal, 720)

    assert len(points) == 30
    assert points[timestamp(before)]["cpu_highest"] == 40
    spent = {"online": 0, "offline": 86400, "error": 0, "maintenance": 0, "closed": 0}
    assert points[timestamp(before)]["seconds"] == spent
    assert points[timestamp(today)]["cpu_highest"] == 60
    assert points[timestamp(today)]["seconds"] is None
    assert points[timestamp(today - timedelta(days=3))]["cpu_average"] is None


def test_a_year_has_a_point_for_each_day(sign_in: Callable[..., TestClient], db: Session, terminal: Terminal) -> None:
    db.commit()
    client = sign_in("sam", fleet="support")

    assert len(readings(client, terminal, 8760)) == 365
    assert len(readings(client, terminal, 168)) == 168
    assert client.get(f"/api/fleet/terminals/{terminal.id}/metrics", params={"hours": 5}).status_code == 422
    assert client.get("/api/fleet/terminals/999999/metrics").status_code == 404


def pages(client: TestClient, terminal: Terminal, limit: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = client.get(f"/api/fleet/terminals/{terminal.id}/timeline", params=query)
        assert answer.status_code == 200, answer.text
        entries += answer.json()["items"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return entries


def test_the_timeline_has_the_log_alerts_and_actions_of_users_newest_first(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    def move_clock() -> None:
        db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(minutes=1)))

    move_clock()
    alert = factories.alert(db, terminal, message="紙がありません")
    db.commit()
    move_clock()
    client = sign_in("oscar", fleet="operator")
    client.post(f"/api/fleet/incidents/{alert.incident_id}/notes", json={"text": "店舗へ電話しました"})
    move_clock()
    state = db.get_one(TerminalState, terminal.id)
    state.status, state.status_since = "online", app_now(db)
    db.commit()

    timeline = pages(client, terminal, 100)

    assert [(entry["source"], entry["kind"]) for entry in timeline] == [
        ("log", "status"),
        ("incident", "note"),
        ("alert", "alert_opened"),
        ("log", "registered"),
    ]
    assert (timeline[0]["status"], timeline[0]["detail"]) == ("online", {"from": "offline"})
    assert (timeline[1]["text"], timeline[1]["by"]) == ("店舗へ電話しました", "oscar さん")
    assert (timeline[2]["text"], timeline[2]["alert_type"]) == ("紙がありません", "error")
    assert timeline[2]["incident_id"] == alert.incident_id


def test_pages_of_the_timeline_follow_without_gaps_even_within_one_timestamp(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    now = app_now(db)
    rows = [{"terminal_id": terminal.id, "kind": f"k{n}", "at": now - timedelta(seconds=n // 3)} for n in range(10)]
    db.execute(insert(terminal_logs), rows)
    db.execute(insert(terminal_logs), [{"terminal_id": factories.terminal(db).id, "kind": "other", "at": now}])
    alert = factories.alert(db, terminal)
    alert.is_resolved, alert.resolved_at, alert.resolved_by = True, now, "oscar さん"
    db.commit()
    client = sign_in("oscar", fleet="operator")

    timeline = pages(client, terminal, 100)

    assert len(timeline) == 13
    assert pages(client, terminal, 2) == timeline
    assert [entry["at"] for entry in timeline] == sorted((entry["at"] for entry in timeline), reverse=True)
    assert "other" not in [entry["kind"] for entry in timeline]


def test_others_events_before_a_terminal_joined_an_incident_are_not_its_own(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    alert = factories.alert(db, terminal)
    db.commit()
    client = sign_in("oscar", fleet="operator")
    client.post(f"/api/fleet/incidents/{alert.incident_id}/notes", json={"text": "参加する前のメモ"})
    alert.created_at = app_now(db) + timedelta(hours=1)
    db.commit()

    assert "note" not in [entry["kind"] for entry in pages(client, terminal, 100)]


@pytest.mark.parametrize("at", ["yesterday", "2026-11-21T10:00:00", "2026-13-01T00:00:00+00:00"])
def test_a_cursor_made_up_by_hand_is_refused(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal, at: str
) -> None:
    db.commit()
    client = sign_in("oscar", fleet="operator")

    answer = client.get(f"/api/fleet/terminals/{terminal.id}/timeline", params={"cursor": write_cursor(at, 1, 1)})

    assert answer.status_code == 422


def test_every_change_by_a_user_is_in_the_timeline(
    sign_in: Callable[..., TestClient], db: Session, terminal: Terminal
) -> None:
    db.commit()
    client = sign_in("alice", fleet="admin")
    root = f"/api/fleet/terminals/{terminal.id}"
    client.patch(root, json={"version": 1, "store_name": "別の店"})
    client.post("/api/fleet/terminals/tags", json={"ids": [terminal.id], "add": ["重点"]})
    client.post(f"{root}/archive")
    client.post(f"{root}/restore")

    log = terminal_logs.c
    rows = db.execute(select(log.kind, log.by, log.detail).order_by(log.id)).all()

    assert [(kind, by) for kind, by, _ in rows] == [
        ("edited", "alice さん"),
        ("tagged", "alice さん"),
        ("archived", "alice さん"),
        ("restored", "alice さん"),
    ]
    assert rows[0][2] == {"fields": ["store_name"]}
    assert rows[1][2] == {"added": ["重点"], "removed": []}
