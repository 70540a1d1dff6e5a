"""運営ダッシュボード: the first line says how today goes; the week's charts say what they found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.database.clock import app_now
from service.reservations.operations import actions as operations
from service.reservations.settings import settings
from service.reservations.state_machine.states import Answer, Task
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, rows, texts, titles


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def open_dashboard(screen: Screen) -> AppTest:
    return open_address(screen("olivia", reservations="operator"), "reservations-dashboard")


def charts(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def chart_titles(page: AppTest) -> list[str]:
    return [chart["layout"]["title"]["text"] for chart in charts(page)]


def grid(page: AppTest, index: int) -> list[dict[Any, Any]]:
    return rows(page, index)


def test_on_a_quiet_day_the_page_says_so(screen: Screen) -> None:
    page = open_dashboard(screen)

    text = texts(page)
    assert "今日の予約はまだありません。手動対応はすべて完了しています。" in text
    assert "今週の予約成功率は、まだ計算できません" in text
    assert "まだSlackへの通知はありません" in text
    assert charts(page) == []


def test_the_page_shows_today_and_the_slack_notifications_and_keeps_them_while_the_service_is_away(
    screen: Screen, db: Session, network: Network
) -> None:
    outcomes.confirmed(db, tokyo(2031, 1, 8, 10, 0))
    vague = outcomes.requested(db, tokyo(2031, 1, 8, 10, 5), service_code="cake", plan_code="4")
    scene.pass_time(db)
    scene.record_shop_answer(db, vague, Answer.VAGUE)
    operations.open_operation(db, vague.id, vague.code, Task.CUSTOMER_ENQUIRY).resolved_at = app_now(db)
    db.commit()
    page = open_dashboard(screen)

    assert titles(page) == ["運営ダッシュボード"]
    calls = [call for call in network.calls if "/dashboard/" in call]
    assert calls == [f"GET /api/reservations/dashboard/{name}" for name in ("today", "week", "notices")]
    text = texts(page)
    assert text.count("最終更新") == 3
    assert "送信待ち" in text
    assert f"/reservation?code={vague.code}" in text
    assert "今日は予約を2件受け付けました。手動対応が1件残っています。期限を過ぎたものはありません。" in text
    assert [(row["ステータス"], row["件数"]) for row in grid(page, 0)] == [(["店舗の回答待ち"], 1), (["予約確定"], 1)]
    assert [(row["内容"], row["今日の発生"], row["対応済み"], row["対応中"]) for row in grid(page, 1)] == [
        ("曖昧な回答", 1, 0, 1),
        ("依頼者からの問い合わせ", 1, 1, 0),
    ]
    assert [(metric.label, metric.value) for metric in page.metric][:4] == [
        ("今日の予約", "2件"),
        ("今日の手動対応", "2件"),
        ("未完了の手動対応", "1件"),
        ("今日が予約日", "0件"),
    ]

    scene.set_clock(db, tokyo(2031, 1, 8, 12, 0))
    db.commit()
    page.run()
    assert "手動対応が1件残っています（うち期限超過 1件）。" in texts(page)
    assert_survives_outage(page, network)
    assert page.metric[0].label == "今日の予約"


def test_the_weeks_charts_say_what_they_found_next_to_the_goal(
    screen: Screen, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "success_goal", 90)
    outcomes.confirmed(db, tokyo(2030, 12, 31, 10, 0))
    for minute in (0, 10):
        outcomes.confirmed(db, tokyo(2031, 1, 7, 10, minute))
    outcomes.timed_out(db, outcomes.awaiting_payment(db, tokyo(2031, 1, 8, 10, 0)))
    db.commit()
    page = open_dashboard(screen)

    assert chart_titles(page) == ["今週の予約成功率は66.7%（目標90%）", "今週の決済成功率は66.7%（2 / 3件）"]
    success = charts(page)[0]
    assert success["data"][0]["x"][1:3] == ["1/7(火)", "1/8(水)"]
    assert success["data"][0]["y"] == [None, 100.0, 0.0, None, None, None, None]
    assert success["data"][0]["customdata"][1] == "2 / 2件"
    rates = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert rates["予約成功率"] == ("66.7%", "-33.3pt")
    assert rates["キャンセル率"] == ("0%", "")
