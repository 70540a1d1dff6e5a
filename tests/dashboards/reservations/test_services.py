"""サービス・料金: what can be reserved, at which price, and what is missing for it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.demo import reservations as demo
from service.reservations.models import Plan, Service, Shop
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    fill,
    html,
    keys,
    press,
    rows,
    texts,
    toasts,
)

LIST, KEY = "reservations.services.list", "reservations.service"


@pytest.fixture(autouse=True)
def services(db: Session) -> None:
    demo.masters(db)
    db.commit()


@pytest.fixture
def page(screen: Screen) -> AppTest:
    return open_address(screen("alice", reservations="admin"), "services")


def test_the_page_says_what_can_be_reserved_at_which_prices_and_first_what_is_missing(
    page: AppTest, db: Session, network: Network
) -> None:
    assert "サービスは3種類で、すべて予約を手配できます。" in texts(page)
    assert [row["サービス名"] for row in rows(page)] == ["花束", "ホールケーキ", "オードブル"]
    assert rows(page)[0]["サイズ・料金"] == "S（約10本） ¥3,300、M（約20本） ¥5,500、L（約30本） ¥8,800"

    cake = db.scalars(select(Service).where(Service.code == "cake")).one()
    db.execute(update(Plan).where(Plan.service_id == cake.id).values(archived_at=func.app_now()))
    db.execute(update(Shop).where(Shop.code.in_(["S001", "S002"])).values(blacklisted_at=func.app_now()))
    db.commit()
    page.run()
    assert "そのうち1種類の予約を手配できます" in texts(page)
    assert "**ホールケーキには、サイズ・料金がありません**。" in texts(page)
    assert "**花束には、電話をかけられる提携店がありません**。" in texts(page)
    assert_survives_outage(page, network)


def test_a_service_and_a_size_are_added_and_a_service_is_archived_after_its_consequence_is_named(
    page: AppTest, db: Session
) -> None:
    press(page, "reservations.services.new")
    fill(page, f"{KEY}.new", code="sushi", name="寿司桶")
    press(page, f"{KEY}.new.submit")
    service = db.scalars(select(Service).where(Service.code == "sushi")).one()
    assert "寿司桶には、サイズ・料金がありません" in texts(page)

    click_row_action(page, LIST, "詳細", 3)
    assert "サイズ・料金がないため、予約を受け付けられません。" in texts(page)
    press(page, f"{KEY}.plan.new")
    fill(page, "reservations.plan.new", code="m", name="3人前", price=4800)
    press(page, "reservations.plan.new.submit")
    plan = db.scalars(select(Plan).where(Plan.service_id == service.id)).one()
    assert (plan.name, plan.price) == ("3人前", 4800)
    assert toasts(page) == ["寿司桶に「3人前」を追加しました。"]

    click_row_action(page, LIST, "詳細", 2)
    press(page, f"{KEY}.archive")
    assert "受け付け済みの予約はそのまま進み" in texts(page)
    platter = db.scalars(select(Service).where(Service.code == "platter")).one()
    press(page, f"{KEY}.archive.{platter.id}.confirm")
    assert [row["サービス名"] for row in rows(page)] == ["花束", "ホールケーキ", "寿司桶"]


def test_a_price_is_changed_the_history_says_from_what_and_a_size_is_archived_and_comes_back(
    page: AppTest, db: Session
) -> None:
    middle, large = db.scalars(select(Plan).where(Plan.price.in_((5500, 8800))).order_by(Plan.price))
    click_row_action(page, LIST, "詳細", 0)
    press(page, f"{KEY}.plan.{middle.id}.edit")
    form = f"reservations.plan.edit.{middle.id}.1.False"
    fill(page, form, price=5800)
    press(page, f"{form}.submit")
    db.expire_all()
    assert (middle.price, middle.version) == (5800, 2)
    click_row_action(page, LIST, "詳細", 0)
    assert "料金（円）：5500 → 5800" in texts(page)
    assert "alice さん（alice）" in texts(page)

    press(page, f"{KEY}.plan.{large.id}.archive")
    press(page, f"reservations.plan.archive.{large.id}.confirm")
    db.expire_all()
    assert large.archived_at is not None
    assert rows(page)[0]["サイズ・料金"] == "S（約10本） ¥3,300、M（約20本） ¥5,800"
    click_row_action(page, LIST, "詳細", 0)
    press(page, f"{KEY}.plan.{large.id}.restore")
    press(page, f"reservations.plan.restore.{large.id}.confirm")
    db.expire_all()
    assert large.archived_at is None


def test_an_operator_reads_prices_and_is_led_to_the_order_of_calls(screen: Screen) -> None:
    page = open_address(screen("olivia", reservations="operator"), "services")
    click_row_action(page, LIST, "詳細", 0)

    assert "予約を受け付けています。提携店2店に順番に電話をかけます。" in texts(page)
    assert "/shops?part=" in html(page)
    assert not [key for key in keys(page) if key.startswith((f"{KEY}.", "reservations.services.new"))]
