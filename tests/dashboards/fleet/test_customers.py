"""顧客一覧: whose terminals need help, and a customer's record from its registration to the archive."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.fleet.models import Customer
from tests import factories
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    fill,
    html,
    keys,
    press,
    rows,
    run,
    text_of,
    texts,
    titles,
    toasts,
)

LIST = "fleet.customers_list"


def stored(db: Session, company_name: str) -> Customer:
    db.expire_all()
    return db.scalars(select(Customer).where(Customer.company_name == company_name)).one()


def open_drawer(page: AppTest, company_name: str) -> None:
    items = page.session_state[f"live.{LIST}"].data["items"]
    row = next(item for item in items if item["company_name"] == company_name)
    page.session_state[f"{LIST}.clicked"] = ("詳細", row)
    run(page)


@pytest.fixture
def page(db: Session, screen: Screen) -> AppTest:
    fill_morning(db)
    return open_address(screen("anna", fleet="admin"), "customers")


def test_the_first_line_names_who_is_worst_off_and_conditions_and_order_are_those_of_the_service(
    page: AppTest, network: Network
) -> None:
    assert titles(page) == ["顧客一覧"]
    assert "登録されている顧客は2社です。異常のある端末が最も多いのは**XYZストア**で、" in texts(page)
    first = rows(page)[0]
    assert (first["会社名"], first["端末数"], first["オフライン"]) == ("ABC商事", 3, 1)
    assert network.calls.count("GET /api/fleet/customers") == 2
    assert not page.exception

    page.selectbox(key="sort").select("-company_name").run()
    assert [row["会社名"] for row in rows(page)] == ["XYZストア", "ABC商事"]
    page.text_input(key="q").input("ABC").run()
    assert [row["会社名"] for row in rows(page)] == ["ABC商事"]
    assert_survives_outage(page, network)
    assert [row["会社名"] for row in rows(page)] == ["ABC商事"]


def test_the_drawer_has_the_facts_the_stores_and_the_open_alerts_and_switches_whether_hours_are_learned(
    page: AppTest, db: Session
) -> None:
    open_drawer(page, "ABC商事")
    assert "使用中の端末3台のうち、オフライン 1台です。" in texts(page)
    assert "1台が復旧待ち" in texts(page)
    assert "**新宿店**" in texts(page)
    assert "/terminals?customer_id=ABC" in html(page)
    assert "営業時間外は、次の開店までアラートを通知しません" in texts(page)

    press(page, "customer.hours.switch")
    press(page, f"customer.hours.{stored(db, 'ABC商事').id}.confirm")
    assert not stored(db, "ABC商事").learned_hours
    open_drawer(page, "ABC商事")
    assert "時刻を問わずアラートを通知します" in texts(page)


def test_a_customer_is_registered_and_errors_are_shown_at_their_fields(page: AppTest, db: Session) -> None:
    press(page, "customers.new")
    contact = {"contact_email": "h.tanaka@example.jp", "contact_phone": "06-1234-5678"}
    fill(page, "customer.new", company_name="ABC商事", contact_person="田中 花子", **contact)
    press(page, "customer.new.submit")
    assert "「ABC商事」はすでに登録されています。" in texts(page)

    fill(page, "customer.new", company_name="田中ストア")
    press(page, "customer.new.submit")
    assert stored(db, "田中ストア").contact_person == "田中 花子"
    assert toasts(page) == ["田中ストアを登録しました。"]


def test_a_stale_edit_shows_both_sides_and_what_was_typed_can_be_kept(page: AppTest, db: Session) -> None:
    customer = stored(db, "ABC商事")
    open_drawer(page, "ABC商事")
    press(page, "customer.edit")
    customer.contact_person, customer.version = "先の 人", customer.version + 1
    db.commit()
    key = f"customer.edit.{customer.id}"
    fill(page, f"{key}.{customer.version - 1}.False", contact_person="後の 人")
    press(page, f"{key}.{customer.version - 1}.False.submit")
    assert ":orange-background[後の 人]" in texts(page)
    assert ":blue-background[先の 人]" in texts(page)

    press(page, "customer.conflict.keep")
    press(page, f"{key}.{customer.version}.True.submit")
    assert stored(db, "ABC商事").contact_person == "後の 人"


def test_a_customer_is_archived_and_comes_back_but_not_with_terminals_in_use(page: AppTest, db: Session) -> None:
    busy, closed = stored(db, "ABC商事"), factories.customer(db, "閉店商事")
    db.commit()
    open_drawer(page, "ABC商事")
    press(page, "customer.archive")
    press(page, f"customer.archive.{busy.id}.confirm")
    assert "使用中の端末が3台あります。" in text_of(page.error)
    assert stored(db, "ABC商事").archived_at is None

    press(page, f"customer.archive.{busy.id}.leave")
    open_drawer(page, "閉店商事")
    press(page, "customer.archive")
    press(page, f"customer.archive.{closed.id}.confirm")
    assert stored(db, "閉店商事").archived_at is not None
    page.selectbox(key="archived").select("true").run()
    open_drawer(page, "閉店商事")
    press(page, "customer.restore")
    press(page, f"customer.restore.{closed.id}.confirm")
    assert stored(db, "閉店商事").archived_at is None


def test_an_operator_reads_and_changes_nothing(db: Session, screen: Screen) -> None:
    fill_morning(db)
    page = open_address(screen("olivia", fleet="operator"), "customers")
    open_drawer(page, "ABC商事")
    assert not keys(page) & {"customers.new", "customer.edit", "customer.archive"}
    assert "使用中の端末3台のうち" in texts(page)


def test_without_customers_the_page_says_what_to_do_first(screen: Screen) -> None:
    page = open_address(screen("anna", fleet="admin"), "customers")
    assert "**まだ顧客が登録されていません**" in texts(page)
