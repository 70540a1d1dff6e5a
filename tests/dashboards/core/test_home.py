"""ホーム: the sentences, what is due and its next step, the figures of a manager, and where a user begins."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.home import queries
from service.core.home.declared import DueList
from service.reservations.management import actions as management
from tests import factories
from tests.api.agencies import scene as agencies
from tests.api.reservations import outcomes
from tests.api.reservations import scene as reservations
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.dashboards.pages import (
    OpenTab,
    Screen,
    assert_survives_outage,
    click_row_action,
    lists,
    overlays,
    rows,
    text_of,
    texts,
    titles,
)

DUE = "core.home.due"


def open_home(screen: Screen, login_id: str = "olivia", **roles: str) -> AppTest:
    page = screen(login_id, **roles).run()
    assert not page.exception
    assert titles(page) == ["ホーム"]
    return page


def headings(page: AppTest) -> list[str]:
    suffix = " :material/chevron_right:"
    return [link.label.removesuffix(suffix).strip("*") for link in page.main.page_link if link.label.endswith(suffix)]


def test_the_sentence_is_the_one_of_the_areas_first_page(db: Session, screen: Screen) -> None:
    fill_morning(db)
    page = open_home(screen, fleet="operator")

    sentence = "現在、対応が必要なアラートが2件あります。最も古いものは30分前です。"
    assert headings(page) == ["端末管理"]
    assert sentence in texts(page)
    assert open_address(page, "dashboard").error[0].value == sentence


def test_each_row_says_what_whose_and_until_when_and_leads_to_its_step(db: Session, screen: Screen) -> None:
    fill_morning(db)
    page = open_home(screen, fleet="operator")

    first, second = rows(page)
    assert "対応が必要なものが2件あります。期限の近い順に並べています。" in texts(page).replace("**", "")
    assert (first["内容"], first["種類"], first["担当"]) == ("ABC商事 - 新宿店 レジ1番", "アラート", "担当者なし")
    assert (list(first["状況"]), first["残り時間"], first["次の手順"]) == (["期限超過"], "25分超過", "初動を確認する")
    assert second["内容"] == "XYZストア - 梅田店 レジ1番"
    assert "業務" not in first

    click_row_action(page, DUE, "対応する")

    assert titles(page) == ["アラート一覧"]
    assert "1台の異常を検知しました" in texts(page)
    assert "dialog" in overlays(page)


def test_who_works_in_several_areas_reads_all_of_them_in_one_list(db: Session, screen: Screen) -> None:
    fill_morning(db)
    page = open_home(screen, fleet="operator", loaners="staff", reservations="operator")

    assert headings(page) == ["端末管理", "代替機管理", "予約運用"]
    assert list(rows(page)[0]["業務"]) == ["端末管理"]
    assert "現在、貸出中の機器はありません。" in texts(page)


def test_one_call_answers_the_whole_page(db: Session, screen: Screen, network: Network) -> None:
    fill_morning(db)
    page = screen("olivia", loaners="staff")
    network.calls.clear()

    page.run()

    menu_calls = {"GET /api/auth/me", "GET /api/me/counts", "GET /api/me/preferences"}
    assert {*network.calls} - menu_calls == {"GET /api/home"}


def test_with_nothing_to_do_it_says_so_and_what_comes_next(screen: Screen) -> None:
    page = open_home(screen, loaners="staff")

    assert "いま対応が必要なものはありません。" in texts(page)
    assert "対応が必要なものができると、ここに期限の近い順に並びます。" in texts(page)
    assert not lists(page)


def test_a_nursery_that_is_not_registered_yet_is_no_error(screen: Screen) -> None:
    page = open_home(screen, entries="admin")

    assert "まだ記録がありません。" in texts(page)
    assert not page.error


def test_without_the_service_the_last_state_stays(db: Session, screen: Screen, network: Network) -> None:
    fill_morning(db)
    page = open_home(screen, fleet="operator")

    assert_survives_outage(page, network)

    assert len(rows(page)) == 2
    assert headings(page) == ["端末管理"]


def test_without_the_service_from_the_beginning_it_says_what_failed(screen: Screen, network: Network) -> None:
    page = open_home(screen, fleet="operator")
    page.session_state["live.core.home"] = None
    network.cut()

    page.run()

    assert text_of(page.error).startswith("サービスに接続できません。")


def test_what_could_not_be_read_is_named(db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("broken")

    entries = [
        DueList(key=entry.key, title=entry.title, permission=entry.permission, read=fail)
        if entry.key == "fleet.alerts"
        else entry
        for entry in queries._entries()
    ]
    monkeypatch.setattr(queries, "_entries", lambda: entries)
    fill_morning(db)

    page = open_home(screen, fleet="operator", loaners="staff")

    assert "次の内容を読み込めませんでした: 端末管理のアラート。" in text_of(page.warning)
    assert headings(page) == ["端末管理", "代替機管理"]


def test_a_manager_reads_the_weeks_figures_in_place_of_work(db: Session, screen: Screen) -> None:
    reservations.fill(db)
    for day in (28, 29):
        outcomes.confirmed(db, outcomes.tokyo(2030, 12, day, 11, 0))
    outcomes.confirmed(db, outcomes.tokyo(2031, 1, 5, 11, 0))
    reservations.set_clock(db, outcomes.tokyo(2031, 1, 8, 2, 30))
    management.run_nightly_count(db)
    db.commit()

    page = open_home(screen, reservations="manager")

    metrics = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert metrics["予約件数"] == ("1件", "-1件")
    assert metrics["売上"][0].startswith("¥")
    assert metrics["売上"][1].startswith("-¥")
    assert metrics["予約成功率"] == ("100%", "±0pt")
    assert metrics["キャンセル率"] == ("0%", "")
    assert "2031/1/1（水）から2031/1/7（火）までの7日間の数字です。" in texts(page)
    assert not lists(page)
    assert "対応が必要なもの" not in texts(page)


def test_a_viewer_of_the_fleet_reads_figures_and_the_state_of_the_reports(screen: Screen) -> None:
    page = open_home(screen, fleet="viewer")

    assert headings(page) == ["端末管理"]
    assert {metric.label for metric in page.metric} == {"時間稼働率", "障害"}
    assert "レポートを開く" in [link.label for link in page.main.page_link]
    assert "月次報告書" in texts(page)


def test_a_user_of_one_area_begins_where_its_document_says_and_of_several_at_home(
    db: Session, open_tab: OpenTab, screen: Screen
) -> None:
    seller = agencies.sales(db, "alice", agencies.agency(db))

    assert titles(open_tab(seller).run()) == ["マイ依頼一覧"]
    assert titles(screen("adam", agencies="admin").run()) == ["ダッシュボード"]
    assert titles(screen("olga", agencies="operator").run()) == ["投入案件一覧"]
    assert titles(screen("otto", agencies="operator", fleet="operator").run()) == ["ホーム"]


@pytest.mark.parametrize("address", ["operations", "enquiries", "incidents", "chores"])
def test_a_page_that_is_led_to_with_an_id_opens_that_record_once(
    db: Session, screen: Screen, network: Network, address: str
) -> None:
    reservations.fill(db)
    db.commit()

    page = open_address(screen("olivia", reservations="operator"), address, id="999999")

    assert "見つかりません" in text_of(page.error)
    assert "id" not in page.query_params
    assert not page.exception


def test_the_row_of_a_case_opens_the_case(db: Session, screen: Screen) -> None:
    agency = agencies.agency(db)
    corporation = agencies.corporation(db, agency, "株式会社ABC")
    agencies.request(db, corporation, agencies.sales(db, "alice", agency), "working")
    factories.alert(db, factories.terminal(db))
    page = open_home(screen, agencies="operator", fleet="operator")

    index = [row["内容"] for row in rows(page)].index("株式会社ABC")
    click_row_action(page, DUE, "対応する", index)

    assert "株式会社ABC" in titles(page)[0] + texts(page)
