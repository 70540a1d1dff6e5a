"""The routes of the monthly reports: who reads, drafts and sends them, and the order of the list."""

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
from tests.conftest import seeded_connection

URL = "/api/fleet/reports/monthly"
SignIn = Callable[..., TestClient]
MONTH = Month(2026, 10)


def two_months(db: Session) -> None:
    """Two customers with a terminal each, up for a whole and for half a day; reports of September and October."""
    created = [factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")]
    for customer, online in zip(created, (86400, 43200), strict=True):
        terminal = factories.terminal(db, customer)
        for month in (MONTH.plus(-1), MONTH):
            spent = {"online_seconds": online, "offline_seconds": 86400 - online}
            rest = {"error_seconds": 0, "maintenance_seconds": 0, "heartbeats": 0}
            db.add(Day(terminal_id=terminal.id, begins_at=month.bounds()[0], **spent, **rest))
    db.commit()
    for month in (MONTH.plus(-1), MONTH):
        for customer_id in [created[0].id, created[1].id, None]:
            assert actions.draft(partial(transaction, SYSTEM), "test", month, customer_id, anew=False)


@pytest.fixture(scope="module")
def _engine(empty: Engine) -> Iterator[Connection]:
    with seeded_connection(empty, two_months) as connection:
        yield connection


@pytest.fixture
def customers(db: Session) -> list[Customer]:
    """Those of `two_months`."""
    return [*db.scalars(select(Customer).order_by(Customer.id))]


def report(db: Session, customer: Customer | None) -> MonthlyReport:
    key = customer.id if customer else None
    statement = select(MonthlyReport).where(
        MonthlyReport.month == MONTH.first, MonthlyReport.customer_id.is_not_distinct_from(key)
    )
    return db.scalars(statement.execution_options(populate_existing=True)).one()


@pytest.mark.parametrize(
    ("role", "read", "change"), [("admin", 200, 0), ("operator", 200, 403), ("support", 200, 403), ("viewer", 200, 403)]
)
def test_every_role_reads_and_only_an_administrator_drafts_and_sends(
    sign_in: SignIn, db: Session, customers: list[Customer], role: str, read: int, change: int
) -> None:
    draft = report(db, customers[0])
    client = sign_in("alice", fleet=role)

    for path in (URL, f"{URL}/overview", f"{URL}/{draft.id}", f"/api/core/files/{draft.pdf_id}"):
        assert client.get(path).status_code == read, path
    drafted = client.post(f"{URL}/drafts", json={"month": "2026-10"}).status_code
    sent = client.post(f"{URL}/{draft.id}/send", json={"version": 1}).status_code
    assert (drafted, sent) == ((change, change) if change else (422, 200))  # October is not summed up here


def test_the_report_about_all_is_first_and_the_list_is_filtered_and_sorted(
    sign_in: SignIn, customers: list[Customer]
) -> None:
    client = sign_in("vera", fleet="viewer")

    def names(**query: object) -> list[object]:
        items = client.get(URL, params={"month": "2026-10"} | query).json()["items"]  # type: ignore[arg-type]
        return [item["customer_name"] for item in items]

    assert names() == [None, "ABC商事", "XYZ商店"]
    assert names(sort="uptime") == ["XYZ商店", None, "ABC商事"]
    assert names(q="xyz") == ["XYZ商店"]
    assert names(state="draft") == ["ABC商事", "XYZ商店"]
    assert names(state="sent") == []
    first = client.get(URL, params={"month": "2026-10", "limit": 2}).json()
    rest = client.get(URL, params={"month": "2026-10", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["customer_name"] for item in rest["items"]] == ["XYZ商店"]
    assert first["total"] == rest["total"] == 3
    assert client.get(URL, params={"month": "2026-13"}).status_code == 422
    assert client.get(URL, params={"sort": "figures"}).status_code == 422


def test_a_report_in_full_has_the_figures_of_the_previous_month_too(
    sign_in: SignIn, db: Session, customers: list[Customer]
) -> None:
    client = sign_in("vera", fleet="viewer")

    body = client.get(f"{URL}/{report(db, customers[1]).id}").json()

    assert (body["customer_name"], body["uptime"], body["uptime_before"]) == ("XYZ商店", 0.5, 0.5)
    assert (body["figures"]["month"], body["before"]["month"]) == ("2026-10", "2026-09")
    assert body["figures"]["worst"][0]["seconds"]["offline"] == 43200
    assert client.get(f"{URL}/999999999").status_code == 404


def test_sending_is_shown_audited_and_not_repeated(sign_in: SignIn, db: Session, customers: list[Customer]) -> None:
    draft = report(db, customers[0])
    client = sign_in("alice", fleet="admin")

    sent = client.post(f"{URL}/{draft.id}/send", json={"version": 1}).json()

    assert (sent["sent_to"], sent["sent_by"], sent["version"]) == ("aoki@example.com", "alice さん", 2)
    again = client.post(f"{URL}/{draft.id}/send", json={"version": 2})
    assert (again.status_code, "送信済み" in again.json()["detail"]) == (409, True)
    assert client.post(f"{URL}/{draft.id}/send", json={"version": 2, "again": True}).status_code == 200
    assert client.post(f"{URL}/{report(db, None).id}/send", json={"version": 1}).status_code == 409
    entries = db.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject == "monthly_report", AuditEntry.action == "status_change")
        .order_by(AuditEntry.id)
    ).all()
    assert [entry.after["sent_to"] for entry in entries if entry.after] == ["aoki@example.com"] * 2
    overview = client.get(f"{URL}/overview", params={"month": "2026-10"}).json()
    assert (overview["sent"], overview["unsent"], overview["months"][-2:]) == (1, 1, ["2026-10", "2026-09"])
