"""Retention as administrators see it: what will be deleted tonight, and what was deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from jobs import core as core_jobs
from service.core.access.identity import UserSession, hash_token, new_token
from service.core.database.clock import real_now
from tests.people import create_user


def test_administrators_see_the_plan_and_the_past_nights(db: Session, sign_in: Callable[..., TestClient]) -> None:
    admin = sign_in("alice", fleet="admin")
    bob_id = create_user(db, "bob").id
    for days in (40, 20):
        expired = real_now() - timedelta(days=days)
        db.add(UserSession(token_hash=hash_token(new_token()), user_id=bob_id, address="-", expires_at=expired))
    db.commit()
    before = {policy["target"]: policy for policy in admin.get("/api/core/retention").json()["policies"]}

    core_jobs.apply_retention()
    after = admin.get("/api/core/retention").json()

    assert {target: (policy["when"], policy["keep_days"]) for target, policy in before.items()} == {
        "agencies_drafts": ("nightly", 30),
        "audit_entries": ("nightly", 1096),
        "backups": ("nightly", 400),
        "entries_logs": ("nightly", 366),
        "fleet_days": ("nightly", 366),
        "fleet_heartbeats": ("nightly", 35),
        "fleet_incident_events": ("nightly", 366),
        "fleet_terminal_logs": ("nightly", 366),
        "outbox_messages": ("nightly", 90),
        "probes": ("nightly", 400),
        "reservations_alarms": ("nightly", 1096),
        "reservations_enquiries": ("nightly", 1096),
        "reservations_measures": ("nightly", 35),
        "reservations_webhooks": ("nightly", 180),
        "sessions": ("nightly", 30),
        "tasks": ("nightly", 90),
        "answers": ("hourly", 2),
        "files": ("hourly", 1),
        "imports": ("hourly", 7),
        "throttles": ("hourly", 0),
        "traffic_minutes": ("hourly", 35),
    }
    assert before["sessions"]["title"] == "期限切れのセッション"
    assert before["sessions"]["plan"]["rows"] == 1
    [run] = [run for run in after["runs"] if run["target"] == "sessions"]
    assert run["rows"] == 1
    assert [policy["plan"]["rows"] for policy in after["policies"] if policy["target"] == "sessions"] == [0]
    assert sign_in("carol", fleet="operator").get("/api/core/retention").status_code == 403
