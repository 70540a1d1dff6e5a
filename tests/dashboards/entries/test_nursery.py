"""園情報 and 保育園一覧: the stations' password, devices, and nurseries from their registration to the archive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import session
from dashboards.entries import stations
from service.core.database.clock import real_now
from service.entries.models import Nursery, Station
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.entries.test_parents import open_drawer
from tests.dashboards.pages import click_row_action, press, rows, texts

Screen = Callable[..., AppTest]
STATIONS, NURSERIES = "entries.stations", "entries.nurseries_list"


def add_station(
    db: Session, nursery: Nursery, *, last_seen_ago: timedelta = timedelta(0), label: str = "", queue_depth: int = 0
) -> Station:
    now = real_now()
    station = Station(
        nursery_id=nursery.id,
        device_id=uuid4(),
        label=label,
        user_agent="tablet",
        address="192.0.2.7",
        token_expires_at=now + timedelta(hours=8),
        last_seen_at=now - last_seen_ago,
        queue_depth=queue_depth,
        app_version="1.0",
    )
    db.add(station)
    db.commit()
    return station


def test_a_nursery_without_a_password_says_so_first_and_sets_one(
    nursery_screen: Screen, db: Session, sakura: Nursery
) -> None:
    sakura.station_password_hash = None
    db.commit()
    page = open_address(nursery_screen("nursery_admin", sakura), "nursery")
    assert "さくら保育園の入退登録は無効です。" in texts(page)
    assert any(code.value.endswith("/entry-exit-login") for code in page.code)

    press(page, "nursery.password")
    field = f"nursery.password.{sakura.id}.password.0"
    page.text_input(key=field).input("short")
    press(page, f"nursery.password.{sakura.id}.submit")
    assert "8文字以上" in texts(page)
    page.text_input(key=field).input("long-enough-1")
    press(page, f"nursery.password.{sakura.id}.submit")
    db.expire_all()
    assert sakura.station_password_hash is not None
    assert [toast.value for toast in page.toast] == ["入退登録のパスワードを設定しました。"]


def test_switching_off_says_how_many_devices_it_logs_out(nursery_screen: Screen, db: Session, sakura: Nursery) -> None:
    sakura.station_password_hash = "x"
    add_station(db, sakura)
    add_station(db, sakura)
    page = open_address(nursery_screen("nursery_admin", sakura), "nursery")
    press(page, "nursery.off")
    assert "ログイン中の端末2台がログアウトされ" in texts(page)
    press(page, f"nursery.off.{sakura.id}.confirm")
    db.expire_all()
    assert sakura.station_password_hash is None
    assert all(device.revoked_at for device in db.scalars(select(Station)))


def test_devices_are_named_and_revoked_and_a_silent_one_is_said_first(
    nursery_screen: Screen, db: Session, sakura: Nursery
) -> None:
    sakura.station_password_hash = "x"
    add_station(db, sakura, label="正面玄関")
    silent = add_station(db, sakura, last_seen_ago=timedelta(minutes=10), queue_depth=3)
    page = open_address(nursery_screen("nursery_admin", sakura), "nursery")
    assert "さくら保育園の入退登録端末2台のうち、1台から応答がありません。" in texts(page)
    assert [(row["端末"], [*row["状態"]], row["未送信"]) for row in rows(page)] == [
        ("正面玄関", ["稼働中"], 0),
        (f"端末 {silent.id}", ["応答なし"], 3),
    ]

    click_row_action(page, STATIONS, "名前を変更", 1)
    page.text_input(key=f"station.rename.{silent.id}.label.0").input("裏口")
    press(page, f"station.rename.{silent.id}.submit")
    click_row_action(page, STATIONS, "無効化", 1)
    assert "裏口" in str(page.session_state[f"live.{STATIONS}"].data["items"][1]["label"])
    assert "端末に残っている3件の記録は消えず" in texts(page)
    press(page, f"station.revoke.{silent.id}.confirm")
    db.expire_all()
    assert silent.revoked_at is not None


def test_hours_are_edited_and_a_closing_before_the_opening_is_refused(
    nursery_screen: Screen, db: Session, sakura: Nursery
) -> None:
    page = open_address(nursery_screen("nursery_admin", sakura), "nursery")
    press(page, "nursery.edit")
    key = f"nursery.edit.{sakura.id}.{sakura.version}.False"
    page.time_input(key=f"{key}.closes_at.0").set_value(time(6, 0))
    press(page, f"{key}.submit")
    assert "閉園時刻は開園時刻より後にしてください。" in texts(page)
    page.time_input(key=f"{key}.closes_at.0").set_value(time(19, 30))
    press(page, f"{key}.submit")
    db.expire_all()
    assert sakura.closes_at == time(19, 30)


def test_staff_see_the_nursery_and_change_nothing(nursery_screen: Screen, sakura: Nursery) -> None:
    page = open_address(nursery_screen("staff", sakura), "nursery")
    assert not {button.key for button in page.button} & {"nursery.edit", "nursery.password", "nursery.off"}
    assert "さくら保育園" in texts(page)


def test_nurseries_are_registered_and_archived_by_administrators(
    nursery_screen: Screen, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    page = open_address(nursery_screen("admin"), "nurseries")
    assert "入退管理を利用している保育園は2園です。" in texts(page)
    press(page, "nurseries.new")
    page.text_input(key="nursery.new.name.0").input("つくし保育園")
    page.text_input(key="nursery.new.code.0").input("ABC123")
    press(page, "nursery.new.submit")
    assert "「ABC123」はすでに登録されています。" in texts(page)
    page.text_input(key="nursery.new.code.0").input("TKS789")
    press(page, "nursery.new.submit")
    assert db.scalars(select(Nursery.code).order_by(Nursery.code)).all() == ["ABC123", "HMW456", "TKS789"]

    open_drawer(page, NURSERIES, "つくし保育園")
    press(page, "nursery.archive")
    nursery = db.scalars(select(Nursery).where(Nursery.code == "TKS789")).one()
    press(page, f"nursery.archive.{nursery.id}.confirm")
    page.selectbox(key="archived").select("true").run()
    open_drawer(page, NURSERIES, "つくし保育園")
    press(page, "nursery.restore")
    press(page, f"nursery.restore.{nursery.id}.confirm")
    db.expire_all()
    assert nursery.archived_at is None


def test_a_nursery_can_be_chosen_as_soon_as_it_is_registered_and_while_the_service_is_away(
    nursery_screen: Screen, sakura: Nursery, himawari: Nursery, network: Network
) -> None:
    page = open_address(nursery_screen("admin"), "in-nursery")
    assert page.selectbox(key="nursery_id").options == ["さくら保育園", "ひまわり保育園"]
    page = open_address(page, "nurseries")
    press(page, "nurseries.new")
    page.text_input(key="nursery.new.name.0").input("つくし保育園")
    page.text_input(key="nursery.new.code.0").input("TKS789")
    press(page, "nursery.new.submit")

    page = open_address(page, "in-nursery")
    assert sorted(page.selectbox(key="nursery_id").options) == ["さくら保育園", "つくし保育園", "ひまわり保育園"]

    network.cut()
    session.require_fresh_reads()
    page.run()
    assert len(page.selectbox(key="nursery_id").options) == 3


@pytest.mark.parametrize("role", ["nursery_admin", "staff"])
def test_users_of_one_nursery_have_no_list_of_nurseries(nursery_screen: Screen, sakura: Nursery, role: str) -> None:
    page = open_address(nursery_screen(role, sakura), "nurseries")
    assert "権限" in texts(page) or "見ることができません" in texts(page)


@pytest.mark.parametrize(
    "address",
    [
        "in-nursery",
        "entry-exit-logs",
        "attendance",
        "attendance-report",
        "entries-statistics",
        "parents",
        "children",
        "nursery",
    ],
)
def test_before_there_is_a_nursery_each_page_leads_to_the_registration(nursery_screen: Screen, address: str) -> None:
    page = open_address(nursery_screen("admin"), address)
    assert not page.exception
    assert not page.error
    assert "まだ保育園が登録されていません" in "".join(element.value for element in page.markdown)
    assert any('href="/nurseries"' in element.value for element in page.html)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (120, "正常"), (-120, "正常"), (121, "2分進み"), (-121, "2分遅れ"), (7200, "120分進み")],
)
def test_a_stations_clock_is_named_when_it_is_more_than_two_minutes_off(seconds: int | None, text: str) -> None:
    assert stations.skew(seconds) == text
