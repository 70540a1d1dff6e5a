"""休日カレンダー: the next one, the days of a year, and another year."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import set_clock
from tests.dashboards.pages import Screen, assert_survives_outage, rows, texts


def test_the_next_holiday_is_named_and_a_years_days_are_listed_with_weekday_and_kind(
    screen: Screen, db: Session, network: Network
) -> None:
    set_clock(db, "10:00")
    page = open_address(screen("alice", fleet="admin"), "holidays")

    assert not page.exception
    assert "2026/11/23（月）の「勤労感謝の日」です。" in texts(page)
    listed = {row["日付"]: row for row in rows(page)}
    assert len(listed) == 18
    assert listed["2026/11/3（火）"]["名称"] == "文化の日"
    assert list(listed["2026/11/3（火）"]["種類"]) == ["国民の祝日"]
    assert listed["2026/5/3（日）"]["備考"] == "もともと休業日（土日）です"

    page.selectbox(key="year").select(2027).run()
    assert "2027/1/1（金）" in {row["日付"] for row in rows(page)}
    assert_survives_outage(page, network)
