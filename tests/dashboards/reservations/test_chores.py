"""定期作業: what is to be done; turns are checked off, skipped and reopened; a calendar; definitions."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.menu import MENU
from service.core import holidays
from service.core.values.times import TOKYO
from service.reservations.chores import actions
from service.reservations.chores.models import Chore, ChoreTurn
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    fill,
    html,
    keys,
    press,
    rows,
    run,
    texts,
)

PAGE, KEY = "reservations.chores", "reservations.chore"
LIST = f"{PAGE}.list"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    """Wednesday, 2031/1/8, at ten: five daily chores and four monthly ones are due today."""
    scene.fill(db)
    holidays.top_up(db)
    actions.plan(db)
    db.commit()


def open_chores(screen: Screen, role: str = "operator", **query: str) -> AppTest:
    return open_address(screen(f"reservations-{role}", reservations=role), "chores", **query)


def open_drawer(page: AppTest, title: str) -> None:
    """Opens the drawer of that chore's turn in the list."""
    items = page.session_state[f"live.{LIST}"].data["items"]
    click_row_action(page, LIST, "開く", next(index for index, row in enumerate(items) if row["title"] == title))


def turn(db: Session, title: str) -> ChoreTurn:
    statement = select(ChoreTurn).join(Chore, Chore.id == ChoreTurn.chore_id).where(Chore.title == title)
    return db.scalars(statement.order_by(ChoreTurn.starts_at).limit(1)).one()


def buttons(page: AppTest) -> set[str]:
    return {str(button.key).removeprefix(f"{KEY}.") for button in page.button if str(button.key).startswith(f"{KEY}.")}


def test_the_page_says_what_can_be_done_and_by_when_what_is_late_and_what_comes_next(
    screen: Screen, db: Session, network: Network
) -> None:
    page = open_chores(screen)
    assert "今できる作業が13件あります。そのうち今日が期限のものは9件です。" in texts(page)
    first = rows(page)[0]
    assert (first["期限"], first["担当者"], first["実施"]) == ("1/8（水）18:00", "運営担当者", "–")
    assert {row["作業内容"]: row["所要時間"] for row in rows(page)}["ユーザー満足度調査"] == "1週間"

    now = datetime(2031, 1, 8, 18, 30, tzinfo=TOKYO)
    scene.set_clock(db, now)
    db.commit()
    page.run()
    assert "期限を過ぎた作業が9件あります。ほかに、今できる作業が4件あります。" in texts(page)

    db.execute(delete(ChoreTurn).where(ChoreTurn.starts_at <= now))
    db.commit()
    page.run()
    text = texts(page)
    assert "今できる作業は、すべて終わっています。次は「ダッシュボード確認」（1/9（木）10:00から）です。" in text
    assert_survives_outage(page, network)


def test_a_turn_is_checked_off_from_the_drawer_which_shows_it(screen: Screen, db: Session) -> None:
    page = open_chores(screen)
    open_drawer(page, "ダッシュボード確認")
    assert "毎営業日 10:00" in texts(page)
    assert "運営ダッシュボードを開く" in html(page)
    press(page, f"{KEY}.finish")
    stored = turn(db, "ダッシュボード確認")
    form = f"{KEY}.finish.{stored.id}.1"
    fill(page, form, minutes=6, note="異常なし")
    press(page, f"{form}.submit")

    db.expire_all()
    assert (stored.outcome, stored.minutes, stored.note) == ("done", 6, "異常なし")
    assert "完了にしました" in texts(page)
    assert "reopen" in buttons(page)
    assert "finish" not in buttons(page)


def test_a_turn_is_skipped_and_reopened_with_reasons(screen: Screen, db: Session) -> None:
    page = open_chores(screen)
    open_drawer(page, "コスト見直し")
    stored = turn(db, "コスト見直し")
    press(page, f"{KEY}.skip")
    press(page, f"{KEY}.skip.{stored.id}.1.confirm")
    assert "理由を入力してください。" in texts(page)
    page.text_area(key=f"{KEY}.skip.{stored.id}.1.reason").input("決算とまとめる")
    press(page, f"{KEY}.skip.{stored.id}.1.confirm")
    db.expire_all()
    assert (stored.outcome, stored.note) == ("skipped", "決算とまとめる")

    press(page, f"{KEY}.reopen")
    page.text_area(key=f"{KEY}.reopen.{stored.id}.2.reason").input("やはり今期に行う")
    press(page, f"{KEY}.reopen.{stored.id}.2.confirm")
    db.expire_all()
    assert stored.outcome is None
    assert "やはり今期に行う" in texts(page)


def test_the_daily_turns_are_checked_off_together_and_the_backup_check_shows_the_state_of_backups(
    screen: Screen, db: Session
) -> None:
    page = open_chores(screen)
    open_drawer(page, "データベースバックアップ確認")
    assert "バックアップの状況" in texts(page)
    assert "まだ行われていません" in texts(page)

    press(page, f"{PAGE}.many")
    chosen = [box.label.split("　")[0] for box in page.checkbox if box.value]
    assert len(chosen) == 5
    press(page, f"{KEY}.many.submit")
    done = select(ChoreTurn.rhythm).where(ChoreTurn.outcome == "done")
    assert db.scalars(done).all() == ["daily"] * 5


def test_the_calendar_shows_a_week_and_a_month_and_leads_to_a_turn(screen: Screen, db: Session) -> None:
    page = open_chores(screen, part="カレンダー")
    assert "2031/1/6（月）〜1/12" in texts(page)
    labels = [button.label for button in page.button]
    assert any("週次レポート作成" in label for label in labels)
    press(page, f"{PAGE}.calendar.turn.{turn(db, '月次レポート作成').id}")
    assert "自動で作成される下書きの数字を確認" in texts(page)

    # A weekend with something to do on its Saturday is shown.
    weekly = turn(db, "週次レポート作成")
    weekly.due_at = datetime(2031, 1, 11, 10, tzinfo=TOKYO)
    db.commit()
    run(page)
    assert f"{PAGE}.calendar.turn.{weekly.id}" in keys(page)

    page = open_address(screen("other", reservations="operator"), "chores", part="カレンダー", view="月")
    assert "2031年1月" in texts(page)
    assert "成人の日" in texts(page)
    assert "日次 0/5件" in texts(page)
    press(page, f"{PAGE}.calendar.chevron_right")
    assert "2031年2月" in texts(page)


def test_a_chore_that_is_done_at_any_time_is_recorded(screen: Screen, db: Session) -> None:
    page = open_chores(screen, part="随時の作業")
    assert {row["作業内容"] for row in rows(page)} == {"マニュアルオペ対応", "提携店リスト更新"}
    click_row_action(page, f"{PAGE}.anytime", "実施を記録する", 1)
    chore = db.scalars(select(Chore).where(Chore.code == "shops")).one()
    fill(page, f"{KEY}.records.{chore.id}", note="2店舗を追加")
    press(page, f"{KEY}.records.{chore.id}.submit")

    assert db.scalars(select(ChoreTurn.note).where(ChoreTurn.chore_id == chore.id)).all() == ["2店舗を追加"]


def test_an_admin_adds_a_chore_with_errors_at_its_fields_and_an_edit_changes_only_what_was_typed(
    screen: Screen, db: Session
) -> None:
    page = open_chores(screen, "admin", part="作業の設定")
    press(page, f"{PAGE}.new")
    fill(page, f"{KEY}.new", title="制服の在庫確認", rhythm="weekly", owner="運営担当者")
    press(page, f"{KEY}.new.submit")
    assert "週次の作業には、曜日を選んでください。" in texts(page)
    fill(page, f"{KEY}.new", weekday=4)
    press(page, f"{KEY}.new.submit")
    chore = db.scalars(select(Chore).where(Chore.title == "制服の在庫確認")).one()
    assert (chore.rhythm, chore.weekday, chore.business_day, chore.minutes) == ("weekly", 4, None, None)

    page.text_input(key="q").input("週次レポート作成").run()
    click_row_action(page, f"{PAGE}.defined", "詳細")
    press(page, f"{KEY}.edit")
    chore = db.scalars(select(Chore).where(Chore.code == "weekly_report")).one()
    form = f"{KEY}.edit.{chore.id}.1.False"
    fill(page, form, minutes=45)
    press(page, f"{form}.submit")
    db.refresh(chore)
    assert (chore.minutes, chore.rhythm, chore.weekday, chore.version) == (45, "weekly", 5, 2)
    assert chore.page == "reservations-reports"


def test_operators_see_the_definitions_and_change_none(screen: Screen) -> None:
    page = open_chores(screen, part="作業の設定")
    assert f"{PAGE}.new" not in keys(page)
    click_row_action(page, f"{PAGE}.defined", "詳細")
    assert buttons(page) == set()


def test_every_seeded_page_is_in_the_menu(db: Session) -> None:
    paths = {entry.url_path for entry in MENU}
    assert set(db.scalars(select(Chore.page).where(Chore.page != ""))) <= paths
