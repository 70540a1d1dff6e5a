"""The readiness route names what is down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from service.agencies import rules
from service.agencies.settings import settings as agencies_settings
from service.core.areas import ticks
from service.core.database.clock import real_now
from service.core.http import shutdown
from service.core.monitoring import health
from service.core.monitoring.health import JobHeartbeat, record_job
from service.core.settings import settings


def test_live_does_not_query_the_database(client: TestClient) -> None:
    assert client.get("/api/health/live").json()["status"] == "ok"


def test_ready_when_every_part_is(client: TestClient, db: Session) -> None:
    for name in ticks():
        record_job(db, name)
    db.commit()

    answer = client.get("/api/health/ready")

    assert answer.status_code == 200
    assert set(answer.json()["parts"].values()) == {"ok"}


def test_silent_jobs_are_named_with_the_seconds(client: TestClient, db: Session) -> None:
    for name in ticks():
        record_job(db, name)
    silent_since = real_now() - timedelta(seconds=90)
    db.execute(update(JobHeartbeat).where(JobHeartbeat.name == "fleet.watch").values(at=silent_since))
    db.commit()

    answer = client.get("/api/health/ready")

    assert answer.status_code == 503
    assert answer.json()["parts"]["jobs"].startswith("ジョブ fleet.watch が9")


def test_a_reader_that_does_not_run_makes_nothing_else_unready(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ticks():
        record_job(db, name)
    db.commit()
    with_ocr = agencies_settings().model_copy(update={"ocr": True})
    monkeypatch.setattr(rules, "settings", lambda: with_ocr)

    assert "agencies.read" in ticks()
    assert client.get("/api/health/ready").json()["parts"]["jobs"] == "ok"


def test_a_missing_redis_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings().model_copy(update={"redis_url": type(settings().redis_url)("redis://127.0.0.1:1/0")})
    monkeypatch.setattr(health, "settings", lambda: changed)

    answer = client.get("/api/health/ready")

    assert answer.status_code == 503
    assert "Redis" in answer.json()["parts"]["redis"]


def test_a_missing_database_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    from service.core.database import session as core_db

    unreachable = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(core_db, "session_factory", lambda: sessionmaker(unreachable))

    answer = client.get("/api/health/ready")

    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] != "ok"


def test_a_database_behind_the_code_is_named(client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "newest_revision", lambda: "9999_newer")

    answer = client.get("/api/health/ready")

    assert "マイグレーション" in answer.json()["parts"]["migrations"]


def test_a_database_made_ready_for_the_next_release_is_no_outage(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "newest_revision", lambda: "0001_older")

    assert client.get("/api/health/ready").json()["parts"]["migrations"] == "ok"


def test_metrics_are_exposed_by_route_never_by_path(client: TestClient) -> None:
    client.get("/api/health/live")
    client.get("/api/nowhere/42")

    exposed = client.get("/metrics").text

    assert 'route="/api/health/live"' in exposed
    assert "/api/nowhere/42" not in exposed


def test_the_application_cannot_rewrite_the_audit_log(db: Session) -> None:
    privileges = db.execute(
        text("SELECT has_table_privilege('audit_entries', 'update'), has_table_privilege('audit_entries', 'delete')")
    ).one()
    assert tuple(privileges) == (False, False)


@pytest.mark.parametrize("path", ["/api/health/live", "/api/auth/me", "/api/fleet/heartbeats"])
def test_every_route_closes_its_connections_during_a_graceful_shutdown(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert "connection" not in client.get(path).headers

    monkeypatch.setattr(shutdown, "is_shutting_down", lambda: True)

    assert client.get(path).headers["connection"] == "close"
