"""手引き: all of them with their time, read in place; and in a shop's drawer whether it has its own."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.outbox.records import OutboxMessage
from service.core.reports.render import content
from service.reservations.guides import queries
from service.reservations.guides.rules import GUIDES
from service.reservations.shops.models import Shop
from tests.api.reservations import scene
from tests.api.reservations.test_guides import send, words
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.pages import Screen, act, goes_away, html, keys, press, texts, titles, toasts

LIST, KEY = "reservations.guides", "reservations.shop.manual"


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


def test_every_guide_is_listed_with_its_time_and_its_pdf_and_the_list_leads_into_one_and_back(
    screen: Screen, line: Line
) -> None:
    page = opened_at(screen("olivia", reservations="operator"), "manuals")
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
    goes_away(page, line)
    assert "手引きは13冊です。" in texts(page)


def test_each_guide_is_read_in_place_in_the_words_of_its_paper(screen: Screen, db: Session) -> None:
    page = screen("olivia", reservations="operator")
    for name, guide in GUIDES.items():
        opened_at(page, "manuals", name=name)
        assert not page.exception
        drawn = "".join(
            str(getattr(one, "value", "") or getattr(one, "label", ""))
            for kind in ("title", "subheader", "markdown", "code", "info", "warning", "error", "expander")
            for one in page.get(kind)
        )
        seen = "".join(drawn.replace("\\", "").split())
        for text in words(content(queries.guide_report(db, guide))["sections"]):
            assert "".join(text.replace("\\", "").replace("`", "").split()) in seen, (name, text)


def test_a_guide_that_is_not_there_says_so_and_leads_back(screen: Screen) -> None:
    page = opened_at(screen("olivia", reservations="operator"), "manuals", name="nothing")

    assert "指定された手引きは見つかりません" in texts(page)
    press(page, f"{LIST}.back")
    assert "手引きは13冊です。" in texts(page)


def drawn(screen: Screen, code: str = "S001", role: str = "operator", who: str = "olivia") -> AppTest:
    page = opened_at(screen(who, reservations=role), "shops")
    items = page.session_state["live.reservations.shops.list"].data["items"]
    act(page, "reservations.shops.list", "詳細", next(n for n, one in enumerate(items) if one["code"] == code))
    return page


def test_a_shops_drawer_says_whether_it_has_its_manual_and_who_may_change_it_sends_it_again(
    screen: Screen, db: Session
) -> None:
    page = drawn(screen)
    assert "1分ほどでginza@flower.exampleに送ります。" in texts(page)
    send(db)
    page.run()
    assert "送信待ち" in texts(page)
    press(page, f"{KEY}.again")
    shop = db.scalars(select(Shop).where(Shop.code == "S001")).one()
    press(page, f"{KEY}.{shop.id}.1.confirm")
    assert toasts(page) == ["フラワー銀座にマニュアルを再送します。1分ほどで送信します。"]
    assert send(db) == 1
    to = [one.payload["to"] for one in db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "mail"))]
    assert to.count(["ginza@flower.example"]) == 2

    page = drawn(screen, role="support", who="sally")
    assert "送信待ち" in texts(page)
    assert f"{KEY}.again" not in keys(page)
