"""経営ダッシュボード: the time of the figures, the months, the drawer of one month, and its report by mail."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.reservations.management import actions
from service.reservations.management.models import ManagementReport
from tests import people
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, click_row_action, keys, press, texts, toasts
from tests.dashboards.reservations.test_dashboard import chart_titles, charts, grid

LIST = "reservations.management.months"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def counted(db: Session) -> Session:
    """Two bouquets in November, three in December of which one was given back, and a cake in January."""
    for day in (10, 20):
        outcomes.confirmed(db, tokyo(2030, 11, day, 10, 0))
    for day in (5, 6):
        outcomes.confirmed(db, tokyo(2030, 12, day, 10, 0))
    refunded = outcomes.confirmed(db, tokyo(2030, 12, 7, 10, 0))
    outcomes.refund(db, outcomes.cancelled(db, refunded, tokyo(2030, 12, 8, 10, 0)), tokyo(2030, 12, 8, 10, 1))
    outcomes.confirmed(db, tokyo(2031, 1, 5, 11, 0), service_code="cake", plan_code="4")
    return count_at(db, 2031, 1, 8, 2, 30)


def count_at(db: Session, *parts: int) -> Session:
    scene.set_clock(db, tokyo(*parts))
    actions.run_nightly_count(db)
    db.commit()
    return db


def open_management(screen: Screen, role: str = "manager", **query: str) -> AppTest:
    return open_address(screen(f"mia-{role}", reservations=role), "management", **query)


def plain_row(row: dict[object, object]) -> dict[str, str]:
    return {str(name).removesuffix(" ▼"): str(value) for name, value in row.items()}


def test_before_the_first_night_the_page_says_when_figures_come(screen: Screen) -> None:
    page = open_management(screen)

    assert "まだ集計された月はありません" in texts(page)
    assert "毎日2:30に、前日までの予約と売上を集計します。" in texts(page)


def test_the_first_line_says_as_of_when_and_how_the_month_goes(
    screen: Screen, counted: Session, network: Network
) -> None:
    page = open_management(screen)
    calls = [call.removeprefix("GET /api/reservations/management") for call in network.calls if "/management" in call]
    assert calls == ["", "/parts", "/months", "/reports"]

    assert "1月8日 2:30 時点: 2031年1月の予約は1件、売上は¥3,600です（1/7まで）。" in texts(page)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("予約件数", "1件"),
        ("売上", "¥3,600"),
        ("手動対応", "0件"),
        ("予約成功率", "100%"),
        ("決済成功率", "100%"),
        ("キャンセル率", "0%"),
    ]
    # A week is not compared with a month.
    assert page.metric[0].delta == ""
    assert chart_titles(page) == [
        "2031年1月の予約は1件（1/7まで）",
        "2031年1月の売上は¥3,600（1/7まで）",
        "最も多いのは花束（83.3%）",
    ]
    assert "最も多いのはフラワー銀座（全体の83%）" in texts(page)
    assert charts(page)[1]["data"][0]["y"] == [11000, 11000, 3600]
    assert charts(page)[1]["data"][0]["customdata"][1] == "支払 ¥16,500・返金 ¥5,500"
    assert_survives_outage(page, network)
    assert len(charts(page)) == 3


def test_a_month_is_chosen_a_missing_night_is_reported_and_on_the_first_last_month_is_complete_and_compared(
    screen: Screen, counted: Session
) -> None:
    page = open_management(screen, month="2030年12月")
    assert chart_titles(page)[2:] == ["最も多いのは花束（100%）", "予約が最も多かったのは12/5(木)の1件"]
    assert [(row["順位"], row["提携店"], row["予約件数"], row["売上"]) for row in grid(page, 1)] == [
        (1, "フラワー銀座", 3, 11000)
    ]

    scene.set_clock(counted, tokyo(2031, 1, 9, 2, 31))
    counted.commit()
    page.run()
    assert "直近の深夜の集計がまだ終わっていません。" in texts(page)

    count_at(counted, 2031, 2, 1, 2, 30)
    page = open_address(page, "management", month="2031年1月")
    assert "2月1日 2:30 時点: 2031年1月の予約は1件、売上は¥3,600です。" in texts(page)
    assert chart_titles(page)[0] == "2031年1月の予約は1件（前月比 -67%）"
    assert page.metric[0].delta == "-2件"


def test_the_list_has_a_row_for_each_month_leads_to_its_parts_and_its_report_goes_to_the_named_recipients(
    screen: Screen, counted: Session
) -> None:
    page = open_management(screen)
    listed = [plain_row(row) for row in grid(page, 2)]
    assert [(row["月"], row["予約成功率"], row["キャンセル率"]) for row in listed] == [
        ("2031年1月", "100%", "0%"),
        ("2030年12月", "100%", "50%"),
        ("2030年11月", "100%", "0%"),
    ]
    assert "メールアドレスのある「経営」の利用者がいません。" in texts(page)
    click_row_action(page, LIST, "内訳", 1)
    assert "予約が最も多かったのは12/5(木)の1件" in chart_titles(page)
    assert "¥11,000（支払 ¥16,500・返金 ¥5,500）" in texts(page)
    press(page, "management.send")
    assert counted.scalars(select(ManagementReport)).all() == []

    people.create_user(counted, "max", reservations="manager").mail = "max@example.com"
    counted.commit()
    page.run()
    assert "「経営」の利用者1人（max" in texts(page)
    click_row_action(page, LIST, "内訳", 1)
    press(page, "management.send")
    assert "次の1人に" in texts(page)
    press(page, "reservations.management.reports.send.2030-12.confirm")
    assert toasts(page) == ["2030年12月の経営レポートの送信を受け付けました。"]
    [report] = counted.scalars(select(ManagementReport)).all()
    assert (f"{report.month:%Y-%m}", report.asked_by) == ("2030-12", "mia-manager さん")
    assert "送信待ち" in texts(page)


def test_an_administrator_recounts_after_a_confirmation_and_a_manager_does_not(
    screen: Screen, counted: Session
) -> None:
    assert "reservations.management.recount" not in keys(open_management(screen))

    page = open_management(screen, "admin")
    press(page, "reservations.management.recount")
    press(page, "reservations.management.recount.confirm")
    assert toasts(page) == ["3か月分を集計し直しました。"]
