"""What the daily backup reports, and what システム状態 shows of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.database.clock import real_now
from service.core.monitoring import backups
from service.core.monitoring.backups import LATE_AFTER, Backup
from service.core.settings import settings
from tests.api.core.test_probes import TOKEN

SignIn = Callable[..., TestClient]
URL = "/api/core/backups"


def backup_report(hours_ago: float = 0, ok: bool = True) -> dict[str, Any]:
    at = real_now() - timedelta(hours=hours_ago)
    return {"source": "a", "at": at.isoformat(), "seconds": 2.5, "ok": ok, "bytes": 1234 if ok else None, "kept": 3}


def state(sign_in: SignIn) -> dict[str, Any]:
    backup: dict[str, Any] = sign_in("alice", fleet="admin").get("/api/core/system").json()["backup"]
    return backup


def test_only_the_machines_token_is_accepted_and_a_repeat_changes_nothing(
    client: TestClient, sign_in: SignIn, db: Session
) -> None:
    body = backup_report()

    assert client.post(URL, json=body).status_code == 401
    assert sign_in("bob", fleet="admin").post(URL, json=body).status_code == 401
    assert [client.post(URL, json=body, headers=TOKEN).status_code for _ in range(2)] == [204, 204]

    assert db.query(Backup).count() == 1


@pytest.mark.parametrize("wrong", [{"bytes": None}, {"ok": False}, {"bytes": -1}, {"at": "2026-11-21T03:00:00"}])
def test_an_inconsistent_report_is_refused(client: TestClient, wrong: dict[str, Any]) -> None:
    assert client.post(URL, json=backup_report() | wrong, headers=TOKEN).status_code == 422


def test_the_newest_success_is_shown_with_its_figures(client: TestClient, sign_in: SignIn) -> None:
    for hours in (25, 1):
        client.post(URL, json=backup_report(hours), headers=TOKEN)

    backup = state(sign_in)

    assert (backup["failed"], backup["is_late"], backup["expected"]) == (False, False, True)
    assert {name: backup["last"][name] for name in ("seconds", "bytes", "kept")} == {
        **{"seconds": 2.5, "bytes": 1234, "kept": 3}
    }
    assert backup["last"]["at"] == backup["tried_at"]


def test_a_failure_is_shown_with_the_last_success_until_one_succeeds(client: TestClient, sign_in: SignIn) -> None:
    client.post(URL, json=backup_report(2), headers=TOKEN)
    client.post(URL, json=backup_report(1, ok=False), headers=TOKEN)
    backup = state(sign_in)
    assert (backup["failed"], backup["is_late"]) == (True, False)
    assert backup["last"]["at"] < backup["tried_at"]

    client.post(URL, json=backup_report(), headers=TOKEN)

    assert client.get("/api/core/system").json()["backup"]["failed"] is False


def test_silence_is_late_after_26_hours(client: TestClient, sign_in: SignIn) -> None:
    client.post(URL, json=backup_report(26.1), headers=TOKEN)

    assert state(sign_in)["is_late"] is True


def test_a_new_installation_has_as_long_for_its_first_backup(sign_in: SignIn, db: Session) -> None:
    backup = state(sign_in)
    assert (backup["last"], backup["is_late"]) == (None, False)

    db.execute(update(User).values(created_at=real_now() - LATE_AFTER - timedelta(minutes=1)))
    db.commit()

    assert sign_in("carol", fleet="admin").get("/api/core/system").json()["backup"]["is_late"] is True


def test_backups_taken_in_another_way_are_not_expected(
    sign_in: SignIn, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings().model_copy(update={"backup_at": "off"})
    monkeypatch.setattr("service.core.monitoring.backups.settings", lambda: changed)
    client = sign_in("alice", fleet="admin")
    db.execute(update(User).values(created_at=real_now() - 2 * LATE_AFTER))
    db.commit()

    backup = client.get("/api/core/system").json()["backup"]

    assert (backup["expected"], backup["is_late"]) == (False, False)


def test_a_rehearsal_is_shown_with_the_backups_and_is_none_of_them(client: TestClient, sign_in: SignIn) -> None:
    client.post(URL, json=backup_report(2), headers=TOKEN)
    assert state(sign_in)["rehearsal"] is None

    client.post(URL, json=backup_report(1) | {"kind": "rehearsal", "kept": 0}, headers=TOKEN)

    backup = client.get("/api/core/system").json()["backup"]
    assert (backup["rehearsal"]["ok"], backup["rehearsal"]["is_late"]) == (True, False)
    assert (backup["rehearsal"]["seconds"], backup["rehearsal"]["is_slow"]) == (backup_report(1)["seconds"], False)
    assert backup["last"]["at"] == backup["tried_at"] != backup["rehearsal"]["at"]


def test_a_rehearsal_is_late_after_eight_days_and_its_failure_is_no_failed_backup(
    client: TestClient, sign_in: SignIn
) -> None:
    client.post(URL, json=backup_report(8 * 24 + 1) | {"kind": "rehearsal"}, headers=TOKEN)
    assert state(sign_in)["rehearsal"]["is_late"] is True

    client.post(URL, json=backup_report(1, ok=False) | {"kind": "rehearsal"}, headers=TOKEN)

    backup = client.get("/api/core/system").json()["backup"]
    assert (backup["rehearsal"]["ok"], backup["failed"]) == (False, False)


def test_a_backup_is_late_after_its_span_and_not_on_it(db: Session) -> None:
    at = real_now()
    db.add(Backup(source="a", at=at, seconds=1, ok=True, bytes=1, kept=1))
    db.flush()

    assert backups.state(db, at + LATE_AFTER).is_late is False
    assert backups.state(db, at + LATE_AFTER + timedelta(microseconds=1)).is_late is True
