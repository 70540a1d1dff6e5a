"""在園状況: which children are in the nursery."""

from __future__ import annotations

from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.entries.models import Nursery
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.entries.conftest import Screen
from tests.dashboards.entries.scene import scan, set_clock
from tests.dashboards.pages import click_row_action, text_of, texts


def links(page: AppTest) -> str:
    return "\n".join(element.value for element in page.html)


def test_children_who_were_brought_are_present_and_none_waits_before_closing_time(
    db: Session, nursery_screen: Screen, sakura: Nursery, network: Network
) -> None:
    scan(db, sakura, 123456, "Entry", "8:12:05")
    set_clock(db, "10:00")

    page = open_address(nursery_screen("staff", sakura), "in-nursery")

    assert [title.value for title in page.title] == ["在園状況"]
    assert "現在、さくら保育園の園内にいる園児は2人です。閉園時刻は18:00です。" in text_of(page.success)
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("在園中", "2人"),
        ("お迎え済み", "0人"),
        ("未登園", "1人"),
        ("閉園後のお迎え待ち", "0人"),
    ]
    assert "**きりん組**　在園 **2** / 2人" in texts(page)
    assert "**山田太郎**" in texts(page)
    assert "08:12から　送り：山田花子" in texts(page)
    assert "未登園 1人：佐藤次郎" in texts(page)
    assert network.calls.count("GET /api/entries/now") == 1
    assert "/download/api/entries/paper-list.pdf" in links(page)
    assert not page.exception


def test_children_still_present_after_closing_time_are_reported_first(
    db: Session, nursery_screen: Screen, sakura: Nursery
) -> None:
    scan(db, sakura, 123456, "Entry", "8:12")
    scan(db, sakura, 1, "Entry", "8:20")
    scan(db, sakura, 123456, "Exit", "17:50")
    set_clock(db, "18:25")

    page = open_address(nursery_screen("staff", sakura), "in-nursery")

    assert "園内にいる園児は1人です。閉園時刻18:00を過ぎてまだお迎えのない園児が1人います。" in text_of(page.error)
    assert "お迎え待ち 25分" in texts(page)
    assert "お迎え済み 2人：山田太郎 17:50、山田次郎 17:50" in texts(page)


def test_a_user_of_all_nurseries_chooses_one(
    db: Session, nursery_screen: Screen, sakura: Nursery, himawari: Nursery
) -> None:
    scan(db, himawari, 223456, "Entry", "8:12")
    set_clock(db, "10:00")
    page = open_address(nursery_screen("admin"), "in-nursery")
    assert "さくら保育園の園内にいる園児はいません。" in text_of(page.info)

    page.selectbox(key="nursery_id").select(himawari.id).run()

    assert "現在、ひまわり保育園の園内にいる園児は1人です。" in text_of(page.success)
    assert f"paper-list.pdf?nursery_id={himawari.id}" in links(page)


def test_a_row_of_home_opens_its_nursery_and_not_the_one_chosen_before(
    db: Session, nursery_screen: Screen, sakura: Nursery, himawari: Nursery
) -> None:
    scan(db, himawari, 223456, "Entry", "8:12")
    set_clock(db, "18:25")
    page = open_address(nursery_screen("admin"), "in-nursery")
    page.selectbox(key="nursery_id").select(sakura.id).run()
    open_address(page, "start")

    click_row_action(page, "core.home.due", "対応する")

    assert page.selectbox(key="nursery_id").value == himawari.id
    assert "お迎えのない園児が1人います" in text_of(page.error)
    assert "**松本律**" in texts(page)
    assert "山田太郎" not in texts(page)


def test_without_children_the_page_says_how_to_begin(db: Session, nursery_screen: Screen) -> None:
    empty = Nursery(name="つくし保育園", code="TKS789")
    db.add(empty)
    db.commit()

    page = open_address(nursery_screen("nursery_admin", empty), "in-nursery")

    assert "**つくし保育園には、まだ園児が登録されていません**" in texts(page)
    assert 'href="/imports"' in links(page)


def test_while_the_service_is_away_the_last_state_stays_and_says_so(
    db: Session, nursery_screen: Screen, sakura: Nursery, network: Network
) -> None:
    scan(db, sakura, 123456, "Entry", "8:12")
    set_clock(db, "10:00")
    page = open_address(nursery_screen("staff", sakura), "in-nursery")

    network.cut()
    page.run()

    assert "最新の状態を取得できません" in text_of(page.warning)
    assert "**山田太郎**" in texts(page)
    assert not page.success


def test_a_user_of_another_area_is_refused(db: Session, screen: Screen, sakura: Nursery) -> None:
    page = open_address(screen("olivia", fleet="operator"), "in-nursery")
    assert [title.value for title in page.title] == ["この画面を表示する権限がありません"]
