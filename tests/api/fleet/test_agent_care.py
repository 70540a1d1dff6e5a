"""How users manage agents: codes, tokens, commands, and another machine at a terminal's place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token, new_token
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.fleet.agents.models import Command, Device
from service.fleet.models import EnrolmentCode, Terminal, TerminalState, TerminalToken, terminal_logs
from service.fleet.rules import AREA
from tests import factories

SignIn = Callable[..., TestClient]


@pytest.fixture
def terminal(db: Session) -> Terminal:
    """Enrolled, and cloned once."""
    created = factories.terminal(db, serial_number="TC200-OLD")
    db.add(TerminalToken(token_hash=hash_token(new_token()), terminal_id=created.id))
    db.execute(update(TerminalState).values(cloned_at=app_now(db)))
    db.commit()
    return created


@pytest.fixture
def admin(sign_in: SignIn) -> TestClient:
    return sign_in("alice", fleet="admin")


def url(terminal: Terminal, *rest: object) -> str:
    return "/".join(map(str, (f"/api/fleet/terminals/{terminal.id}", *rest)))


def log(db: Session, terminal: Terminal) -> list[tuple[str, Any, str | None]]:
    """What users and agents did: (kind, detail, by)."""
    statement = select(terminal_logs.c.kind, terminal_logs.c.detail, terminal_logs.c.by)
    return [tuple(row) for row in db.execute(statement.where(terminal_logs.c.terminal_id == terminal.id))]


def audited(db: Session, subject: str) -> list[tuple[str, Any, Any]]:
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id))
    return [(entry.action, entry.before, entry.after) for entry in entries]


def test_codes_are_listed_newest_first_with_their_state(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    ids = [
        admin.post("/api/fleet/enrolment-codes", json={"customer_id": customer.id, "maximum_uses": uses}).json()["id"]
        for uses in (1, 2, 3, 4)
    ]
    used_up, expired, revoked, _ = (db.get_one(EnrolmentCode, key) for key in ids)
    used_up.uses = 1
    expired.expires_at = app_now(db)
    db.commit()
    assert admin.delete(f"/api/fleet/enrolment-codes/{revoked.id}").status_code == 204

    items = admin.get("/api/fleet/enrolment-codes").json()["items"]

    assert [(item["id"], item["state"]) for item in items] == list(
        zip(ids[::-1], ["valid", "revoked", "expired", "used_up"], strict=True)
    )
    assert (items[3]["uses"], items[3]["maximum_uses"]) == (1, 1)
    assert (items[0]["customer_name"], items[0]["created_by"]) == ("ABC商事", "alice さん")
    assert "code" not in items[0]


def test_a_revoked_code_enrols_no_terminal_and_is_revoked_once(admin: TestClient, db: Session) -> None:
    answer = admin.post("/api/fleet/enrolment-codes", json={"customer_id": factories.customer(db).id}).json()
    body = {"enrolment_code": answer["code"], "serial_number": "TC200-NEW", "store_name": "店"}

    for _ in range(2):
        assert admin.delete(f"/api/fleet/enrolment-codes/{answer['id']}").status_code == 204

    assert admin.post("/api/fleet/enrolments", json=body).status_code == 403
    assert [action for action, _, _ in audited(db, "enrolment_code")] == ["create", "update"]
    assert admin.delete("/api/fleet/enrolment-codes/999999").status_code == 404


def test_a_revoked_token_is_gone_and_so_is_the_mark_of_the_clone(
    admin: TestClient, terminal: Terminal, db: Session
) -> None:
    before = admin.get(url(terminal, "token")).json()

    for _ in range(2):
        assert admin.delete(url(terminal, "token")).status_code == 204

    after = admin.get(url(terminal, "token")).json()
    assert before["issued_at"] is not None
    assert before["cloned_at"] is not None
    assert after == {"issued_at": None, "renew_at": None, "cloned_at": None}
    assert log(db, terminal) == [("token_revoked", None, "alice さん")]
    assert [after for _, _, after in audited(db, "terminal_token")] == [{"revoked": True}]


def test_a_token_is_renewed_after_ninety_days_or_on_request(admin: TestClient, terminal: Terminal, db: Session) -> None:
    token = admin.get(url(terminal, "token")).json()
    issued_at, renew_at = (datetime.fromisoformat(token[name]) for name in ("issued_at", "renew_at"))

    requested = admin.post(url(terminal, "token/rotation"))

    assert renew_at - issued_at == timedelta(days=90)
    assert requested.status_code == 201
    assert db.get_one(Command, requested.json()["id"]).name == "rotate_token"
    assert admin.post(url(terminal, "token/rotation")).status_code == 409


@pytest.mark.parametrize("name", ["diagnose", "send_bundle"])
def test_an_operator_sends_one_command_of_a_name_at_a_time(
    sign_in: SignIn, terminal: Terminal, db: Session, name: str
) -> None:
    operator = sign_in("olivia", fleet="operator")

    created = operator.post(url(terminal, "commands"), json={"name": name})
    again = operator.post(url(terminal, "commands"), json={"name": name})

    assert (created.status_code, again.status_code) == (201, 409)
    [item] = operator.get(url(terminal, "commands")).json()["items"]
    assert (item["id"], item["name"], item["state"], item["created_by"]) == (
        created.json()["id"],
        name,
        "waiting",
        "olivia さん",
    )
    assert log(db, terminal) == [("command", {"id": item["id"], "name": name, "state": "waiting"}, "olivia さん")]
    assert [action for action, _, _ in audited(db, "command")] == ["create"]


def test_a_cancelled_command_is_off_and_the_next_one_may_be_sent(
    sign_in: SignIn, terminal: Terminal, db: Session
) -> None:
    operator = sign_in("olivia", fleet="operator")
    key = operator.post(url(terminal, "commands"), json={"name": "diagnose"}).json()["id"]

    assert operator.post(url(terminal, "commands", key, "cancel")).status_code == 204
    assert operator.post(url(terminal, "commands", key, "cancel")).status_code == 409
    assert operator.post(url(terminal, "commands"), json={"name": "diagnose"}).status_code == 201

    states = [item["state"] for item in operator.get(url(terminal, "commands")).json()["items"]]
    assert states == ["waiting", "cancelled"]
    assert [action for action, _, _ in audited(db, "command")] == ["create", "cancel", "create"]


@pytest.mark.parametrize("name", ["rotate_token", "update_firmware"])
def test_what_belongs_to_a_token_or_a_roll_out_is_not_cancelled_here(
    admin: TestClient, terminal: Terminal, db: Session, name: str
) -> None:
    command = Command(terminal_id=terminal.id, name=name, expires_at=app_now(db))
    db.add(command)
    db.commit()

    assert admin.post(url(terminal, "commands", command.id, "cancel")).status_code == 409
    assert admin.post(url(terminal, "commands"), json={"name": name}).status_code == 422


def test_a_command_is_found_below_its_own_terminal_only(admin: TestClient, terminal: Terminal, db: Session) -> None:
    stranger = factories.terminal(db)
    key = admin.post(url(terminal, "commands"), json={"name": "diagnose"}).json()["id"]

    assert admin.post(url(stranger, "commands", key, "cancel")).status_code == 404
    assert admin.get("/api/fleet/terminals/999999/commands").status_code == 404
    assert admin.get(url(stranger, "commands")).json()["items"] == []


def test_no_command_is_sent_to_a_terminal_that_is_not_enrolled(admin: TestClient, db: Session) -> None:
    silent = factories.terminal(db)
    db.commit()

    answer = admin.post(url(silent, "commands"), json={"name": "diagnose"})

    assert answer.status_code == 409
    assert "登録" in answer.json()["detail"]


def swap(client: TestClient, terminal: Terminal, **changes: Any) -> Any:
    body = {"serial_number": "TC200-NEW", "fate": "repair", "reason": "画面が割れた", "version": 1} | changes
    return client.post(url(terminal, "swap"), json=body)


def test_a_swap_keeps_the_history_and_lets_the_new_machine_in_once(
    sign_in: SignIn, terminal: Terminal, db: Session
) -> None:
    operator = sign_in("olivia", fleet="operator")
    operator.post(url(terminal, "commands"), json={"name": "diagnose"})

    answer = swap(operator, terminal)

    assert answer.status_code == 200, answer.text
    swapped = answer.json()
    assert (swapped["terminal_id"], swapped["serial_number"], swapped["version"]) == (terminal.id, "TC200-NEW", 2)
    assert operator.get(url(terminal, "token")).json()["issued_at"] is None
    assert operator.get(url(terminal, "commands")).json()["items"][0]["state"] == "cancelled"
    body = {"enrolment_code": swapped["code"], "serial_number": "TC200-NEW"}
    assert operator.post("/api/fleet/enrolments", json=body).json()["terminal_id"] == terminal.id
    assert operator.post("/api/fleet/enrolments", json=body).status_code == 403
    current, previous = operator.get(url(terminal, "devices")).json()["items"]
    assert (current["serial_number"], current["removed_at"], current["fate"]) == ("TC200-NEW", None, None)
    assert (previous["serial_number"], previous["fate"], previous["reason"]) == ("TC200-OLD", "repair", "画面が割れた")
    assert (previous["removed_by"], previous["removed_at"]) == ("olivia さん", current["placed_at"])
    assert [kind for kind, _, _ in log(db, terminal)].count("swapped") == 1
    assert audited(db, "terminal")[-1] == (
        "update",
        {"serial_number": "TC200-OLD"},
        {"serial_number": "TC200-NEW", "fate": "修理に出す", "reason": "画面が割れた"},
    )


def test_a_machine_may_come_back_to_its_place(admin: TestClient, terminal: Terminal, db: Session) -> None:
    swap(admin, terminal)

    assert swap(admin, terminal, serial_number="TC200-OLD", fate="scrapped", version=2).status_code == 200

    items = admin.get(url(terminal, "devices")).json()["items"]
    assert [(item["serial_number"], item["fate"]) for item in items] == [
        ("TC200-OLD", None),
        ("TC200-NEW", "scrapped"),
        ("TC200-OLD", "repair"),
    ]


def test_before_any_swap_the_only_machine_is_listed(admin: TestClient, terminal: Terminal) -> None:
    listed = admin.get(url(terminal, "devices")).json()

    assert listed["total"] == 1
    assert (listed["items"][0]["serial_number"], listed["items"][0]["removed_at"]) == ("TC200-OLD", None)


def test_a_serial_that_is_in_use_is_refused_and_nothing_has_changed(
    admin: TestClient, terminal: Terminal, db: Session
) -> None:
    factories.terminal(db, serial_number="TC200-ELSEWHERE")
    db.commit()

    for serial in ("TC200-ELSEWHERE", "TC200-OLD"):
        answer = swap(admin, terminal, serial_number=serial)
        assert answer.status_code == 409, serial
        assert answer.json()["errors"][0]["field"] == "serial_number"

    assert admin.get(url(terminal, "token")).json()["issued_at"] is not None
    assert db.scalars(select(Device)).all() == []
    assert db.scalars(select(EnrolmentCode)).all() == []


def test_a_stale_swap_is_a_conflict_with_both_sides(admin: TestClient, terminal: Terminal) -> None:
    swap(admin, terminal)

    answer = swap(admin, terminal, serial_number="TC200-THIRD")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:genba:stale"
    assert answer.json()["yours"]["serial_number"] == "TC200-THIRD"
    assert answer.json()["current"] == {"version": 2, "serial_number": "TC200-NEW"}


MAY = {
    "admin": {"codes", "issue", "revoke", "token", "end token", "rotate", "commands", "order", "devices", "swap"},
    "operator": {"token", "commands", "order", "devices", "swap"},
    "support": {"token", "commands", "devices"},
    "viewer": set(),
}


@pytest.mark.parametrize("role", MAY)
def test_each_role_may_do_its_own(sign_in: SignIn, terminal: Terminal, role: str) -> None:
    client = sign_in("somebody", fleet=role)
    answers = {
        "codes": client.get("/api/fleet/enrolment-codes"),
        "issue": client.post("/api/fleet/enrolment-codes", json={}),
        "revoke": client.delete("/api/fleet/enrolment-codes/999999"),
        "token": client.get(url(terminal, "token")),
        "rotate": client.post(url(terminal, "token/rotation")),
        "commands": client.get(url(terminal, "commands")),
        "order": client.post(url(terminal, "commands"), json={"name": "diagnose"}),
        "devices": client.get(url(terminal, "devices")),
        "swap": swap(client, terminal),
        "end token": client.delete(url(terminal, "token")),
    }

    assert {name for name, answer in answers.items() if answer.status_code != 403} == MAY[role]
    assert all(answers[name].status_code in (200, 201, 204, 404) for name in MAY[role])


def test_what_is_written_into_the_audit_log_has_titles(admin: TestClient, terminal: Terminal, db: Session) -> None:
    key = admin.post(url(terminal, "commands"), json={"name": "diagnose"}).json()["id"]
    admin.post(url(terminal, "commands", key, "cancel"))
    admin.delete(url(terminal, "token"))
    swap(admin, terminal)

    entries = [entry for entry in db.scalars(select(AuditEntry)) if entry.area == "fleet"]
    assert {entry.subject for entry in entries} <= set(AREA.subjects)
    assert {name for entry in entries for name in (entry.before or {}) | (entry.after or {})} <= set(AREA.fields)
