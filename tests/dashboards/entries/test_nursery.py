"""園情報 and 保育園一覧: the stations' password, devices, and nurseries from their founding to the archive."""

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
from service.entries.models import Nursery
from service.entries.station.models import Station
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.entries.test_parents import open_drawer
from tests.dashboards.pages import act, press, texts

Desk = Callable[..., AppTest]
STATIONS, NURSERIES = "entries.stations", "entries.nurseries_list"


def station(
    db: Session, nursery: Nursery, *, seen: timedelta = timedelta(0), label: str = "", waiting: int = 0
) -> Station:
    now = real_now()
    made = Station(
        nursery_id=nursery.id,
        device_id=uuid4(),
        label=label,
        user_agent="tablet",
        address="192.0.2.7",
        token_expires_at=now + timedelta(hours=8),
        last_seen_at=now - seen,
        queue_depth=waiting,
        app_version="1.0",
    )
    db.add(made)
    db.commit()
    return made


def test_a_nursery_without_a_password_is_told_so_first_and_sets_one(desk: Desk, db: Session, sakura: Nursery) -> None:
    sakura.station_password_hash = None
    db.commit()
    page = opened_at(desk("nursery_admin", sakura), "nursery")
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


def test_switching_off_says_how_many_devices_it_logs_out(desk: Desk, db: Session, sakura: Nursery) -> None:
    sakura.station_password_hash = "x"
    station(db, sakura)
    station(db, sakura)
    page = opened_at(desk("nursery_admin", sakura), "nursery")
    press(page, "nursery.off")
    assert "ログイン中の端末2台がログアウトされ" in texts(page)
    press(page, f"nursery.off.{sakura.id}.confirm")
    db.expire_all()
    assert sakura.station_password_hash is None
    assert all(one.revoked_at for one in db.scalars(select(Station)))


def test_devices_are_named_and_revoked_and_a_silent_one_is_said_first(desk: Desk, db: Session, sakura: Nursery) -> None:
    sakura.station_password_hash = "x"
    station(db, sakura, label="正面玄関")
    silent = station(db, sakura, seen=timedelta(minutes=10), waiting=3)
    page = opened_at(desk("nursery_admin", sakura), "nursery")
    assert "さくら保育園の入退登録端末2台のうち、1台から応答がありません。" in texts(page)
    rows = page.dataframe[0].value.to_dict("records")
    assert [(row["端末"], [*row["状態"]], row["未送信"]) for row in rows] == [
        ("正面玄関", ["稼働中"], 0),
        (f"端末 {silent.id}", ["応答なし"], 3),
    ]

    act(page, STATIONS, "名前を変更", 1)
    page.text_input(key=f"station.rename.{silent.id}.label.0").input("裏口")
    press(page, f"station.rename.{silent.id}.submit")
    act(page, STATIONS, "無効化", 1)
    assert "裏口" in str(page.session_state[f"live.{STATIONS}"].data["items"][1]["label"])
    assert "端末に残っている3件の記録は消えず" in texts(page)
    press(page, f"station.revoke.{silent.id}.confirm")
    db.expire_all()
    assert silent.revoked_at is not None


def test_hours_are_edited_and_a_closing_before_the_opening_is_refused(desk: Desk, db: Session, sakura: Nursery) -> None:
    page = opened_at(desk("nursery_admin", sakura), "nursery")
    press(page, "nursery.edit")
    key = f"nursery.edit.{sakura.id}.{sakura.version}.False"
    page.time_input(key=f"{key}.closes_at.0").set_value(time(6, 0))
    press(page, f"{key}.submit")
    assert "閉園時刻は開園時刻より後にしてください。" in texts(page)
    page.time_input(key=f"{key}.closes_at.0").set_value(time(19, 30))
    press(page, f"{key}.submit")
    db.expire_all()
    assert sakura.closes_at == time(19, 30)


def test_staff_see_the_nursery_and_change_nothing(desk: Desk, sakura: Nursery) -> None:
    page = opened_at(desk("staff", sakura), "nursery")
    assert not {button.key for button in page.button} & {"nursery.edit", "nursery.password", "nursery.off"}
    assert "さくら保育園" in texts(page)


def test_nurseries_are_founded_and_archived_by_who_sees_all(
    desk: Desk, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    page = opened_at(desk("admin"), "nurseries")
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
    made = db.scalars(select(Nursery).where(Nursery.code == "TKS789")).one()
    press(page, f"nursery.archive.{made.id}.confirm")
    page.selectbox(key="archived").select("true").run()
    open_drawer(page, NURSERIES, "つくし保育園")
    press(page, "nursery.restore")
    press(page, f"nursery.restore.{made.id}.confirm")
    db.expire_all()
    assert made.archived_at is None


def test_a_nursery_can_be_chosen_as_soon_as_it_is_founded_and_while_the_service_is_away(
    desk: Desk, sakura: Nursery, himawari: Nursery, line: Line
) -> None:
    page = opened_at(desk("admin"), "in-nursery")
    assert page.selectbox(key="nursery_id").options == ["さくら保育園", "ひまわり保育園"]
    page = opened_at(page, "nurseries")
    press(page, "nurseries.new")
    page.text_input(key="nursery.new.name.0").input("つくし保育園")
    page.text_input(key="nursery.new.code.0").input("TKS789")
    press(page, "nursery.new.submit")

    page = opened_at(page, "in-nursery")
    assert sorted(page.selectbox(key="nursery_id").options) == ["さくら保育園", "つくし保育園", "ひまわり保育園"]

    line.cut()
    session.require_fresh_reads()
    page.run()
    assert len(page.selectbox(key="nursery_id").options) == 3


@pytest.mark.parametrize("role", ["nursery_admin", "staff"])
def test_one_nurserys_people_have_no_list_of_nurseries(desk: Desk, sakura: Nursery, role: str) -> None:
    page = opened_at(desk(role, sakura), "nurseries")
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
def test_before_there_is_a_nursery_each_page_leads_to_where_one_is_registered(desk: Desk, address: str) -> None:
    page = opened_at(desk("admin"), address)
    assert not page.exception
    assert not page.error
    assert "まだ保育園が登録されていません" in "".join(element.value for element in page.markdown)
    assert any('href="/nurseries"' in element.value for element in page.html)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (120, "正常"), (-120, "正常"), (121, "2分進み"), (-121, "2分遅れ"), (7200, "120分進み")],
)
def test_a_stations_clock_is_named_when_it_is_more_than_two_minutes_off(seconds: int | None, words: str) -> None:
    assert stations.skew({"skew_seconds": seconds}) == words
