"""The sixth area's page; run by tests/house/test_sixth_area.py."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.demo import fill
from tests.dashboards.conftest import open_address


def test_its_page_is_in_the_menu_and_shows_rows(db: Session, screen: Callable[..., AppTest]) -> None:
    fill(db)
    page = open_address(screen("rita", scratch="reader"), "notes")

    assert page.title[0].value == "メモ一覧"
    assert "代理店2の5件目のメモ" in [element.value for element in page.markdown]
