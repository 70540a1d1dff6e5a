"""The next page of the menu: it keeps its own filters and its own clock."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.session import sessions
from service.core.values.times import TOKYO
from tests.api.reservations import scene
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import Screen, texts


@pytest.fixture
def page(db: Session, screen: Screen) -> AppTest:
    scene.fill(db)
    db.commit()
    return open_address(screen("olivia", reservations="operator"), "reservations")


def test_each_page_has_its_own_order_and_conditions_and_finds_them_again(page: AppTest) -> None:
    page.selectbox(key="sort").select("created_at").run()
    page.text_input(key="q").set_value("佐藤").run()
    page.selectbox(key="state").select("confirmed").run()
    assert "該当 **0件**" in texts(page)

    page = open_address(page, "enquiries")

    assert not page.exception
    assert (page.selectbox(key="sort").value, page.text_input(key="q").value) == ("due_at", "")
    assert not page.query_params

    page = open_address(page, "reservations")

    assert (page.selectbox(key="sort").value, page.text_input(key="q").value) == ("created_at", "佐藤")
    assert "該当 **0件**" in texts(page)


def test_after_messages_with_the_real_time_a_page_shows_the_products_time(db: Session, page: AppTest) -> None:
    scene.set_clock(db, datetime(2031, 1, 8, 9, 30, tzinfo=TOKYO))
    sessions._cache.clear()

    dashboard = texts(open_address(page, "reservations-dashboard"))
    shops = texts(open_address(page, "shops"))

    assert dashboard.count("最終更新 09:30:") == 2, "the third is about messages"
    assert re.findall(r"最終更新 (\d\d:\d\d):", shops) == ["09:30"]
