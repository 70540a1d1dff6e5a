"""経営ダッシュボード: the nightly count, the page's data, exports, the PDF, and permissions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.audit import AuditEntry
from service.core.values.times import Month
from service.reservations.figures import queries as figures
from service.reservations.management import actions, queries
from service.reservations.management.models import DayCounts, ManagementReport, MonthCounts
from service.reservations.outgoing.models import Refund
from stack.home import Home
from tests import pdfs, people
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo
from tests.conftest import seeded_database

SignIn = Callable[..., TestClient]
MANAGEMENT = "/api/reservations/management"


def two_months(db: Session) -> None:
    """Two bouquets in December, one of them refunded in January, and a cake in January that was not paid."""
    scene.fill(db)
    outcomes.confirmed(db, tokyo(2030, 12, 10, 10, 0))
    cancelled = outcomes.confirmed(db, tokyo(2030, 12, 30, 10, 0))
    outcomes.timed_out(db, outcomes.awaiting_payment(db, tokyo(2031, 1, 2, 10, 0), service_code="cake", plan_code="4"))
    refund = outcomes.cancelled(db, cancelled, tokyo(2031, 1, 3, 10, 0))
    outcomes.refund(db, refund, tokyo(2031, 1, 3, 10, 1))


@pytest.fixture(scope="module")
def _engine(running_servers: Home) -> Iterator[Engine]:
    with seeded_database(running_servers, "genba_management", two_months) as engine:
        yield engine


@pytest.fixture
def past(stage: Session) -> Session:
    """The database has the reservations of `two_months`."""
    return stage


@pytest.fixture
def mia(sign_in: SignIn, stage: Session) -> TestClient:
    return sign_in("mia", reservations="manager")


def fetch(client: TestClient, path: str = "", **query: str) -> dict[str, Any]:
    response = client.get(f"{MANAGEMENT}{path}", params=query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def count_at(db: Session, *parts: int) -> list[str]:
    scene.set_clock(db, tokyo(*parts))
    return [str(month) for month in actions.run_nightly_count(db)]


def stored(db: Session) -> list[tuple[Any, ...]]:
    """All counts, without the time at which they were counted."""
    days = db.execute(
        select(*(c for c in DayCounts.__table__.c if c.name != "id")).order_by("day", "service_id", "shop_id")
    )
    months = db.execute(
        select(*(c for c in MonthCounts.__table__.c if c.name not in ("id", "counted_at"))).order_by("month")
    )
    return [tuple(row) for row in (*days, *months)]


# The night


def test_before_half_past_two_nothing_is_counted_and_after_it_once(past: Session) -> None:
    assert count_at(past, 2031, 1, 8, 2, 30) == ["2030-12", "2031-01"]
    assert count_at(past, 2031, 1, 8, 2, 31) == []
    assert count_at(past, 2031, 1, 9, 2, 29, 59) == []
    assert count_at(past, 2031, 1, 9, 2, 30) == ["2030-12", "2031-01"]


def test_counted_twice_the_numbers_are_the_same(past: Session) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    first_count = stored(past)
    assert len(first_count) == 6

    actions.recount(past, people.create_actor(past, "anna", reservations="admin"))
    assert stored(past) == first_count
    # A night later, without anything new: the same again.
    count_at(past, 2031, 1, 9, 2, 30)
    assert stored(past) == first_count


def test_what_the_night_counts_is_what_the_facts_are(past: Session) -> None:
    count_at(past, 2031, 1, 8, 2, 30)

    for month in (Month(2030, 12), Month(2031, 1)):
        live = figures.period(past, *month.bounds())
        [counted] = queries.figures(past, month, 1)
        counts = counted.counts
        assert (counts.requested, counts.success, counts.payment) == (live.requested, live.success, live.payment)
        assert (counts.cancellation, counts.sales) == (live.cancelled, live.sales)
    assert [item.counts.sales for item in queries.figures(past, Month(2031, 1), 12)] == [11000, -5500]


def test_only_whole_days_count(past: Session) -> None:
    outcomes.requested(past, tokyo(2031, 1, 7, 23, 59, 59))
    outcomes.requested(past, tokyo(2031, 1, 8))
    outcomes.requested(past, tokyo(2031, 1, 8, 2, 29))
    count_at(past, 2031, 1, 8, 2, 30)

    assert queries.figures(past, Month(2031, 1), 1)[0].counts.requested == 2  # and the cake
    count_at(past, 2031, 1, 9, 2, 30)
    assert queries.figures(past, Month(2031, 1), 1)[0].counts.requested == 4


def test_a_refund_that_fails_two_months_later_is_still_counted(past: Session) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    refund = past.scalars(select(Refund)).one()
    outcomes.refund(past, refund, tokyo(2031, 3, 5, 10, 0), "failed")
    count_at(past, 2031, 3, 6, 2, 30)

    assert [item.counts.sales for item in queries.figures(past, Month(2031, 3), 12)] == [11000, 0, 0, 0]


def test_on_the_first_the_months_page_shows_last_month_whole(past: Session, mia: TestClient) -> None:
    outcomes.requested(past, tokyo(2031, 1, 31, 23, 59, 59))
    outcomes.requested(past, tokyo(2031, 2, 1))
    count_at(past, 2031, 2, 1, 2, 30)

    body = fetch(mia)
    assert [month["month"] for month in body["months"]] == ["2030-12", "2031-01"]
    assert (body["months"][-1]["requested"], body["is_over"]) == (2, True)


def test_the_year_ends_with_december_and_leap_years_have_a_day_more(stage: Session) -> None:
    outcomes.requested(stage, tokyo(2031, 12, 31, 23, 59, 59))
    outcomes.requested(stage, tokyo(2032, 1, 1))
    count_at(stage, 2032, 1, 1, 2, 30)
    *_, newest = queries.figures(stage, Month(2032, 1), 12)
    assert (str(newest.month), newest.counts.requested) == ("2031-12", 1)

    outcomes.requested(stage, tokyo(2032, 2, 29, 23, 59, 59))
    outcomes.requested(stage, tokyo(2032, 3, 1))
    count_at(stage, 2032, 3, 2, 2, 30)
    assert [(str(item.month), item.counts.requested) for item in queries.figures(stage, Month(2032, 3), 3)] == [
        ("2032-01", 1),
        ("2032-02", 1),
        ("2032-03", 1),
    ]
    assert requested_days(stage, Month(2032, 2)) == ["2032-02-29"]


def requested_days(db: Session, month: Month) -> list[str]:
    return [numbers.day.isoformat() for numbers in queries.parts(db, month).days]


def test_empty_months_are_listed_between_the_others(past: Session) -> None:
    count_at(past, 2031, 4, 10, 2, 30)

    months = queries.figures(past, Month(2031, 4), 12)
    assert [(str(item.month), item.counts.requested) for item in months] == [
        ("2030-12", 2),
        ("2031-01", 1),
        ("2031-02", 0),
        ("2031-03", 0),
        ("2031-04", 0),
    ]


# The page


def test_before_the_first_night_the_page_says_so(mia: TestClient) -> None:
    body = fetch(mia)

    assert (body["counted_at"], body["is_late"], body["months"]) == (None, True, [])
    assert fetch(mia, "/parts") == {"month": None, "services": [], "shops": [], "days": []}
    assert fetch(mia, "/months")["items"] == []


def test_the_page_has_the_months_and_when_they_were_counted(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    body = fetch(mia)

    assert body["counted_at"] == "2031-01-07T17:30:00Z"
    assert (body["is_late"], body["is_over"], body["all_months"]) == (False, False, ["2031-01", "2030-12"])
    december, january = body["months"]
    assert (december["requested"], december["sales"], december["success"]["share"]) == (2, 11000, 1.0)
    assert (january["paid"], january["refunded"], january["sales"]) == (0, 5500, -5500)
    assert january["cancellation"] == {"part": 1, "whole": 1, "share": 1.0}
    scene.set_clock(past, tokyo(2031, 1, 9, 2, 31))
    assert fetch(mia)["is_late"] is True


def test_a_month_divides_among_services_shops_and_days(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    december = fetch(mia, "/parts", month="2030-12")

    assert [(service["name"], service["requested"], service["sales"]) for service in december["services"]] == [
        ("花束", 2, 11000)
    ]
    assert [(shop["place"], shop["code"], shop["name"], shop["confirmed"]) for shop in december["shops"]] == [
        (1, "S001", "フラワー銀座", 2)
    ]
    assert [(day["day"], day["requested"]) for day in december["days"]] == [("2030-12-10", 1), ("2030-12-30", 1)]
    both = fetch(mia, "/parts")
    assert [(service["name"], service["requested"]) for service in both["services"]] == [
        ("花束", 2),
        ("ホールケーキ", 1),
    ]
    assert both["days"] == []
    missing = mia.get(f"{MANAGEMENT}/parts", params={"month": "2029-01"})
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "2029年1月の集計はありません。月を選び直してください。",
    )


def test_the_months_are_listed_and_exported(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    [january, december] = fetch(mia, "/months")["items"]
    assert (december["month"], december["success_percent"], december["sales"]) == ("2030-12", 100.0, 11000)
    assert (january["success_percent"], january["cancellation_percent"]) == (0.0, 100.0)
    assert [month["month"] for month in fetch(mia, "/months", sort="-sales")["items"]] == ["2030-12", "2031-01"]

    rows = list(csv.DictReader(io.StringIO(mia.get(f"{MANAGEMENT}/months.csv").content.decode("utf-8-sig"))))
    assert [(row["月"], row["予約成功率（%）"], row["売上（円）"]) for row in rows] == [
        ("2031年1月", "0.0", "-5500"),
        ("2030年12月", "100.0", "11000"),
    ]
    sheet = openpyxl.load_workbook(io.BytesIO(mia.get(f"{MANAGEMENT}/months.xlsx").content)).active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][:2] == ["2031年1月", 1]


def test_rankings_are_exported_of_a_month_or_of_all(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)

    def rows(path: str, **query: str) -> list[dict[str, str]]:
        content = mia.get(f"{MANAGEMENT}/{path}", params=query).content.decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content)))

    [first] = rows("shops.csv", month="2030-12")
    assert (first["順位"], first["店舗コード"], first["予約件数（確定）"], first["売上（円）"]) == (
        "1",
        "S001",
        "2",
        "11000",
    )
    assert [row["売上（円）"] for row in rows("shops.csv")] == ["5500"]
    assert [(row["サービス"], row["予約件数"]) for row in rows("services.csv")] == [
        ("花束", "2"),
        ("ホールケーキ", "1"),
    ]


def test_a_month_is_exported_as_pdf(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    response = mia.get(f"{MANAGEMENT}/report.pdf", params={"month": "2030-12"})

    text = "".join(pdfs.page_texts(response.content))
    assert "2030年12月の売上は¥11,000です" in text
    assert "フラワー銀座" in text
    assert "2031/1/8（水）2:30 時点の集計です" in text
    assert mia.get(f"{MANAGEMENT}/report.pdf", params={"month": "2030-12"}).content == response.content
    assert mia.get(f"{MANAGEMENT}/report.pdf", params={"month": "2029-12"}).status_code == 404


# Sending


def with_mail(db: Session, login_id: str, mail: str | None, **roles: str) -> User:
    user = people.create_user(db, login_id, **roles)
    user.mail = mail
    db.flush()
    return user


def test_a_report_goes_to_as_many_as_were_confirmed(past: Session, mia: TestClient) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    body = {"month": "2030-12", "recipients": 1}
    without_recipients = mia.post(f"{MANAGEMENT}/reports", json=body)
    assert (
        without_recipients.status_code,
        "メールアドレスのある「経営」の利用者がいません" in without_recipients.text,
    ) == (409, True)

    with_mail(past, "max", "max@example.com", reservations="manager")
    with_mail(past, "moritz", "moritz@example.com", reservations="manager")
    # Other roles of the area get none.
    with_mail(past, "olga", "olga@example.com", reservations="operator")
    changed = mia.post(f"{MANAGEMENT}/reports", json=body)
    assert (changed.status_code, "1人から2人に変わりました" in changed.text) == (409, True)
    assert past.scalars(select(ManagementReport)).all() == []

    assert fetch(mia, "/reports")["recipients"] == ["max@example.com", "moritz@example.com"]
    created = mia.post(f"{MANAGEMENT}/reports", json=body | {"recipients": 2})
    assert created.status_code == 201
    [report] = fetch(mia, "/reports")["items"]
    assert (report["month"], report["asked_by"], report["is_automatic"], report["sent_at"]) == (
        "2030-12",
        "mia さん",
        False,
        None,
    )
    entry = past.scalars(select(AuditEntry).where(AuditEntry.subject == "management_report")).one()
    assert (entry.action, entry.after) == ("create", {"month": "2030-12", "recipients": 2})
    assert mia.post(f"{MANAGEMENT}/reports", json={"month": "2029-12", "recipients": 2}).status_code == 404


def test_last_months_report_is_requested_on_the_first_and_only_once(past: Session) -> None:
    count_at(past, 2030, 12, 31, 2, 30)
    assert past.scalars(select(ManagementReport)).all() == []
    count_at(past, 2031, 1, 1, 2, 30)
    count_at(past, 2031, 1, 2, 2, 30)

    [report] = past.scalars(select(ManagementReport)).all()
    assert (f"{report.month:%Y-%m}", report.is_automatic, report.asked_by) == ("2030-12", True, "システム")


def test_a_start_in_the_middle_of_a_month_sends_no_old_report(past: Session) -> None:
    count_at(past, 2031, 1, 20, 2, 30)

    assert past.scalars(select(ManagementReport)).all() == []


# Permissions


def test_only_administrators_recount(past: Session, sign_in: SignIn) -> None:
    assert sign_in("mia", reservations="manager").post(f"{MANAGEMENT}/recount").status_code == 403

    response = sign_in("anna", reservations="admin").post(f"{MANAGEMENT}/recount")
    assert response.status_code == 200
    assert response.json()["months"] == 2
    entry = past.scalars(select(AuditEntry).where(AuditEntry.subject == "month")).one()
    assert (entry.action, entry.subject_id, entry.after) == ("update", "2031-01", {"months": 2})


@pytest.mark.parametrize("roles", [{"reservations": "operator"}, {"reservations": "support"}, {"fleet": "admin"}])
def test_other_roles_and_areas_have_no_access(past: Session, sign_in: SignIn, roles: dict[str, str]) -> None:
    count_at(past, 2031, 1, 8, 2, 30)
    client = sign_in("charlie", **roles)

    routes = ("", "/parts", "/months", "/months.csv", "/shops.xlsx", "/report.pdf?month=2030-12", "/reports")
    assert {client.get(f"{MANAGEMENT}{route}").status_code for route in routes} == {403}
    assert client.post(f"{MANAGEMENT}/reports", json={"month": "2030-12", "recipients": 1}).status_code == 403
