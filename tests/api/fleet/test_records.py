"""Customers, terminals, enrolment codes and the lists about them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.paging import write_cursor
from service.fleet.models import EnrolmentCode, TerminalState, TerminalToken
from tests import factories

CUSTOMER = {
    "company_name": "ABC商事",
    "contact_person": "青木 誠",
    "contact_email": "aoki@abc.example",
    "contact_phone": "03-1234-5678",
    "contract_type": "premium",
}


def test_an_admin_registers_a_customer_and_a_terminal(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="admin")

    customer_id = client.post("/api/fleet/customers", json=CUSTOMER).json()["id"]
    terminal = {"serial_number": "TC200-000777", "customer_id": customer_id, "store_name": "新宿店 レジ1番"}
    assert client.post("/api/fleet/terminals", json=terminal).status_code == 201

    listed = client.get("/api/fleet/terminals", params={"q": "000777"}).json()
    assert listed["total"] == 1
    assert listed["items"][0]["customer_name"] == "ABC商事"
    assert listed["items"][0]["status"] == "offline"
    entries = db.execute(select(AuditEntry.subject, AuditEntry.action).where(AuditEntry.actor == "alice")).all()
    assert ("customer", "create") in [tuple(entry) for entry in entries]
    assert ("terminal", "create") in [tuple(entry) for entry in entries]


def test_a_serial_number_is_registered_once(sign_in: Callable[..., TestClient], db: Session) -> None:
    terminal = factories.terminal(db)
    client = sign_in("alice", fleet="admin")

    answer = client.post(
        "/api/fleet/terminals",
        json={"serial_number": terminal.serial_number, "customer_id": terminal.customer_id, "store_name": "別の店"},
    )

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "serial_number"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"company_name": "  "}, "company_name"),
        ({"company_name": "あ" * 101}, "company_name"),
        ({"company_name": "ABC\x00"}, "company_name"),
        ({"company_name": "ABC\n商事"}, "company_name"),
        ({"contact_email": "aoki"}, "contact_email"),
        ({"contact_phone": "電話なし"}, "contact_phone"),
        ({"contract_type": "gold"}, "contract_type"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    sign_in: Callable[..., TestClient], change: dict[str, str], field: str
) -> None:
    client = sign_in("alice", fleet="admin")

    answer = client.post("/api/fleet/customers", json=CUSTOMER | change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get("/api/fleet/customers").json()["total"] == 0


def test_only_an_admin_registers(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("oscar", fleet="operator")

    assert client.post("/api/fleet/customers", json=CUSTOMER).status_code == 403
    assert client.post("/api/fleet/enrolment-codes", json={}).status_code == 403


def test_pages_follow_one_another_without_gaps(sign_in: Callable[..., TestClient], db: Session) -> None:
    customer = factories.customer(db)
    for number in range(5):
        factories.terminal(db, customer, f"PAGE-{number}")
    client = sign_in("alice", fleet="operator")

    serial_numbers: list[str] = []
    cursor = None
    while True:
        page = client.get("/api/fleet/terminals", params={"limit": 2, "cursor": cursor} if cursor else {"limit": 2})
        serial_numbers += [item["serial_number"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break

    assert serial_numbers == [f"PAGE-{number}" for number in range(5)]


def test_terminals_in_trouble_come_first_on_every_page(sign_in: Callable[..., TestClient], db: Session) -> None:
    customer = factories.customer(db)
    statuses = ["online", "error", "online", "offline", "maintenance"]
    for number, status in enumerate(statuses):
        terminal = factories.terminal(db, customer, f"ORDER-{number}")
        db.get_one(TerminalState, terminal.id).status = status
    client = sign_in("alice", fleet="operator")

    serial_numbers: list[str] = []
    cursor: str | None = None
    while not serial_numbers or cursor:
        query: dict[str, str | int] = {"limit": 2, "cursor": cursor} if cursor else {"limit": 2}
        page = client.get("/api/fleet/terminals", params=query).json()
        serial_numbers += [item["serial_number"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert serial_numbers == ["ORDER-3", "ORDER-1", "ORDER-4", "ORDER-0", "ORDER-2"]


def test_customers_are_paged_by_name_with_their_terminals_counted(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    abc, xyz = factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")
    factories.terminal(db, abc)
    factories.terminal(db, abc)
    client = sign_in("alice", fleet="support")

    first = client.get("/api/fleet/customers", params={"limit": 1}).json()
    second = client.get("/api/fleet/customers", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [first["items"][0]["id"], second["items"][0]["id"]] == [abc.id, xyz.id]
    assert first["items"][0]["terminals"]["total"] == 2
    assert second["items"][0]["terminals"]["total"] == 0
    assert second["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["x", "WyJhIiwgMV0", "W10", "WzEuNSwgMV0", "WzEsIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTld"])
def test_a_cursor_made_up_by_hand_is_refused(sign_in: Callable[..., TestClient], cursor: str) -> None:
    assert sign_in("alice", fleet="operator").get("/api/fleet/terminals", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize("name", ["a\x00", "\ud800"])
def test_a_cursor_with_text_no_database_takes_is_refused(sign_in: Callable[..., TestClient], name: str) -> None:
    cursor = write_cursor(name, 1)

    assert sign_in("alice", fleet="operator").get("/api/fleet/customers", params={"cursor": cursor}).status_code == 422


def test_a_percent_sign_in_a_search_is_a_percent_sign(sign_in: Callable[..., TestClient], db: Session) -> None:
    factories.terminal(db, store_name="100%の店")
    factories.terminal(db, store_name="別の店")

    result = sign_in("alice", fleet="operator").get("/api/fleet/terminals", params={"q": "%"}).json()

    assert [item["store_name"] for item in result["items"]] == ["100%の店"]


def test_the_summary_counts_by_status_and_knows_the_oldest_alert(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    customer = factories.customer(db)
    online, broken = factories.terminal(db, customer), factories.terminal(db, customer)
    factories.terminal(db, customer)
    db.get_one(TerminalState, online.id).status = "online"
    db.get_one(TerminalState, broken.id).status = "error"
    factories.alert(db, broken)
    client = sign_in("alice", fleet="operator")

    summary = client.get("/api/fleet/summary").json()

    assert summary["terminals"] == {"total": 3, "online": 1, "offline": 1, "error": 1, "maintenance": 0}
    assert (summary["open_alerts"], summary["open_incidents"]) == (1, 1)
    assert summary["oldest_open_alert_at"] is not None
    assert client.get("/api/fleet/alerts").json()["items"][0]["message"] == "カードリーダー応答なし"


def test_an_agent_enrols_once_with_a_one_time_code(client: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    code = factories.enrolment_code(db, customer)
    body = {"enrolment_code": code, "serial_number": "TC200-NEW", "store_name": "渋谷店 レジ2番"}

    first = client.post("/api/fleet/enrolments", json=body)
    again = client.post("/api/fleet/enrolments", json=body | {"serial_number": "TC200-OTHER"})

    assert first.status_code == 201
    assert set(first.json()) == {"terminal_id", "token"}
    assert again.status_code == 403
    stored = db.scalars(select(TerminalToken)).one()
    assert stored.terminal_id == first.json()["terminal_id"]
    assert first.json()["token"].encode() not in stored.token_hash


def test_enrolling_again_ends_the_earlier_token(client: TestClient, db: Session) -> None:
    terminal = factories.terminal(db)
    customer = db.get_one(type(factories.customer(db)), terminal.customer_id)
    code = factories.enrolment_code(db, customer, maximum_uses=2)
    body = {"enrolment_code": code, "serial_number": terminal.serial_number}

    client.post("/api/fleet/enrolments", json=body)
    client.post("/api/fleet/enrolments", json=body)

    revoked = db.scalars(select(TerminalToken.revoked_at).order_by(TerminalToken.created_at)).all()
    assert sorted(revoked_at is None for revoked_at in revoked) == [False, True]


def test_a_code_enrols_only_the_terminals_of_its_customer(client: TestClient, db: Session) -> None:
    foreign = factories.terminal(db, factories.customer(db))
    code = factories.enrolment_code(db, factories.customer(db))

    answer = client.post("/api/fleet/enrolments", json={"enrolment_code": code, "serial_number": foreign.serial_number})

    assert answer.status_code == 409
    assert db.scalars(select(TerminalToken)).all() == []


def test_a_code_without_customer_enrols_registered_terminals_only(client: TestClient, db: Session) -> None:
    registered = factories.terminal(db)
    code = factories.enrolment_code(db, None, maximum_uses=2)

    def enrol(serial: str) -> int:
        body = {"enrolment_code": code, "serial_number": serial, "store_name": "店"}
        return client.post("/api/fleet/enrolments", json=body).status_code

    assert enrol(registered.serial_number) == 201
    assert enrol("TC200-UNKNOWN") == 403


def test_an_expired_code_is_refused_like_an_unknown_one(client: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    code = factories.enrolment_code(db, customer)
    row = db.scalars(select(EnrolmentCode)).one()
    row.expires_at = row.created_at
    db.commit()
    body = {"serial_number": "TC200-NEW", "store_name": "店"}

    expired = client.post("/api/fleet/enrolments", json=body | {"enrolment_code": code})
    unknown = client.post("/api/fleet/enrolments", json=body | {"enrolment_code": "NO-SUCH-CODE"})

    assert expired.status_code == unknown.status_code == 403
    assert expired.json() == unknown.json()


def test_a_new_terminal_needs_a_store_name(client: TestClient, db: Session) -> None:
    code = factories.enrolment_code(db, factories.customer(db))

    answer = client.post("/api/fleet/enrolments", json={"enrolment_code": code, "serial_number": "TC200-NEW"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "store_name"
    assert db.scalars(select(EnrolmentCode.uses)).one() == 0


def test_the_audit_log_never_contains_a_code_or_a_token(client: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    code = factories.enrolment_code(db, customer)
    body = {"enrolment_code": code, "serial_number": "TC200-NEW", "store_name": "店"}
    token = client.post("/api/fleet/enrolments", json=body).json()["token"]

    audited = " ".join(str(entry.after) for entry in db.scalars(select(AuditEntry)))

    assert "fleet" in {entry.area for entry in db.scalars(select(AuditEntry))}
    assert code not in audited
    assert token not in audited
