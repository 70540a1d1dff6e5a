"""店舗順序シミュレーション: the page says what another order would come to, and applies one after a confirmation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.contract.reservations import ScoreItem
from dashboards.reservations import simulation
from dashboards.reservations.simulation import NEGLIGIBLE_MINUTES, NEGLIGIBLE_SHARE
from service.core.values.times import TOKYO
from service.demo import people, reservations
from service.reservations.models import Service
from service.reservations.shops import queries as shops
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, press, texts

KEY = "reservations.simulation"


def names(db: Session) -> list[str]:
    bouquet = db.scalars(select(Service.id).where(Service.code == "bouquet")).one()
    return shops.names_in_order(db, shops.call_places(db, bouquet))


def buttons(page: AppTest) -> dict[str, Any]:
    return {str(button.key): button for button in page.button if str(button.key).startswith(KEY)}


@pytest.fixture
def demo_history(db: Session) -> None:
    scene.set_clock(db, datetime(2031, 1, 8, 11, 0, tzinfo=TOKYO))
    people.fill(db)
    reservations.fill(db)
    db.commit()


def open_simulation(screen: Screen, role: str = "operator") -> AppTest:
    return open_address(screen("olivia", reservations=role), "shop-order-simulation")


def test_an_order_is_tried_taken_back_and_taken_over(screen: Screen, db: Session, demo_history: None) -> None:
    page = open_simulation(screen)
    assert "花工房みどり → フラワー銀座** の順にすると" in texts(page)
    assert f"{KEY}.apply" not in buttons(page)
    assert [metric.delta for metric in page.metric] == [""] * 4

    press(page, f"{KEY}.suggested")
    assert "花工房みどり → フラワー銀座 の順に電話をかけていたら、" in texts(page)
    assert "実際の回答（実測）" in texts(page)
    assert any(metric.delta for metric in page.metric)
    press(page, f"{KEY}.present")
    assert f"{KEY}.apply" not in buttons(page)
    assert names(db) == ["フラワー銀座", "花工房みどり"]

    first = next(key for key, button in buttons(page).items() if key.endswith("arrow_downward") and not button.disabled)
    press(page, first)
    press(page, f"{KEY}.apply")
    assert "フラワー銀座 → 花工房みどり から、花工房みどり → フラワー銀座 に変更します。" in texts(page)
    press(page, f"{KEY}.apply.confirm")
    db.expire_all()
    assert names(db) == ["花工房みどり", "フラワー銀座"]
    assert f"{KEY}.apply" not in buttons(page)
    assert "現在の順序よりよい順序は見つかりませんでした" in texts(page)


def test_without_calls_the_page_says_so(screen: Screen, db: Session) -> None:
    scene.fill(db)
    db.commit()
    assert "この期間に、電話をかけた予約がありません" in texts(open_simulation(screen))


def test_without_services_the_page_says_where_to_begin(screen: Screen, db: Session) -> None:
    db.execute(update(Service).values(archived_at=func.now()))
    assert "まだサービスが登録されていません" in texts(open_simulation(screen))


def test_services_that_cannot_be_loaded_are_not_said_to_be_none(screen: Screen, network: Network) -> None:
    page = open_address(screen("olivia", reservations="operator"), "account")
    network.cut()

    for address in ("shop-order-simulation", "shops"):
        shown = texts(open_address(page, address, part="電話をかける順番"))
        assert "登録されていません" not in shown
    assert "サービスに接続できません。" in page.error[0].value


@pytest.mark.parametrize(
    ("success", "minutes", "text"),
    [
        (0.0, NEGLIGIBLE_MINUTES, "**結果は現在の順序とほぼ同じ**でした。"),
        (NEGLIGIBLE_SHARE, NEGLIGIBLE_MINUTES, "**予約成功率が0.5ポイント上がる**見込みでした。"),
        (0.0, 0.0, "**OKまでの中央値が0.1分短くなる**見込みでした。"),
        (0.1, 2.1, "**予約成功率が10.0ポイント上がる、OKまでの中央値が2.0分長くなる**見込みでした。"),
    ],
)
def test_an_orders_effect_is_named_unless_it_is_negligible(success: float, minutes: float, text: str) -> None:
    present: ScoreItem = {
        "success": 0.0,
        "mean_minutes": None,
        "median_minutes": NEGLIGIBLE_MINUTES,
        "calls": 1.0,
        "measured": 1.0,
        "doubt": 0.0,
    }
    score: ScoreItem = {**present, "success": success, "median_minutes": minutes}

    assert simulation.verdict(score, present, is_certain=True) == text
