"""The monthly reports' doors: who reads, who drafts, who sends; in which order they are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.session import SYSTEM, transaction
from service.core.values.times import Month
from service.fleet.models import Customer, Day
from service.fleet.monthly import actions
from service.fleet.monthly.models import MonthlyReport
from tests import factories
from tests.conftest import begun

DOOR = "/api/fleet/reports/monthly"
SignIn = Callable[..., TestClient]
MONTH = Month(2026, 10)


def two_months(db: Session) -> None:
    """Two customers with a terminal each, up for a whole and for half a day; reports of September and October."""
    found = [factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")]
    for customer, online in zip(found, (86400, 43200), strict=True):
        terminal = factories.terminal(db, customer)
        for month in (MONTH.plus(-1), MONTH):
            spent = {"online_seconds": online, "offline_seconds": 86400 - online}
            rest = {"error_seconds": 0, "maintenance_seconds": 0, "heartbeats": 0}
            db.add(Day(terminal_id=terminal.id, begins_at=month.bounds()[0], **spent, **rest))
    db.commit()
    for month in (MONTH.plus(-1), MONTH):
        for whose in [found[0].id, found[1].id, None]:
            assert actions.draft(partial(transaction, SYSTEM), "test", month, whose, anew=False)


@pytest.fixture(scope="module")
def _engine(empty: Engine) -> Iterator[Connection]:
    with begun(empty, two_months) as connection:
        yield connection


@pytest.fixture
def customers(db: Session) -> list[Customer]:
    """Those of `two_months`."""
    return [*db.scalars(select(Customer).order_by(Customer.id))]


def report(db: Session, customer: Customer | None) -> MonthlyReport:
    key = customer.id if customer else None
    asked = select(MonthlyReport).where(
        MonthlyReport.month == MONTH.first, MonthlyReport.customer_id.is_not_distinct_from(key)
    )
    return db.scalars(asked.execution_options(populate_existing=True)).one()


@pytest.mark.parametrize(
    ("role", "read", "change"), [("admin", 200, 0), ("operator", 200, 403), ("support", 200, 403), ("viewer", 200, 403)]
)
def test_every_role_reads_and_only_an_administrator_drafts_and_sends(
    sign_in: SignIn, db: Session, customers: list[Customer], role: str, read: int, change: int
) -> None:
    known = report(db, customers[0])
    client = sign_in("alice", fleet=role)

    for path in (DOOR, f"{DOOR}/overview", f"{DOOR}/{known.id}", f"/api/core/files/{known.pdf_id}"):
        assert client.get(path).status_code == read, path
    drafted = client.post(f"{DOOR}/drafts", json={"month": "2026-10"}).status_code
    sent = client.post(f"{DOOR}/{known.id}/send", json={"version": 1}).status_code
    assert (drafted, sent) == ((change, change) if change else (422, 200))  # October is not summed up here


def test_the_report_about_all_stands_first_and_the_list_is_cut_and_sorted(
    sign_in: SignIn, customers: list[Customer]
) -> None:
    client = sign_in("vera", fleet="viewer")

    def names(**query: object) -> list[object]:
        found = client.get(DOOR, params={"month": "2026-10"} | query).json()["items"]  # type: ignore[arg-type]
        return [one["customer_name"] for one in found]

    assert names() == [None, "ABC商事", "XYZ商店"]
    assert names(sort="uptime") == ["XYZ商店", None, "ABC商事"]
    assert names(q="xyz") == ["XYZ商店"]
    assert names(state="draft") == ["ABC商事", "XYZ商店"]
    assert names(state="sent") == []
    first = client.get(DOOR, params={"month": "2026-10", "limit": 2}).json()
    rest = client.get(DOOR, params={"month": "2026-10", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["customer_name"] for one in rest["items"]] == ["XYZ商店"]
    assert first["total"] == rest["total"] == 3
    assert client.get(DOOR, params={"month": "2026-13"}).status_code == 422
    assert client.get(DOOR, params={"sort": "figures"}).status_code == 422


def test_a_report_in_full_has_the_month_before_beside_it(
    sign_in: SignIn, db: Session, customers: list[Customer]
) -> None:
    client = sign_in("vera", fleet="viewer")

    found = client.get(f"{DOOR}/{report(db, customers[1]).id}").json()

    assert (found["customer_name"], found["uptime"], found["uptime_before"]) == ("XYZ商店", 0.5, 0.5)
    assert (found["figures"]["month"], found["before"]["month"]) == ("2026-10", "2026-09")
    assert found["figures"]["worst"][0]["seconds"]["offline"] == 43200
    assert client.get(f"{DOOR}/999999999").status_code == 404


def test_sending_is_told_audited_and_not_repeated(sign_in: SignIn, db: Session, customers: list[Customer]) -> None:
    known = report(db, customers[0])
    client = sign_in("alice", fleet="admin")

    sent = client.post(f"{DOOR}/{known.id}/send", json={"version": 1}).json()

    assert (sent["sent_to"], sent["sent_by"], sent["version"]) == ("aoki@example.com", "alice さん", 2)
    again = client.post(f"{DOOR}/{known.id}/send", json={"version": 2})
    assert (again.status_code, "送信済み" in again.json()["detail"]) == (409, True)
    assert client.post(f"{DOOR}/{known.id}/send", json={"version": 2, "again": True}).status_code == 200
    assert client.post(f"{DOOR}/{report(db, None).id}/send", json={"version": 1}).status_code == 409
    entries = db.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject == "monthly_report", AuditEntry.action == "status_change")
        .order_by(AuditEntry.id)
    ).all()
    assert [entry.after["sent_to"] for entry in entries if entry.after] == ["aoki@example.com"] * 2
    told = client.get(f"{DOOR}/overview", params={"month": "2026-10"}).json()
    assert (told["sent"], told["unsent"], told["months"][-2:]) == (1, 1, ["2026-10", "2026-09"])
