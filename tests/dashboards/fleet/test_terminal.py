"""端末詳細: the diagnosis, the script for the phone call, and what each role may do, in front of the real service."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from agent.simulator.obey import _CHECKS
from dashboards.contract.fleet import SpanItem
from dashboards.fleet import terminal_hours
from dashboards.fleet.advice import ADVICE, status_text
from dashboards.fleet.terminal_commands import CHECKS
from dashboards.fleet.terminal_hours import week_text
from service.core.database.clock import app_now
from service.fleet.agents.models import Command, Device
from service.fleet.agents.rules import CommandState
from service.fleet.hours.models import LearnedHours
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Terminal, TerminalState, TerminalToken
from service.fleet.terminals.rules import Finding
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import TOKYO, fill_morning
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    fill,
    keys,
    press,
    run,
    text_of,
    texts,
    titles,
    toasts,
)


def terminal_by_serial(db: Session, serial_number: str) -> Terminal:
    db.expire_all()
    return db.scalars(select(Terminal).where(Terminal.serial_number == serial_number)).one()


def add_token(db: Session, terminal: Terminal) -> None:
    db.add(TerminalToken(terminal_id=terminal.id, token_hash=b"x" * 32))
    db.commit()


def open_terminal(screen: Screen, db: Session, serial_number: str, role: str = "admin", **query: str) -> AppTest:
    return open_address(
        screen(f"the-{role}", fleet=role), "terminal", id=str(terminal_by_serial(db, serial_number).id), **query
    )


@pytest.fixture
def morning(db: Session) -> None:
    fill_morning(db)
    add_token(db, terminal_by_serial(db, "TC200-000001"))


@pytest.mark.usefixtures("morning")
def test_the_first_line_says_where_the_trouble_is_since_when_and_what_to_do(
    db: Session, screen: Screen, network: Network
) -> None:
    page = open_terminal(screen, db, "TC200-000001", "operator")

    assert titles(page) == ["TC200-000001　ABC商事 - 新宿店 レジ1番"]
    answer = text_of(page.error)
    assert "店舗PCからの通信が途絶えています。原因は店舗PC側と考えられます。" in answer
    assert "最終通信は2026/11/21（土）9:15（45分前）です。" in answer
    assert "次の対応: 店舗に電話し" in answer
    assert not page.exception
    path = f"GET /api/fleet/terminals/{terminal_by_serial(db, 'TC200-000001').id}"
    assert network.calls.count(path) == 1
    assert_survives_outage(page, network)
    assert titles(page) == ["TC200-000001　ABC商事 - 新宿店 レジ1番"]


NEAR = {"others": 1, "silent": 1}
HIGH_CPU = {"alert_type": "high_cpu", "created_at": "2026-11-21T01:00:00Z"}


@pytest.mark.parametrize(
    ("finding", "alerts", "parts"),
    [
        ("terminal_error", [], ("TC-200がエラーを報告しています。原因はTC-200側と", "次の対応: エラー内容を確認して")),
        # For a busy PC the page does not say that nothing is needed.
        ("well", [HIGH_CPU], ("店舗PCのCPU使用率が高い状態です。原因は店舗PC側と考えられます。", "次の対応")),
        ("well", [], ("正常に動作しています。", "対応は必要ありません。")),
        ("store_silent", [], ("すべての店舗PCからの通信が途絶えて", "同じ店舗の1台のうち1台が途絶えています。")),
        ("closed", [], ("学習した営業時間の外です。最終通信は", "対応は必要ありません。")),
    ],
)
def test_each_trouble_has_its_place_and_its_next_step(
    finding: str, alerts: list[dict[str, str]], parts: tuple[str, ...]
) -> None:
    timestamp = "2026-11-21T00:15:00Z"
    terminal: Any = {
        "archived_at": None,
        "diagnosis": {"finding": finding, "store": NEAR, "network": NEAR | {"others": 0}},
        "alerts": alerts,
        "state": {"last_heartbeat_at": timestamp, "since": timestamp},
    }
    for part in parts:
        assert part in status_text(terminal)


@pytest.mark.usefixtures("morning")
def test_each_role_has_its_buttons_and_support_the_card_for_the_call(db: Session, screen: Screen) -> None:
    operator_keys, admin_keys = {"terminal.swap", "terminal.diagnose_now"}, {"terminal.edit", "terminal.archive"}
    assert operator_keys | admin_keys <= keys(open_terminal(screen, db, "TC200-000001", "admin"))
    shown_keys = keys(open_terminal(screen, db, "TC200-000001", "operator"))
    assert (operator_keys <= shown_keys, admin_keys & shown_keys) == (True, set())

    page = open_terminal(screen, db, "TC200-000001", "support")
    assert not (operator_keys | admin_keys) & keys(page)
    assert "03-1234-5678" in texts(page)
    event = "アラート「オフライン」が発生しました: 店舗PCからの通信が途絶えています。"
    assert f"{event}最終通信は 2026/11/21（土）9:15 です。" in texts(page)
    [script] = page.code
    assert "新宿店 レジ1番のTC-200（シリアル番号 TC200-000001）" in script.value
    assert "1. 店舗PCの電源が入っているか" in script.value


def test_a_missing_terminal_shows_a_message(screen: Screen) -> None:
    page = open_address(screen("olivia", fleet="operator"), "terminal", id="999")
    assert "指定された端末は見つかりません" in text_of(page.error)
    page = open_address(page, "terminal", id="x")
    assert "**端末が指定されていません**" in texts(page)


@pytest.mark.usefixtures("morning")
def test_readings_are_drawn_for_each_span_and_the_history_shows_what_happened(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000001", "operator", view="推移", span="1年")
    assert [title.value for title in page.subheader] == ["1年の推移"]
    for hours, label in ((24, "24時間"), (168, "7日"), (720, "30日")):
        page.button_group(key="span").set_value(hours)
        run(page)
        assert [title.value for title in page.subheader] == [f"{label}の推移"]

    page.button_group(key="view").set_value("timeline")
    run(page)
    assert "アラート「オフライン」が発生しました" in texts(page)
    assert "端末を登録しました" in texts(page)


@pytest.mark.usefixtures("morning")
def test_a_diagnosis_is_requested_once_followed_and_explained_or_cancelled(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000001", "operator")
    press(page, "terminal.diagnose_now")
    assert "送信待ち" in texts(page)
    # A refresh that the browser sent before it had the answer, with the old view, does not change the view.
    page.text_input(key="view.drawn").set_value("0")
    page.button_group(key="view").set_value("overview")
    page.run()
    assert "店舗PCの次の通信で伝えます。" in texts(page)
    press(page, "terminal.diagnose_now")
    assert "リモート診断はすでに実行中です。" in text_of(page.error)

    checks = [
        {"name": "service", "ok": True, "detail": "往復 20 ミリ秒"},
        {"name": "serial_port", "ok": False, "detail": "COM3 がありません"},
    ]
    done = {"state": "done", "result": {"checks": checks}, "finished_at": db.scalars(select(Command.created_at)).one()}
    db.execute(update(Command).values(**done))
    db.commit()
    page.run()
    assert "2項目のうち1項目に異常があります: シリアルポート" in texts(page)
    assert "COM3 がありません" in texts(page)

    press(page, "terminal.diagnose_now")
    command = db.scalars(select(Command).order_by(Command.id.desc())).first()
    assert command is not None
    press(page, f"command.{command.id}.cancel")
    db.expire_all()
    assert command.state == CommandState.CANCELLED
    assert "取り消し" in texts(page)


@pytest.mark.usefixtures("morning")
def test_maintenance_is_begun_with_an_end_and_a_reason_and_ended_early(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000003", "operator", view="メンテナンス")
    terminal = terminal_by_serial(db, "TC200-000003")
    press(page, "terminal.plan")
    fill(page, f"terminal.plan.{terminal.id}", reason="改装のため")
    press(page, f"terminal.plan.{terminal.id}.submit")
    assert toasts(page) == ["メンテナンスを登録しました。"]
    window = db.scalars(select(Maintenance)).one()
    assert (window.terminal_id, window.reason) == (terminal.id, "改装のため")
    assert "メンテナンス中です。アラートは通知されません。" in text_of(page.info)

    click_row_action(page, "fleet.terminal_maintenances", "終了する")
    press(page, f"terminal.maintenance.end.{window.id}.confirm")
    db.expire_all()
    assert db.get_one(Maintenance, window.id).ended_at is not None


@pytest.mark.usefixtures("morning")
def test_a_stale_edit_shows_both_sides_and_what_was_typed_can_be_kept_tags_too(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000003")
    terminal = terminal_by_serial(db, "TC200-000003")
    press(page, "terminal.edit")
    terminal.store_name, terminal.version = "渋谷店 レジ8番", terminal.version + 1
    db.commit()
    key = f"terminal.edit.{terminal.id}"
    fill(page, f"{key}.{terminal.version - 1}.False", store_name="渋谷店 レジ9番", tags=["重点"])
    press(page, f"{key}.{terminal.version - 1}.False.submit")
    assert ":orange-background[渋谷店 レジ9番]" in texts(page)
    assert ":blue-background[渋谷店 レジ8番]" in texts(page)

    press(page, "terminal.conflict.keep")
    press(page, f"{key}.{terminal.version}.True.submit")
    stored = terminal_by_serial(db, "TC200-000003")
    assert (stored.store_name, stored.tags) == ("渋谷店 レジ9番", ["重点"])


@pytest.mark.usefixtures("morning")
def test_an_edit_offers_the_present_customer_even_where_the_choices_end_before_it(
    db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.fleet.customers.queries.MAX_CHOICES", 0)
    page = open_terminal(screen, db, "TC200-000001")
    terminal = terminal_by_serial(db, "TC200-000001")

    press(page, "terminal.edit")

    customer = page.selectbox(key=f"terminal.edit.{terminal.id}.{terminal.version}.False.customer_id.0")
    assert (customer.value, customer.options) == (terminal.customer_id, ["ABC商事"])


@pytest.mark.usefixtures("morning")
def test_a_swap_names_what_follows_and_shows_the_code_once(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000001", "operator")
    terminal = terminal_by_serial(db, "TC200-000001")
    press(page, "terminal.swap")
    fill(page, f"terminal.swap.{terminal.id}", serial_number="TC200-900001", reason="故障")
    press(page, f"terminal.swap.{terminal.id}.submit")
    assert "TC200-900001になり、TC200-000001は「修理に出す」として記録されます。" in text_of(page.warning)
    assert terminal_by_serial(db, "TC200-000001").id == terminal.id

    press(page, f"terminal.swap_now.{terminal.id}.confirm")
    assert terminal_by_serial(db, "TC200-900001").id == terminal.id
    assert any("-Code " in code.value for code in page.code)
    assert db.scalars(select(Device).where(Device.fate == "repair")).one().reason == "故障"
    press(page, "enrolment.noted")
    assert not any("-Code " in code.value for code in page.code)


@pytest.mark.usefixtures("morning")
def test_a_token_is_revoked_by_an_administrator_after_a_confirmation(db: Session, screen: Screen) -> None:
    operator_keys = keys(open_terminal(screen, db, "TC200-000001", "operator", view="本体・トークン"))
    assert not operator_keys & {"terminal.token.revoke", "terminal.token.rotate"}
    page = open_terminal(screen, db, "TC200-000001", view="本体・トークン")
    assert "トークンは有効です。" in texts(page)
    press(page, "terminal.token.revoke")
    press(page, f"terminal.revoke.{terminal_by_serial(db, 'TC200-000001').id}.confirm")
    assert "有効なトークンはありません。" in texts(page)


@pytest.mark.usefixtures("morning")
def test_an_archived_terminal_says_so_and_can_come_back(db: Session, screen: Screen) -> None:
    page = open_terminal(screen, db, "TC200-000003")
    terminal = terminal_by_serial(db, "TC200-000003")
    press(page, "terminal.archive")
    press(page, f"terminal.archive.{terminal.id}.confirm")
    assert "にアーカイブされました。履歴だけを表示しています。" in text_of(page.info)
    press(page, "terminal.restore")
    press(page, f"terminal.restore.{terminal.id}.confirm")
    assert terminal_by_serial(db, "TC200-000003").archived_at is None


def test_every_finding_and_every_check_has_a_text() -> None:
    assert ADVICE.keys() == {finding.value for finding in Finding}
    assert CHECKS.keys() == set(_CHECKS)


def add_learned_hours(db: Session, terminal: Terminal, days: int, week: str | None) -> None:
    midnight = app_now(db).astimezone(TOKYO).replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = [0] * 192 if week else None
    db.add(LearnedHours(terminal_id=terminal.id, learned_until=midnight, days=days, week=week, ahead=ahead))
    db.commit()


@pytest.mark.parametrize(("days", "text"), [(13, "学習中です（あと1日）"), (14, "通信のある時間帯が決まっていません")])
def test_hours_are_being_learned_until_there_are_enough_days(days: int, text: str) -> None:
    hours: Any = {
        "setting": True,
        "customer": True,
        "learned_hours": True,
        "week": None,
        "days": days,
        "days_needed": 14,
    }
    assert terminal_hours.status_text(hours).startswith(text)


def shown_hours(page: AppTest) -> list[str]:
    """The hours next to the weekdays."""
    values = [element.value.replace("\\", "") for element in page.markdown]
    return [text for text in values if re.fullmatch(r"\d+:00～\d+:00|休み|24時間", text)]


@pytest.mark.usefixtures("morning")
def test_learned_hours_are_shown_by_weekday_a_closed_shop_is_no_trouble_and_they_are_switched_off(
    db: Session, screen: Screen
) -> None:
    terminal = terminal_by_serial(db, "TC200-000001")
    shop, closed = "0" * 11 + "1" * 10 + "0" * 3, "0" * 24
    add_learned_hours(db, terminal, 28, shop * 2 + closed + shop * 4)
    opens = app_now(db) + timedelta(minutes=75)
    db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(alert_after=opens))
    db.commit()

    page = open_terminal(screen, db, "TC200-000001")

    assert not page.exception
    assert "いまは営業時間外です。2026/11/21（土）11:15までに通信がなければ、アラートを通知します。" in texts(page)
    assert shown_hours(page) == ["11:00～21:00", "休み", "11:00～21:00"]
    assert [title.value for title in page.subheader].count("学習した営業時間") == 1
    for days in ("月・火", "木～日"):
        assert days in texts(page)
    assert "通信はありませんが、学習した営業時間の外です。最終通信は" in text_of(page.info)

    press(page, "terminal.hours.switch")
    press(page, f"terminal.hours.{terminal.id}.confirm")

    assert not terminal_by_serial(db, "TC200-000001").learned_hours
    assert "営業時間の学習は、この端末では使われていません。" in texts(page)
    assert toasts(page) == ["営業時間の学習を使わないようにしました。"]
    assert shown_hours(page) == []


@pytest.mark.usefixtures("morning")
def test_hours_that_are_not_learned_yet_say_how_long_it_takes(db: Session, screen: Screen) -> None:
    add_learned_hours(db, terminal_by_serial(db, "TC200-000003"), 5, None)
    page = open_terminal(screen, db, "TC200-000003", "operator")

    assert "学習中です（あと9日）。それまでは、時刻を問わずアラートを通知します。" in texts(page)
    assert "terminal.hours.switch" not in keys(page)


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([(0, 24)], "24時間"),
        ([(10, 24)], "10:00～24:00"),
        ([(18, 26)], "18:00～翌2:00"),
        ([(9, 12), (15, 20)], "9:00～12:00、15:00～20:00"),
        ([], "休み"),
    ],
)
def test_a_week_of_the_same_hours_is_one_line(spans: list[tuple[int, int]], text: str) -> None:
    day: list[SpanItem] = [{"opens": opens, "closes": closes} for opens, closes in spans]
    assert week_text([day] * 7) == {"毎日": text}
