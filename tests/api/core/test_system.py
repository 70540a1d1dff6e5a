"""システム状態: the state of every process, server and job."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.http import traffic
from service.core.http.traffic import BUCKETS_MS, TrafficCounter, TrafficMinute
from service.core.monitoring import instances
from service.core.monitoring.health import record_job
from service.core.monitoring.instances import (
    GONE_AFTER,
    SUCCEEDED_AFTER,
    SUCCEEDED_ELSEWHERE_AFTER,
    TASK_PROCESS,
    Instance,
    Presence,
)
from tests.conftest import Service
from tests.waiting import wait_for

SignIn = Callable[..., TestClient]
URL = "/api/core/system"


def test_servers_say_what_they_are(sign_in: SignIn) -> None:
    state = sign_in("alice", fleet="admin").get(URL).json()

    assert state["database"]["version"].startswith("18")
    assert 0 < state["database"]["connections"] <= state["database"]["connections_allowed"]
    assert state["database"]["size_bytes"] > 1_000_000
    assert state["redis"]["name"] == "Valkey"
    assert state["redis"]["waiting"] == 0


@pytest.mark.parametrize("role", ["operator", "support", "viewer"])
def test_only_administrators_see_it(sign_in: SignIn, role: str) -> None:
    assert sign_in("bob", fleet=role).get(URL).status_code == 403


def test_a_job_that_never_ran_is_late_and_one_that_just_ran_is_not(sign_in: SignIn, db: Session) -> None:
    record_job(db, "outbox.send")
    db.commit()

    jobs = {job["name"]: job for job in sign_in("alice", fleet="admin").get(URL).json()["jobs"]}

    assert jobs["outbox.send"]["title"] == "通知の送信"
    assert jobs["outbox.send"]["is_late"] is False
    assert jobs["fleet.watch"]["last_at"] is None
    assert jobs["fleet.watch"]["every_seconds"] == 10
    assert jobs["fleet.watch"]["is_late"] is True


def test_a_process_that_stopped_reporting_is_not_there(sign_in: SignIn, db: Session) -> None:
    for name in ("service", "worker"):
        Presence(name).report(db)
    too_long_ago = real_now() - GONE_AFTER - timedelta(seconds=1)
    db.execute(update(Instance).where(Instance.name == "worker").values(seen_at=too_long_ago))
    db.commit()

    listed = sign_in("alice", fleet="admin").get(URL).json()["instances"]

    assert [(instance["name"], instance["is_there"]) for instance in listed] == [("service", True), ("worker", False)]
    assert listed[0]["pid"] == os.getpid()
    assert listed[0]["memory_bytes"] > 10_000_000
    assert 0 <= listed[0]["host_memory_percent"] <= 100


def killed(db: Session, name: str, ago: timedelta, host: str | None = None) -> None:
    """A process that reported last so long ago."""
    Presence("newcomer").report(db)
    values = {"name": name, "seen_at": real_now() - ago} | ({"host": host} if host else {})
    db.execute(update(Instance).where(Instance.name == "newcomer").values(**values))


def processes(db: Session) -> list[str]:
    return sorted(db.scalars(select(Instance.name)))


JUST_SUCCEEDED = SUCCEEDED_AFTER + timedelta(seconds=1)
LONG_SINCE = SUCCEEDED_ELSEWHERE_AFTER + timedelta(seconds=1)


def test_a_killed_process_is_not_missing_once_a_successor_reports(db: Session) -> None:
    killed(db, "service", JUST_SUCCEEDED)
    Presence("service").report(db)

    assert SUCCEEDED_AFTER < GONE_AFTER, "the row goes before anybody is alarmed"
    assert processes(db) == ["service"]


def test_of_two_that_were_killed_one_successor_leaves_the_other_missing(db: Session) -> None:
    killed(db, "service", JUST_SUCCEEDED)
    killed(db, "service", LONG_SINCE)
    successor = Presence("service")
    successor.report(db)
    successor.report(db)
    assert processes(db) == ["service", "service"]

    Presence("service").report(db)
    assert processes(db) == ["service", "service"]
    assert min(db.scalars(select(Instance.seen_at))) > real_now() - GONE_AFTER


@pytest.mark.parametrize(
    ("name", "ago"),
    [("worker", LONG_SINCE), ("service", SUCCEEDED_AFTER - timedelta(seconds=5))],
    ids=["another kind", "only slow"],
)
def test_no_other_process_takes_its_place(db: Session, name: str, ago: timedelta) -> None:
    killed(db, name, ago)
    Presence("service").report(db)

    assert processes(db) == sorted([name, "service"])


def test_a_replica_that_was_there_before_is_no_successor(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Presence("service")
    killed(db, "service", timedelta())
    later = real_now() + LONG_SINCE
    monkeypatch.setattr(instances, "real_now", lambda: later)
    other.report(db)

    assert processes(db) == ["service", "service"]


def test_a_successor_on_another_machine_is_believed_after_some_minutes(db: Session) -> None:
    killed(db, "service", JUST_SUCCEEDED, host="elsewhere")
    fresh = Presence("service")
    fresh.report(db)
    assert processes(db) == ["service", "service"]

    db.execute(update(Instance).where(Instance.host == "elsewhere").values(seen_at=real_now() - LONG_SINCE))
    fresh.report(db)
    assert processes(db) == ["service"]


def test_a_process_for_long_work_that_was_killed_is_missed_for_minutes_only(db: Session) -> None:
    killed(db, TASK_PROCESS, LONG_SINCE)
    Presence("worker").report(db)

    assert processes(db) == ["worker"]


def test_replicas_add_up_in_the_same_minute(db: Session) -> None:
    first, second = TrafficCounter(), TrafficCounter()
    for counter in (first, second):
        for _ in range(40):
            counter.count(200, 0.03)
        counter.count(503, 4.0)
        traffic.write(db, counter.take())

    recent = traffic.recent_traffic(db)

    assert (recent.requests, recent.errors) == (82, 2)
    assert recent.error_rate == pytest.approx(2 / 82)
    assert recent.p95_ms == 50
    assert first.take() == {}


def test_a_rate_of_few_requests_is_not_given(db: Session) -> None:
    counter = TrafficCounter()
    for _ in range(traffic.ENOUGH_REQUESTS - 1):
        counter.count(500, 0.01)
    traffic.write(db, counter.take())

    assert traffic.recent_traffic(db).error_rate is None
    assert traffic.recent_traffic(db).errors == traffic.ENOUGH_REQUESTS - 1


def test_what_could_not_be_written_counts_with_the_next_attempt(db: Session) -> None:
    counter = TrafficCounter()
    counter.count(200, 0.01)
    lost = counter.take()
    counter.count(500, 60)
    counter.give_back(lost)
    traffic.write(db, counter.take())

    rows = db.scalars(select(TrafficMinute)).all()
    assert (sum(row.requests for row in rows), sum(row.errors for row in rows)) == (2, 1)
    assert sum(row.buckets[0] for row in rows) == 1
    assert sum(row.buckets[len(BUCKETS_MS)] for row in rows) == 1
    assert traffic.recent_traffic(db).p95_ms is None


def test_without_requests_there_are_no_rates(db: Session) -> None:
    assert traffic.recent_traffic(db) == traffic.Traffic(0, 0, None, None)


def test_a_running_service_reports_itself_and_what_it_answered(service: Service) -> None:
    with service.http() as http:
        http.get("/api/auth/me")

    wait_for(
        lambda: service.rows("SELECT 1 FROM traffic_minutes WHERE requests > 0"),
        "the service never wrote what it had answered",
    )
    assert service.rows("SELECT name, pid FROM instances") == [("service", service.process.pid)]
