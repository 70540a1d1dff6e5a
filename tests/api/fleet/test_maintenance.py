"""Maintenance as users plan, see and end it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.fleet.models import Terminal, TerminalState, terminal_logs
from tests import factories

ROOT = "/api/fleet/maintenances"


@pytest.fixture
def operator(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("oscar", fleet="operator")


@pytest.fixture
def stores(db: Session) -> list[Terminal]:
    """Two tills in 新宿店, one in 上野店, one of another customer."""
    abc = factories.customer(db, "ABC商事")
    store_names = ("新宿店 レジ1番", "新宿店 レジ2番", "上野店 レジ1番")
    terminals = [factories.terminal(db, abc, f"T-{n}", store_name) for n, store_name in enumerate(store_names, 1)]
    terminals.append(factories.terminal(db, factories.customer(db), "T-4"))
    for terminal in terminals:
        db.execute(
            update(TerminalState)
            .where(TerminalState.terminal_id == terminal.id)
            .values(status="online", last_heartbeat_at=app_now(db), offline_after=app_now(db) + timedelta(minutes=11))
        )
    db.commit()
    return terminals


def window(db: Session, hours: float = 2, **more: Any) -> dict[str, Any]:
    return {"ends_at": (app_now(db) + timedelta(hours=hours)).isoformat(), "reason": "改装工事"} | more


def statuses(db: Session) -> list[str]:
    return list(db.scalars(select(TerminalState.status).order_by(TerminalState.terminal_id)))


def logged(db: Session) -> list[tuple[str, str | None]]:
    log = terminal_logs.c
    rows = select(log.kind, log.by).where(log.kind.startswith("maintenance")).order_by(log.id)
    return [(kind, by) for kind, by in db.execute(rows)]


def test_maintenance_begins_at_once_for_all_tills_of_a_store(
    operator: TestClient, db: Session, stores: list[Terminal]
) -> None:
    answer = operator.post(ROOT, json=window(db, customer_id=stores[0].customer_id, store="新宿店"))

    assert answer.status_code == 201, answer.text
    assert len(answer.json()["ids"]) == 2
    assert statuses(db) == ["maintenance", "maintenance", "online", "online"]
    assert logged(db) == [("maintenance_started", "oscar さん")] * 2
    [first, second] = operator.get(ROOT, params={"phase": "now"}).json()["items"]
    assert {first["serial_number"], second["serial_number"]} == {"T-1", "T-2"}
    assert (first["reason"], first["created_by"], first["phase"]) == ("改装工事", "oscar さん", "now")
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject == "maintenance")).all()
    assert sorted(entry.after["serial_number"] for entry in entries if entry.after) == ["T-1", "T-2"]


def test_maintenance_is_planned_for_later_and_called_off(
    operator: TestClient, db: Session, stores: list[Terminal]
) -> None:
    later = (app_now(db) + timedelta(hours=1)).isoformat()
    [key] = operator.post(ROOT, json=window(db, terminal_ids=[stores[0].id], starts_at=later)).json()["ids"]
    assert statuses(db)[0] == "online"
    assert operator.get(f"/api/fleet/terminals/{stores[0].id}").json()["maintenances"][0]["phase"] == "next"

    ended = operator.post(f"{ROOT}/{key}/end")
    again = operator.post(f"{ROOT}/{key}/end")

    assert ended.json()["phase"] == again.json()["phase"] == "past"
    assert ended.json()["begun_at"] is None
    assert ended.json()["ended_by"] == "oscar さん"
    assert logged(db) == [("maintenance_planned", "oscar さん"), ("maintenance_cancelled", "oscar さん")]


def test_maintenance_ends_early_for_several(operator: TestClient, db: Session, stores: list[Terminal]) -> None:
    ids = operator.post(ROOT, json=window(db, customer_id=stores[0].customer_id)).json()["ids"]
    assert statuses(db) == ["maintenance"] * 3 + ["online"]

    answer = operator.post(f"{ROOT}/end", json={"ids": ids})

    assert answer.json() == {"ended": 3}
    assert statuses(db) == ["online"] * 4
    assert operator.post(f"{ROOT}/end", json={"ids": ids}).json() == {"ended": 0}
    assert operator.get(ROOT, params={"phase": "past", "terminal_id": stores[0].id}).json()["total"] == 1


def test_two_windows_never_overlap(operator: TestClient, db: Session, stores: list[Terminal]) -> None:
    operator.post(ROOT, json=window(db, terminal_ids=[stores[1].id]))

    answer = operator.post(ROOT, json=window(db, customer_id=stores[0].customer_id))

    assert answer.status_code == 409
    assert "（T-2）" in answer.json()["detail"]
    assert operator.get(ROOT).json()["total"] == 1
    after = (app_now(db) + timedelta(hours=3)).isoformat()
    assert operator.post(ROOT, json=window(db, 4, terminal_ids=[stores[1].id], starts_at=after)).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"starts_in": -1}, "starts_at"),
        ({"starts_in": 24 * 400, "ends_in": 24 * 401}, "starts_at"),
        ({"starts_in": 3, "ends_in": 2}, "ends_at"),
        ({"ends_in": 24 * 32}, "ends_at"),
        ({"reason": "　"}, "reason"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    operator: TestClient, db: Session, stores: list[Terminal], change: dict[str, Any], field: str
) -> None:
    body = window(db, change.pop("ends_in", 2), terminal_ids=[stores[0].id])
    if "starts_in" in change:
        body["starts_at"] = (app_now(db) + timedelta(hours=change.pop("starts_in"))).isoformat()

    answer = operator.post(ROOT, json=body | change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_terminals_to_maintain_are_named_in_one_way_and_must_exist(
    operator: TestClient, db: Session, stores: list[Terminal]
) -> None:
    assert operator.post(ROOT, json=window(db)).status_code == 422
    assert operator.post(ROOT, json=window(db, terminal_ids=[stores[0].id], customer_id=1)).status_code == 422
    assert operator.post(ROOT, json=window(db, store="新宿店")).status_code == 422
    assert operator.post(ROOT, json=window(db, terminal_ids=[stores[0].id, 10**12])).status_code == 404
    assert operator.post(ROOT, json=window(db, customer_id=stores[0].customer_id, store="ない店")).status_code == 404
    assert operator.post(f"{ROOT}/{10**12}/end").status_code == 404
    assert operator.get(ROOT).json()["total"] == 0


def test_support_sees_maintenance_and_does_not_plan_it(
    sign_in: Callable[..., TestClient], db: Session, stores: list[Terminal]
) -> None:
    support = sign_in("sam", fleet="support")

    assert support.get(ROOT).status_code == 200
    assert support.post(ROOT, json=window(db, terminal_ids=[stores[0].id])).status_code == 403
    assert support.post(f"{ROOT}/end", json={"ids": [1]}).status_code == 403
