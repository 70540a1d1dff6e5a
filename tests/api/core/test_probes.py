"""What the watchdog delivers, and the availability of a month that is computed from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.monitoring import probes
from service.core.monitoring.schemas import Gap, Outage
from service.core.settings import settings
from service.core.values.times import TOKYO, Month

TOKEN = {"Authorization": "Bearer only-for-the-watchdog-of-tests"}
MIDNIGHT = datetime(2026, 9, 30, 15, tzinfo=UTC)  # 1 October in Tokyo
OCTOBER = Month(2026, 10)


def probe(minutes: float, target: str = "service", down: str | None = None, every: int = 60) -> dict[str, Any]:
    at = MIDNIGHT + timedelta(minutes=minutes)
    return {
        **{"at": at, "target": target, "every_seconds": every},
        **{"ok": down is None, "latency_ms": 5, "down": down},
    }


def both_targets(minutes: range, down: str | None = None) -> list[dict[str, Any]]:
    return [probe(minute, target, down) for minute in minutes for target in ("service", "dashboards")]


def at_minute(minutes: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


def test_a_repeated_delivery_is_stored_once(db: Session) -> None:
    delivery = both_targets(range(3))

    assert probes.store(db, "a", delivery) == 6
    assert probes.store(db, "a", delivery) == 0
    assert probes.store(db, "b", delivery) == 6
    assert probes.store(db, "a", []) == 0


def test_minutes_down_in_a_month_and_what_was_down(db: Session) -> None:
    probes.store(db, "a", both_targets(range(30)))
    probes.store(db, "a", [probe(30, "dashboards"), probe(30, "service", "database: 接続できません")])
    probes.store(db, "a", [probe(31, "dashboards"), probe(31, "service", "jobs: 60秒間動いていません")])
    probes.store(db, "a", both_targets(range(32, 60)))

    month = probes.month_availability(db, OCTOBER, at_minute(60))

    assert (month.up_minutes, month.down_minutes, month.unknown_minutes) == (58, 2, 0)
    assert month.percent == 96.666
    assert month.within_target
    assert month.target_minutes == 43
    assert month.outages == [
        Outage(start=at_minute(30), end=at_minute(32), minutes=2, down={"service": "database: 接続できません"})
    ]


def test_older_messages_are_shown_without_the_name_of_the_exception(db: Session) -> None:
    probes.store(db, "a", [probe(0, "service", "接続できません（ConnectionRefusedError）"), probe(0, "dashboards")])

    month = probes.month_availability(db, OCTOBER, at_minute(1))

    assert month.outages[0].down == {"service": "接続できません"}


def test_a_silent_watchdog_is_a_gap_that_begins_after_two_intervals(db: Session) -> None:
    probes.store(db, "a", both_targets(range(10)))
    probes.store(db, "a", both_targets(range(20, 30)))

    month = probes.month_availability(db, OCTOBER, at_minute(29))

    assert month.gaps == [Gap(start=at_minute(11), end=at_minute(20), minutes=9)]
    assert (month.up_minutes, month.down_minutes, month.percent) == (20, 0, 100)


def test_one_late_probe_is_no_gap(db: Session) -> None:
    probes.store(db, "a", both_targets(range(0, 10, 2)))

    assert probes.month_availability(db, OCTOBER, at_minute(10)).gaps == []


def test_a_month_counts_what_lies_in_it_by_tokyo_time(db: Session) -> None:
    probes.store(db, "a", both_targets(range(-10, 10), "down"))

    september = probes.month_availability(db, Month(2026, 9))
    october = probes.month_availability(db, OCTOBER, at_minute(10))

    assert september.down_minutes == 10
    assert september.end == MIDNIGHT
    assert october.down_minutes == 10
    assert october.start == MIDNIGHT


def test_more_downtime_than_the_target_is_shown(db: Session) -> None:
    probes.store(db, "a", both_targets(range(44), "down"))

    month = probes.month_availability(db, OCTOBER, at_minute(44))

    assert (month.down_minutes, month.within_target, month.percent) == (44, False, 0)


def test_a_month_without_probes_is_unknown(db: Session) -> None:
    month = probes.month_availability(db, OCTOBER, at_minute(60))

    assert (month.percent, month.unknown_minutes) == (None, 60)


def delivery(*delivered: dict[str, Any], source: str = "a") -> dict[str, Any]:
    return {"source": source, "probes": [item | {"at": item["at"].isoformat()} for item in delivered]}


def test_only_the_watchdogs_token_is_accepted(client: TestClient, sign_in: Callable[..., TestClient]) -> None:
    body = delivery(*both_targets(range(2)))

    assert client.post("/api/core/probes", json=body).status_code == 401
    assert sign_in("alice", fleet="admin").post("/api/core/probes", json=body).status_code == 401
    answers = [client.post("/api/core/probes", json=body, headers=TOKEN) for _ in range(2)]

    assert [answer.json() for answer in answers] == [{"stored": 4}, {"stored": 0}]


def test_without_a_token_in_the_settings_the_route_is_closed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_token = settings().model_copy(update={"watchdog_token": SecretStr("")})
    monkeypatch.setattr("service.core.access.machines.settings", lambda: without_token)

    for headers in (TOKEN, {"Authorization": "Bearer "}):
        assert client.post("/api/core/probes", json=delivery(), headers=headers).status_code == 401


def test_a_probe_that_is_both_well_and_down_is_refused(client: TestClient) -> None:
    wrong = probe(0) | {"down": "x"}

    answer = client.post("/api/core/probes", json=delivery(wrong), headers=TOKEN)

    assert answer.status_code == 422
    assert "down" in answer.text


def test_administrators_read_the_month(client: TestClient, sign_in: Callable[..., TestClient]) -> None:
    client.post(
        "/api/core/probes", json=delivery(*both_targets(range(10)), *both_targets(range(10, 12), "down")), headers=TOKEN
    )

    assert sign_in("bob", fleet="operator").get("/api/core/probes/availability").status_code == 403
    admin = sign_in("alice", fleet="admin")
    month = admin.get("/api/core/probes/availability", params={"month": "2026-10"}).json()

    assert (month["up_minutes"], month["down_minutes"]) == (10, 3)  # the last probe counts for two intervals
    assert month["outages"][0]["down"] == {"service": "down", "dashboards": "down"}
    assert admin.get("/api/core/probes/availability").json()["month"] == f"{real_now().astimezone(TOKYO):%Y-%m}"
    assert admin.get("/api/core/probes/availability", params={"month": "2026-13"}).status_code == 422
