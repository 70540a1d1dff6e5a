"""手引き: all guides with their time, read on the page; and in a shop's drawer whether the shop has its manual."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.outbox.records import OutboxMessage
from service.core.reports.render import content
from service.reservations.guides import queries
from service.reservations.guides.rules import GUIDES
from service.reservations.models import Shop
from tests.api.reservations import scene
from tests.api.reservations.test_guides import guide_texts, send_manuals
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    html,
    keys,
    press,
    texts,
    titles,
    toasts,
)

LIST, KEY = "reservations.guides", "reservations.shop.manual"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def test_every_guide_is_listed_with_its_time_and_its_pdf_and_the_list_leads_into_one_and_back(
    screen: Screen, network: Network
) -> None:
    page = open_address(screen("olivia", reservations="operator"), "manuals")
    assert not page.exception
    for guide in GUIDES.values():
        assert guide.title in texts(page)
        assert f"/download/api/reservations/guides/{guide.name}.pdf" in html(page)
    assert "手引きは13冊です。" in texts(page)
    assert "所要時間 約30分" in texts(page)

    press(page, f"{LIST}.read.notices")
    assert titles(page) == ["Slack通知一覧"]
    press(page, f"{LIST}.back")
    assert titles(page) == ["手引き"]
    assert_survives_outage(page, network)
    assert "手引きは13冊です。" in texts(page)


def test_each_guide_is_read_in_place_in_the_words_of_its_paper(screen: Screen, db: Session) -> None:
    page = screen("olivia", reservations="operator")
    for name, guide in GUIDES.items():
        open_address(page, "manuals", name=name)
        assert not page.exception
        drawn = "".join(
            str(getattr(element, "value", "") or getattr(element, "label", ""))
            for kind in ("title", "subheader", "markdown", "code", "info", "warning", "error", "expander")
            for element in page.get(kind)
        )
        page_text = "".join(drawn.replace("\\", "").split())
        for text in guide_texts(content(queries.guide_report(db, guide))["sections"]):
            assert "".join(text.replace("\\", "").replace("`", "").split()) in page_text, (name, text)


def test_a_guide_that_is_not_there_says_so_and_leads_back(screen: Screen) -> None:
    page = open_address(screen("olivia", reservations="operator"), "manuals", name="nothing")

    assert "指定された手引きは見つかりません" in texts(page)
    press(page, f"{LIST}.back")
    assert "手引きは13冊です。" in texts(page)


def open_shop_drawer(screen: Screen, code: str = "S001", role: str = "operator", login_id: str = "olivia") -> AppTest:
    page = open_address(screen(login_id, reservations=role), "shops")
    items = page.session_state["live.reservations.shops.list"].data["items"]
    click_row_action(
        page, "reservations.shops.list", "詳細", next(n for n, item in enumerate(items) if item["code"] == code)
    )
    return page


def test_a_shops_drawer_says_whether_it_has_its_manual_and_an_operator_sends_it_again(
    screen: Screen, db: Session
) -> None:
    page = open_shop_drawer(screen)
    assert "1分ほどでginza@flower.exampleに送ります。" in texts(page)
    send_manuals(db)
    page.run()
    assert "送信待ち" in texts(page)
    press(page, f"{KEY}.again")
    shop = db.scalars(select(Shop).where(Shop.code == "S001")).one()
    press(page, f"{KEY}.{shop.id}.1.confirm")
    assert toasts(page) == ["フラワー銀座にマニュアルを再送します。1分ほどで送信します。"]
    assert send_manuals(db) == 1
    recipients = [
        message.payload["to"] for message in db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "mail"))
    ]
    assert recipients.count(["ginza@flower.example"]) == 2

    page = open_shop_drawer(screen, role="support", login_id="sally")
    assert "送信待ち" in texts(page)
    assert f"{KEY}.again" not in keys(page)
