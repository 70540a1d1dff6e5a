"""統計: when it is busy, who was late, what was unusual, and the document's goals."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from service.entries.models import Nursery
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.entries.conftest import Screen
from tests.dashboards.entries.scene import scan, set_clock
from tests.dashboards.pages import rows, text_of, texts

FIRST = date(2026, 11, 2)


@pytest.fixture
def weeks(db: Session, sakura: Nursery) -> None:
    """Twelve days in at 8:20, out at 17:00; on the sixth in at 10:30, on the eighth out at 18:40, on the tenth never
    out. It is the day after the twelfth."""
    for number in range(12):
        day = FIRST + timedelta(days=number)
        scan(db, sakura, 123456, "Entry", "10:30" if number == 5 else "8:20", day)
        if number != 9:
            scan(db, sakura, 123456, "Exit", "18:40" if number == 7 else "17:00", day)
    set_clock(db, "10:00")


def test_the_first_line_says_when_it_is_busy_and_what_was_late_and_unusual(
    db: Session, nursery_screen: Screen, sakura: Nursery, weeks: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entries-statistics")

    assert [title.value for title in page.title] == ["統計"]
    assert "登園は08:15ごろ、降園は17:00ごろが最も混み合いました。" in texts(page)
    assert "閉園時刻18:00を過ぎたお迎えは**1件**、いつもと違う入退は**3件**です。" in texts(page)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("バーコードを利用している保護者（未達成）", "50%"),
        ("記録漏れ率（未達成）", "8.3%"),
        ("スキャンから記録まで（まだ測定できません）", "–"),
    ]
    late, unusual = (rows(page, 0), rows(page, 1))
    assert [(row["日時"], row["閉園から（分）"]) for row in late] == [("2026-11-09 18:40:00", 40)]
    assert [([*row["種類"]], row["理由"]) for row in unusual] == [
        (
            ["「出」の記録がない"],
            "08:20に登園。降園の記録がありません（スキャン忘れの可能性）。",
        ),
        (["いつもより遅い"], "いつもの降園は17:00ごろ。この日は18:40でした（100分遅い）。"),
        (["いつもより遅い"], "いつもの登園は08:20ごろ。この日は10:30でした（130分遅い）。"),
    ]
    assert not page.exception


def test_the_chosen_period_is_requested_and_exported(
    db: Session, nursery_screen: Screen, sakura: Nursery, weeks: None
) -> None:
    page = nursery_screen("staff", sakura)
    open_address(page, "entries-statistics")
    page.date_input(key="period").set_value((FIRST, FIRST + timedelta(days=8))).run()
    assert "2026/11/2（月）～2026/11/10（火）" in texts(page)
    links = "\n".join(element.value for element in page.html)
    assert "/download/api/entries/statistics/late.csv?first_day=2026-11-02&amp;last_day=2026-11-10" in links
    assert not page.exception


def test_a_period_without_scans_says_so(db: Session, nursery_screen: Screen, sakura: Nursery) -> None:
    page = open_address(nursery_screen("nursery_admin", sakura), "entries-statistics")
    assert "**この期間の入退の記録はありません**" in texts(page)
    assert not page.exception


def test_an_unreachable_service_shows_a_message_and_the_filter_stays(
    db: Session, nursery_screen: Screen, sakura: Nursery, weeks: None, network: Network
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entries-statistics")
    network.cut()
    page.date_input(key="period").set_value((FIRST, FIRST + timedelta(days=3))).run()
    assert "サービスに接続できません" in text_of(page.error)
    assert page.date_input(key="period").value == (FIRST, FIRST + timedelta(days=3))


def test_a_period_the_wrong_way_round_or_too_long_is_refused_with_a_message(
    db: Session, nursery_screen: Screen, sakura: Nursery, weeks: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entries-statistics")
    page.date_input(key="period").set_value((FIRST - timedelta(days=400), FIRST)).run()
    assert "366日以内で指定してください。" in text_of(page.error)


@pytest.mark.parametrize("where", ["entry-exit-logs", "attendance", "attendance-report", "entries-statistics"])
def test_a_user_of_another_area_sees_none_of_the_pages(screen: Screen, where: str) -> None:
    page = open_address(screen("olivia", fleet="operator"), where)
    assert [title.value for title in page.title] == ["この画面を表示する権限がありません"]
