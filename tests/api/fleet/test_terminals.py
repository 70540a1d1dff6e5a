"""A terminal after its registration: its page, stale edits, archiving and restoring, and the filters of the list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token, new_token
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.fleet.agents.models import Command
from service.fleet.firmware import actions as roll_outs
from service.fleet.firmware.models import UpdateTask
from service.fleet.incidents.models import Incident, IncidentEvent
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Terminal, TerminalState, TerminalToken
from tests import factories

ROOT = "/api/fleet/terminals"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def serials(client: TestClient, **query: Any) -> list[str]:
    return [row["serial_number"] for row in client.get(ROOT, params=query).json()["items"]]


def set_state(db: Session, terminal: Terminal, **values: Any) -> None:
    db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(**values))


def set_online(db: Session, terminal: Terminal, **values: Any) -> None:
    now = app_now(db)
    set_state(
        db,
        terminal,
        **{"status": "online", "last_heartbeat_at": now, "offline_after": now + timedelta(minutes=11)} | values,
    )


def set_silent(db: Session, terminal: Terminal, **values: Any) -> None:
    before = app_now(db) - timedelta(hours=1)
    set_online(db, terminal, **{"status": "offline", "last_heartbeat_at": before, "offline_after": before} | values)


def finding(client: TestClient, terminal: Terminal) -> str:
    value: str = client.get(f"{ROOT}/{terminal.id}").json()["diagnosis"]["finding"]
    return value


def test_an_edit_moves_a_terminal_and_is_audited(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db)
    other = factories.customer(db, "XYZ商店")
    db.commit()
    change = {"version": 1, "customer_id": other.id, "store_name": "渋谷店 レジ2番", "tags": [" 重点 ", "重点"]}

    answer = admin.patch(f"{ROOT}/{terminal.id}", json=change)

    assert answer.status_code == 200, answer.text
    assert answer.json()["customer"]["company_name"] == "XYZ商店"
    assert answer.json()["store"]["store"] == "渋谷店"
    assert answer.json()["tags"] == ["重点"]
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "update")).one()
    assert entry.after == {"customer_id": other.id, "store_name": "渋谷店 レジ2番", "tags": ["重点"]}


def test_a_stale_edit_is_a_conflict_that_shows_both_sides(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db)
    db.commit()
    admin.patch(f"{ROOT}/{terminal.id}", json={"version": 1, "store_name": "先の店"})

    answer = admin.patch(
        f"{ROOT}/{terminal.id}", json={"version": 1, "store_name": "後の店", "installed_date": "2026-04-01"}
    )

    assert answer.status_code == 409
    assert answer.json()["yours"] == {"store_name": "後の店", "installed_date": "2026-04-01"}
    assert answer.json()["current"]["store_name"] == "先の店"
    assert answer.json()["current"]["version"] == 2


def test_the_date_can_be_emptied_and_nothing_else(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db)
    db.commit()
    admin.patch(f"{ROOT}/{terminal.id}", json={"version": 1, "installed_date": "2026-04-01"})

    answer = admin.patch(f"{ROOT}/{terminal.id}", json={"version": 2, "installed_date": None, "store_name": None})

    assert answer.json()["installed_date"] is None
    assert answer.json()["store_name"] == terminal.store_name


def test_a_serial_number_is_corrected_only_before_the_first_heartbeat(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db, serial_number="TC200-TYPO")
    db.commit()
    first = admin.patch(f"{ROOT}/{terminal.id}", json={"version": 1, "serial_number": "TC200-RIGHT"})
    set_online(db, terminal)
    db.commit()

    second = admin.patch(f"{ROOT}/{terminal.id}", json={"version": 2, "serial_number": "TC200-OTHER"})

    assert first.json()["serial_number"] == "TC200-RIGHT"
    assert second.status_code == 409
    assert second.json()["errors"][0]["field"] == "serial_number"


def test_archiving_ends_token_alerts_and_maintenance_and_hides_the_terminal(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db, serial_number="TC200-OLD")
    set_online(db, terminal)
    db.add(TerminalToken(token_hash=hash_token(new_token()), terminal_id=terminal.id))
    alert = factories.alert(db, terminal)
    db.commit()
    ends_at = (app_now(db) + timedelta(hours=2)).isoformat()
    maintenance = {"terminal_ids": [terminal.id], "ends_at": ends_at, "reason": "撤去"}
    assert admin.post("/api/fleet/maintenances", json=maintenance).status_code == 201

    answer = admin.post(f"{ROOT}/{terminal.id}/archive")

    assert answer.status_code == 200, answer.text
    assert answer.json()["archived_at"] is not None
    assert answer.json()["enrolled_at"] is None
    assert answer.json()["diagnosis"] is None
    assert answer.json()["maintenances"] == []
    assert answer.json()["state"]["status"] == "offline"
    db.expire_all()
    assert db.get_one(Alert, alert.id).resolved_by == "alice さん"
    [resolved] = admin.get("/api/fleet/alerts", params={"state": "all"}).json()["items"]
    assert (resolved["is_resolved"], resolved["resolved_by"]) == (True, "alice さん")
    assert db.get_one(Incident, alert.incident_id).resolved_at is not None
    assert db.scalars(select(Maintenance.ended_by)).all() == ["alice さん"]
    assert serials(admin) == []
    assert serials(admin, archived=True) == ["TC200-OLD"]
    assert admin.get("/api/fleet/summary").json()["terminals"]["total"] == 0
    assert db.scalar(select(func.count()).select_from(Terminal)) == 1


def test_archiving_cancels_updates_and_commands_and_audits_how_many(admin: TestClient, db: Session) -> None:
    terminal, other = factories.terminal(db, serial_number="TC200-GONE"), factories.terminal(db)
    for enrolled in (terminal, other):
        set_online(db, enrolled)
        db.add(TerminalToken(token_hash=hash_token(new_token()), terminal_id=enrolled.id))
    factories.alert(db, terminal)
    firmware = factories.firmware(db)
    db.commit()
    draft = {"name": "2.0.0 の配信", "firmware_id": firmware.id, "waves": [100]}
    rollout = admin.post("/api/fleet/rollouts", json=draft).json()["id"]
    assert admin.post(f"/api/fleet/rollouts/{rollout}/start").status_code == 204
    roll_outs.advance(db)
    db.commit()
    assert admin.post(f"{ROOT}/{terminal.id}/commands", json={"name": "diagnose"}).status_code == 201

    admin.post(f"{ROOT}/{terminal.id}/archive")

    db.expire_all()
    tasks = dict(db.execute(select(UpdateTask.terminal_id, UpdateTask.state)).all())
    assert tasks == {terminal.id: "cancelled", other.id: "offered"}
    commands = db.execute(select(Command.terminal_id, Command.name, Command.state).order_by(Command.id)).all()
    assert sorted(commands) == sorted(
        [
            (terminal.id, "update_firmware", "cancelled"),
            (other.id, "update_firmware", "waiting"),
            (terminal.id, "diagnose", "cancelled"),
        ]
    )
    audited = db.scalars(select(AuditEntry.after).where(AuditEntry.after.has_key("archived"))).one()
    assert audited == {"archived": True, "updates_cancelled": 1, "commands_cancelled": 2, "alerts_resolved": 1}
    events = db.execute(select(IncidentEvent.kind, IncidentEvent.by).order_by(IncidentEvent.id)).all()
    assert events == [("opened", "システム"), ("archived", "alice さん")]
    assert roll_outs.advance(db)["tasks"] == 0
    assert db.scalars(select(Alert).where(~Alert.is_resolved)).all() == []


def test_an_archived_terminal_is_not_edited_and_comes_back(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db, serial_number="TC200-BACK")
    set_online(db, terminal)
    db.commit()
    admin.post(f"{ROOT}/{terminal.id}/archive")
    admin.post(f"{ROOT}/{terminal.id}/archive")

    edited = admin.patch(f"{ROOT}/{terminal.id}", json={"version": 2, "store_name": "別の店"})
    restored = admin.post(f"{ROOT}/{terminal.id}/restore")

    assert edited.status_code == 409
    assert restored.status_code == 200
    assert serials(admin) == ["TC200-BACK"]
    assert finding(admin, terminal) == "never_heard"
    changes = db.scalars(select(AuditEntry.after).where(AuditEntry.action == "status_change").order_by(AuditEntry.id))
    assert list(changes) == [{"archived": True}, {"archived": False}]


def test_a_terminal_does_not_come_back_to_an_archived_customer(admin: TestClient, db: Session) -> None:
    terminal = factories.terminal(db)
    db.commit()
    admin.post(f"{ROOT}/{terminal.id}/archive")
    admin.post(f"/api/fleet/customers/{terminal.customer_id}/archive")

    assert admin.post(f"{ROOT}/{terminal.id}/restore").status_code == 409


def test_the_list_is_filtered_by_tag_version_store_and_customers_name(admin: TestClient, db: Session) -> None:
    abc, xyz = factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")
    tagged = factories.terminal(db, abc, "T-1", "新宿店 レジ1番")
    factories.terminal(db, abc, "T-2", "新宿店 レジ2番")
    factories.terminal(db, xyz, "T-3", "渋谷店 レジ1番")
    set_state(db, tagged, firmware_version="2.0.0")
    tagged.tags = ["重点", "路面店"]
    db.commit()

    assert serials(admin, tag="重点") == ["T-1"]
    assert serials(admin, tag="重") == []
    assert serials(admin, firmware_version="2.0.0") == ["T-1"]
    assert serials(admin, store="新宿店") == ["T-1", "T-2"]
    assert serials(admin, q="xyz") == ["T-3"]
    assert serials(admin, q="T-", status="offline", customer_id=xyz.id) == ["T-3"]
    exported = admin.get(f"{ROOT}.csv", params={"tag": "重点"}).text
    assert "T-1" in exported
    assert "重点、路面店" in exported
    assert "T-2" not in exported


def test_the_page_shows_what_the_newest_heartbeat_reported(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    terminal = factories.terminal(db, customer, store_name="新宿店 レジ1番")
    factories.terminal(db, customer, store_name="新宿店 レジ2番")
    set_online(db, terminal, cpu_usage=42, address="203.0.113.7", clock_skew_seconds=-3, terminal_connected=True)
    alert = factories.alert(db, terminal, message="紙がありません")
    db.commit()

    page = admin.get(f"{ROOT}/{terminal.id}").json()

    assert page["state"]["cpu_usage"] == 42
    assert page["state"]["address"] == "203.0.113.7"
    assert page["state"]["clock_skew_seconds"] == -3
    assert page["alerts"][0]["id"] == alert.id
    assert page["alerts"][0]["message"] == "紙がありません"
    assert page["store"]["terminals"] == {"total": 2, "online": 1, "offline": 1, "error": 0, "maintenance": 0}
    assert page["diagnosis"]["finding"] == "well"
    assert page["customer"]["contact_phone"] == "03-1234-5678"


def test_the_finding_distinguishes_pc_and_terminal(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    terminal, neighbour = (factories.terminal(db, customer, store_name=f"新宿店 レジ{n}番") for n in (1, 2))
    set_online(db, neighbour)
    db.commit()
    assert finding(admin, terminal) == "never_heard"
    for facts, expected in (
        ({"terminal_connected": False, "status": "error"}, "terminal_unplugged"),
        ({"terminal_connected": True, "terminal_serial": "TC200-FOREIGN"}, "other_terminal"),
        ({"terminal_serial": None, "error": "カードリーダー応答なし", "status": "error"}, "terminal_error"),
        ({"error": None, "cloned_at": app_now(db)}, "cloned"),
        ({"cloned_at": None}, "well"),
    ):
        set_online(db, terminal, **facts)
        db.commit()
        assert finding(admin, terminal) == expected
    set_silent(db, terminal)
    db.commit()
    assert finding(admin, terminal) == "pc_silent"
    set_silent(db, neighbour)
    db.commit()
    assert finding(admin, terminal) == "store_silent"
    set_silent(db, terminal, shutdown_at=app_now(db))
    db.commit()
    assert finding(admin, terminal) == "shut_down"


def test_silence_behind_one_address_is_the_network(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    stores = [factories.terminal(db, customer, store_name=f"{name}店") for name in ("新宿", "渋谷", "上野")]
    for terminal in stores:
        set_silent(db, terminal, address="8.8.8.8")
    set_silent(db, stores[2], address="9.9.9.9")
    db.commit()

    page = admin.get(f"{ROOT}/{stores[0].id}").json()

    assert page["diagnosis"] == {
        "finding": "network_silent",
        "store": {"others": 0, "silent": 0},
        "network": {"others": 1, "silent": 1},
    }
    assert finding(admin, stores[2]) == "pc_silent"


@pytest.mark.parametrize("role", ["operator", "support"])
def test_only_an_admin_changes_terminals(sign_in: Callable[..., TestClient], db: Session, role: str) -> None:
    terminal = factories.terminal(db)
    db.commit()
    client = sign_in("oscar", fleet=role)

    assert client.get(f"{ROOT}/{terminal.id}").status_code == 200
    assert client.patch(f"{ROOT}/{terminal.id}", json={"version": 1}).status_code == 403
    assert client.post(f"{ROOT}/{terminal.id}/archive").status_code == 403
    assert client.post(f"{ROOT}/{terminal.id}/restore").status_code == 403
    assert client.post(f"{ROOT}/tags", json={"ids": [terminal.id], "add": ["x"]}).status_code == 403
