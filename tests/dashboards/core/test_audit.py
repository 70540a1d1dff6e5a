"""監査ログ: what an administrator reads there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core import audit
from tests.cast import actor

Screen = Callable[..., AppTest]


@pytest.fixture
def page(screen: Screen, db: Session) -> AppTest:
    bob = actor(db, "bob", "203.0.113.7", fleet="operator")
    before = {"company_name": "ABC商事", "contact_phone": "03-1"}
    audit.record(db, bob, "create", "fleet", "terminal", 12, after={"serial_number": "TC200-000012"})
    audit.record(db, bob, "update", "fleet", "customer", 7, before=before, after={"company_name": "*ABC商会*"})
    opened = screen("alice", fleet="admin")
    opened.switch_page("core/audit.py")
    opened.run()
    assert not opened.exception
    return opened


def test_the_first_line_says_how_much_was_done_today_and_what_last(page: AppTest) -> None:
    [said] = [element.value for element in page.main.markdown if "今日は" in element.value]

    assert said.startswith("今日は2件の操作が記録されています。")
    assert said.endswith("が行った「顧客企業 7」の変更です。")


def test_each_row_says_who_did_what_to_what(page: AppTest) -> None:
    rows = page.dataframe[0].value.to_dict("records")

    assert [(row["操作者"], row["操作種別"], row["対象"], row["変更内容"]) for row in rows] == [
        ("bob さん（bob）", "変更", "顧客企業 7", "会社名: ABC商事 → *ABC商会* ほか1項目"),
        ("bob さん（bob）", "登録", "端末 12", "シリアル番号: TC200-000012"),
    ]
    assert {row["接続元"] for row in rows} == {"203.0.113.7"}


def test_what_is_listed_is_taken_along(page: AppTest) -> None:
    page.selectbox(key="subject").select("terminal").run()

    [link] = [element.value for element in page.html if "CSVで出力" in element.value]
    assert 'href="/download/api/core/audit/export.csv?subject=terminal"' in link


def test_conditions_cut_the_list(page: AppTest) -> None:
    page.selectbox(key="subject").select("terminal").run()

    assert [row["対象"] for row in page.dataframe[0].value.to_dict("records")] == ["端末 12"]
