"""休日カレンダー: reading, adding, renaming and removing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from tests.dashboards.fleet.scene import set_clock

Screen = Callable[..., AppTest]


@pytest.fixture
def page(screen: Screen, db: Session) -> AppTest:
    set_clock(db, "10:00")
    opened = screen("alice", fleet="admin")
    opened.switch_page("core/holidays.py")
    opened.run()
    assert not opened.exception
    return opened


def names(page: AppTest) -> dict[str, str]:
    return {row["日付"]: row["名称"] for row in page.dataframe[0].value.to_dict("records")}


def test_the_first_line_names_the_next_holiday(page: AppTest) -> None:
    [said] = [element.value for element in page.main.markdown if "次の休日は" in element.value]

    assert "2026\\/11\\/23（月）の「勤労感謝の日」です。" in said


def test_the_days_are_listed_with_weekday_and_kind(page: AppTest) -> None:
    rows = {row["日付"]: row for row in page.dataframe[0].value.to_dict("records")}

    assert len(rows) == 18
    assert rows["2026/11/3（火）"]["名称"] == "文化の日"
    assert list(rows["2026/11/3（火）"]["種類"]) == ["国民の祝日"]
    assert rows["2026/5/3（日）"]["備考"] == "もともと休業日（土日）です"


def test_another_year_is_one_choice_away(page: AppTest) -> None:
    page.selectbox(key="year").select(2027).run()

    assert "2027/1/1（金）" in names(page)
