"""Open loans: how long, overdue, forgotten; and the mails about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO, local_date
from service.loaners.lending import actions, queries
from service.loaners.models import Device
from stack.home import Home
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import LENT, STORED
from tests.conftest import committed_database
from tests.rls_bypass import rls_bypass_url

SignIn = Callable[..., TestClient]


def set_clock_to_morning(db: Session) -> Actor:
    """Ten o'clock in Tokyo, when reminders are sent. Returns a member of staff."""
    now = app_now(db).astimezone(TOKYO)
    shift = now.replace(hour=10, minute=0, second=0, microsecond=0) - now
    db.execute(text("UPDATE app_clock SET shift = shift + :by"), {"by": shift})
    return people.create_actor(db, "carol", loaners="staff")


@pytest.fixture
def staff(db: Session) -> Actor:
    return set_clock_to_morning(db)


def lend(db: Session, by: Actor, serial: str, days_ago: float, due_in: int | None, **device_values: Any) -> Device:
    """A loan that is due in so many days from today; None: without a date."""
    device = stock.add_device(db, by, serial, **device_values)
    due = {} if due_in is None else {"1-8": (local_date(app_now(db)) + timedelta(days=due_in)).isoformat()}
    answers = {name: value for name, value in LENT.items() if name != "1-8"}
    stock.add_form(db, by, device, days_ago, answers | due)
    return device


@pytest.fixture
def filled(db: Session, staff: Actor) -> Session:
    late = lend(db, staff, "LATE1", 40, -9)
    stock.add_form(db, staff, late, 30, LENT | {"1-8": (local_date(app_now(db)) - timedelta(days=9)).isoformat()})
    ready = lend(db, staff, "SOON2", 30, 2)
    stock.add_deposit(db, staff, ready, 20, 1)
    lend(db, staff, "OPEN3", 100, None, at="kobe")
    home = lend(db, staff, "HOME4", 50, -20)
    stock.add_form(db, staff, home, 5, STORED)
    db.commit()
    return db


def listed_serials(client: TestClient, **filters: Any) -> list[str]:
    items = client.get("/api/loaners/loans", params=filters).json()["items"]
    return [item["number"].split("_")[3] for item in items]


def test_open_loans_come_by_the_day_they_are_due(filled: Session, sign_in: SignIn) -> None:
    alice = sign_in("alice", loaners="staff")

    items = alice.get("/api/loaners/loans").json()["items"]

    assert listed_serials(alice) == ["LATE1", "SOON2", "OPEN3"]
    # The age counts from the 貸出日 (here 2026-10-01), not from when the form was submitted.
    today = local_date(app_now(filled))
    days = (today - date(2026, 10, 1)).days
    assert [(item["days"], item["overdue"]) for item in items] == [(days, 9), (days, -2), (days, None)]
    assert items[0]["borrower"] == "株式会社青空商事"


def test_a_loan_is_as_old_in_the_list_as_on_its_devices_page(db: Session, staff: Actor, sign_in: SignIn) -> None:
    """Submitted at seven in the evening: the tenth day in Tokyo begins long before 240 hours are over."""
    undated = {name: value for name, value in LENT.items() if name != "1-7"}
    for serial, days_ago, answers in (("AAA1", 9.6, undated), ("BBB2", 2, LENT), ("CCC3", 400, undated)):
        stock.add_form(db, staff, stock.add_device(db, staff, serial, days_ago=500), days_ago, answers)
    db.commit()
    alice = sign_in("alice", loaners="staff")

    items = alice.get("/api/loaners/loans", params={"sort": "since"}).json()["items"]

    dated = (local_date(app_now(db)) - date(2026, 10, 1)).days
    assert [item["days"] for item in items] == [400, dated, 10]
    pages = [alice.get(f"/api/loaners/devices/{item['number']}/state").json() for item in items]
    assert [page["loan"]["days"] for page in pages] == [item["days"] for item in items]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "overdue"}, ["LATE1"]),
        ({"state": "soon"}, ["SOON2"]),
        ({"state": "no_due"}, ["OPEN3"]),
        ({"stale": "returnable"}, ["SOON2"]),
        ({"stale": "unset"}, ["LATE1", "OPEN3"]),
        ({"stale": "silent"}, ["OPEN3"]),
        ({"stale": "inactive_site"}, []),
        ({"q": "soon2"}, ["SOON2"]),
        ({"jurisdiction": "関東"}, []),
    ],
)
def test_what_is_overdue_or_forgotten_is_found_by_asking(
    filled: Session, sign_in: SignIn, filters: dict[str, str], expected: list[str]
) -> None:
    assert listed_serials(sign_in("alice", loaners="staff"), **filters) == expected


def test_loans_at_an_inactive_site_are_forgotten_ones(filled: Session, sign_in: SignIn) -> None:
    stock.get_site(filled, "kobe").archived_at = app_now(filled)
    filled.commit()

    counts = sign_in("alice", loaners="staff").get("/api/loaners/loans/counts").json()

    assert (counts["total"], counts["overdue"], counts["soon"], counts["no_due"], counts["oldest"]) == (3, 1, 1, 1, 9)
    assert counts["stale"] == {"returnable": 1, "unset": 2, "inactive_site": 1, "silent": 1}


def test_loans_are_exported(filled: Session, sign_in: SignIn) -> None:
    alice = sign_in("alice", loaners="staff")

    lines = alice.get("/api/loaners/loans.csv").content.decode("utf-8-sig").splitlines()

    assert lines[0].startswith("拠点管理番号,機器種別,機種名,拠点,貸出先")
    days = (local_date(app_now(filled)) - date(2026, 10, 1)).days
    assert f",9,{days}," in lines[1]
    assert lines[2].endswith("返却可能のまま")
    assert alice.get("/api/loaners/loans.xlsx").status_code == 200


def mails(db: Session) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "mail").order_by(OutboxMessage.id)))


def test_a_site_is_notified_once_of_each_step(filled: Session) -> None:
    osaka = stock.get_site(filled, "osaka")

    assert queries.sites_with_due(filled) == [osaka.id]
    assert actions.remind(filled, osaka.id) == 2
    assert actions.remind(filled, osaka.id) == 0
    filled.execute(text("UPDATE app_clock SET shift = shift + interval '2 days'"))
    # One is due today; the other is still in its second week.
    assert actions.remind(filled, osaka.id) == 1
    [first, second] = mails(filled)
    assert first.recipient == "test-group@example.com"
    assert first.payload["subject"] == "【代替機管理】大阪: 返却予定日を過ぎた代替機が1台あります"
    assert "LATE1" in first.payload["body"]
    assert "SOON2" in first.payload["body"]
    assert "LATE1" not in second.payload["body"]


def test_an_extended_loan_is_reminded_of_again(filled: Session, staff: Actor) -> None:
    osaka = stock.get_site(filled, "osaka")
    actions.remind(filled, osaka.id)
    late = filled.scalars(select(Device).where(Device.serial == "LATE1")).one()
    until = local_date(app_now(filled)) + timedelta(days=1)

    stock.add_form(filled, staff, late, 0, LENT | {"1-8": until.isoformat()})
    assert actions.remind(filled, osaka.id) == 1
    filled.execute(text("UPDATE app_clock SET shift = shift + interval '2 days'"))

    assert actions.remind(filled, osaka.id) == 2
    assert "LATE1" in mails(filled)[-1].payload["body"]


def test_what_was_returned_is_not_reminded_of(filled: Session, staff: Actor) -> None:
    osaka = stock.get_site(filled, "osaka")
    for serial in ("LATE1", "SOON2"):
        device = filled.scalars(select(Device).where(Device.serial == serial)).one()
        stock.add_form(filled, staff, device, 0, STORED)

    assert actions.remind(filled, osaka.id) == 0
    assert mails(filled) == []


def test_no_reminder_is_sent_at_night(filled: Session) -> None:
    filled.execute(text("UPDATE app_clock SET shift = shift - interval '2 hours'"))

    assert actions.remind(filled, stock.get_site(filled, "osaka").id) == 0


def test_the_reminder_of_one_site_does_not_wait_for_work_at_another(running_servers: Home) -> None:
    with committed_database(running_servers, "genba_lending") as url:
        engine = create_engine(rls_bypass_url(url))
        with Session(engine) as db, db.begin():
            staff = set_clock_to_morning(db)
            lend(db, staff, "LATE1", 40, -9)
            lend(db, staff, "OPEN3", 40, -9, at="kobe")
            osaka = stock.get_site(db, "osaka").id
        with Session(engine) as other, Session(engine) as db:
            at_kobe = select(Device.id).where(Device.serial == "OPEN3")
            assert other.scalar(at_kobe.with_for_update()) is not None
            db.execute(text("SET lock_timeout = '5s'"))
            assert actions.remind(db, osaka) == 1
        engine.dispose()
