"""A customer after its registration: its page, stale edits, archiving and restoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.fleet.models import Customer, TerminalState
from tests import factories

ROOT = "/api/fleet/customers"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def names(client: TestClient, **query: Any) -> list[str]:
    return [row["company_name"] for row in client.get(ROOT, params=query).json()["items"]]


def test_customers_in_use_are_offered_by_name(admin: TestClient, db: Session) -> None:
    in_use, archived = factories.customer(db, "XYZストア"), factories.customer(db, "ABC商事")
    db.commit()
    assert admin.post(f"{ROOT}/{archived.id}/archive").status_code == 200

    assert admin.get(f"{ROOT}/choices").json() == [{"id": in_use.id, "company_name": "XYZストア"}]


def test_an_edit_changes_what_was_sent_and_is_audited(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    db.commit()

    answer = admin.patch(f"{ROOT}/{customer.id}", json={"version": 1, "contact_person": "新田 花子"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["contact_person"] == "新田 花子"
    assert answer.json()["company_name"] == "ABC商事"
    assert answer.json()["version"] == 2
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "update")).one()
    assert (entry.subject, entry.before, entry.after) == (
        "customer",
        {"contact_person": "青木 誠"},
        {"contact_person": "新田 花子"},
    )


def test_a_stale_edit_is_a_conflict_that_shows_both_sides(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db)
    db.commit()
    admin.patch(f"{ROOT}/{customer.id}", json={"version": 1, "contact_person": "先の人"})

    answer = admin.patch(f"{ROOT}/{customer.id}", json={"version": 1, "contact_person": "後の人"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:genba:stale"
    assert answer.json()["yours"] == {"contact_person": "後の人"}
    assert answer.json()["current"]["contact_person"] == "先の人"
    assert answer.json()["current"]["version"] == 2
    db.expire_all()
    assert db.get_one(Customer, customer.id).contact_person == "先の人"


def test_an_edit_that_changes_nothing_leaves_the_version(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    db.commit()

    assert admin.patch(f"{ROOT}/{customer.id}", json={"version": 1, "company_name": "ABC商事"}).json()["version"] == 1


def test_a_name_that_is_taken_is_named(admin: TestClient, db: Session) -> None:
    factories.customer(db, "ABC商事")
    other = factories.customer(db, "XYZ商店")
    db.commit()

    answer = admin.patch(f"{ROOT}/{other.id}", json={"version": 1, "company_name": "ABC商事"})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "company_name"


def test_a_customer_with_terminals_in_use_cannot_be_archived(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    terminal = factories.terminal(db, customer)
    db.commit()

    refused = admin.post(f"{ROOT}/{customer.id}/archive")
    admin.post(f"/api/fleet/terminals/{terminal.id}/archive")
    done = admin.post(f"{ROOT}/{customer.id}/archive")

    assert refused.status_code == 409
    assert "1台" in refused.json()["detail"]
    assert done.status_code == 200
    assert done.json()["archived_at"] is not None
    assert names(admin) == []
    assert names(admin, archived=True) == ["ABC商事"]


def test_archiving_a_customer_ends_its_enrolment_codes(admin: TestClient, db: Session) -> None:
    customer, other = factories.customer(db), factories.customer(db)
    factories.enrolment_code(db, customer)
    factories.enrolment_code(db, other)
    db.commit()

    admin.post(f"{ROOT}/{customer.id}/archive")

    codes = admin.get("/api/fleet/enrolment-codes").json()["items"]
    assert {code["customer_id"]: code["state"] for code in codes} == {customer.id: "revoked", other.id: "valid"}
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "status_change")).one()
    assert (entry.actor, (entry.after or {})["codes_revoked"]) == ("alice", 1)


def test_an_archived_customer_takes_no_terminals_and_comes_back(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    db.commit()
    admin.post(f"{ROOT}/{customer.id}/archive")
    new = {"serial_number": "TC200-1", "customer_id": customer.id, "store_name": "新宿店"}

    refused = admin.post("/api/fleet/terminals", json=new)
    edited = admin.patch(f"{ROOT}/{customer.id}", json={"version": 2, "contact_person": "誰か"})
    admin.post(f"{ROOT}/{customer.id}/restore")

    assert refused.status_code == edited.status_code == 409
    assert names(admin) == ["ABC商事"]
    assert admin.post("/api/fleet/terminals", json=new).status_code == 201
    changes = db.scalars(select(AuditEntry.after).where(AuditEntry.action == "status_change").order_by(AuditEntry.id))
    assert list(changes) == [{"archived": True, "codes_revoked": 0}, {"archived": False}]


def test_the_page_counts_terminals_by_store_and_names_open_incidents(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    shinjuku = [factories.terminal(db, customer, store_name=f"新宿店 レジ{till}番") for till in (1, 2)]
    ueno = factories.terminal(db, customer, store_name="上野店 レジ1番")
    factories.terminal(db, factories.customer(db))
    for terminal in shinjuku:
        db.get_one(TerminalState, terminal.id).status = "online"
    alert = factories.alert(db, ueno)
    db.commit()

    page = admin.get(f"{ROOT}/{customer.id}").json()

    assert page["terminals"] == {"total": 3, "online": 2, "offline": 1, "error": 0, "maintenance": 0}
    assert [(store["store"], store["terminals"]["total"]) for store in page["stores"]] == [("上野店", 1), ("新宿店", 2)]
    assert page["store_count"] == 2
    assert [(incident["id"], incident["members_open"]) for incident in page["open_incidents"]] == [
        (alert.incident_id, 1)
    ]
    assert page["last_report"] is None


def test_customers_are_found_by_name_and_sorted_by_trouble(admin: TestClient, db: Session) -> None:
    quiet, troubled = factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")
    db.get_one(TerminalState, factories.terminal(db, quiet).id).status = "online"
    factories.terminal(db, troubled)
    db.commit()

    assert names(admin, sort="-trouble") == ["XYZ商店", "ABC商事"]
    assert names(admin, q="xyz") == ["XYZ商店"]
    assert names(admin, contract_type="premium") == []


@pytest.mark.parametrize("role", ["operator", "support"])
def test_only_an_admin_changes_customers(sign_in: Callable[..., TestClient], db: Session, role: str) -> None:
    customer = factories.customer(db)
    db.commit()
    client = sign_in("oscar", fleet=role)

    assert client.get(f"{ROOT}/{customer.id}").status_code == 200
    assert client.patch(f"{ROOT}/{customer.id}", json={"version": 1}).status_code == 403
    assert client.post(f"{ROOT}/{customer.id}/archive").status_code == 403
    assert client.post(f"{ROOT}/{customer.id}/restore").status_code == 403
