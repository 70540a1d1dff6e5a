"""端末詳細: what is the matter, the phone call, and what each role may do, in front of the real service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from agent.simulator.obey import _CHECKS
from dashboards.fleet.advice import ADVICE
from dashboards.fleet.terminal_commands import CHECKS
from dashboards.fleet.terminal_hours import in_words
from service.core.clock import app_now
from service.fleet.agents.models import Command, Device
from service.fleet.agents.rules import CommandName, CommandState
from service.fleet.hours.models import LearnedHours
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Terminal, TerminalState, TerminalToken
from service.fleet.terminals.rules import Finding
from tests import factories
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.fleet.scene import TOKYO, a_morning, heard, set_clock

Screen = Callable[..., AppTest]


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def said(elements: Iterable[Any]) -> str:
    return "\n".join(element.value for element in elements).replace("\\", "")


def serial(db: Session, number: str) -> Terminal:
    db.expire_all()
    return db.scalars(select(Terminal).where(Terminal.serial_number == number)).one()


def enrolled(db: Session, terminal: Terminal) -> None:
    db.add(TerminalToken(terminal_id=terminal.id, token_hash=b"x" * 32))
    db.commit()


def opened(screen: Screen, db: Session, number: str, role: str = "admin", **query: str) -> AppTest:
    return opened_at(screen(f"the-{role}", fleet=role), "terminal", id=str(serial(db, number).id), **query)


@pytest.fixture
def morning(db: Session) -> None:
    a_morning(db)
    enrolled(db, serial(db, "TC200-000001"))


@pytest.mark.usefixtures("morning")
def test_the_first_line_says_where_the_trouble_is_since_when_and_what_to_do(
    db: Session, screen: Screen, line: Line
) -> None:
    page = opened(screen, db, "TC200-000001", "operator")

    assert [title.value for title in page.title] == ["TC200-000001　ABC商事 - 新宿店 レジ1番"]
    answer = said(page.error)
    assert "店舗PCからの通信が途絶えています。原因は店舗PC側と考えられます。" in answer
    assert "最終通信は2026/11/21（土）9:15（45分前）です。" in answer
    assert "次の対応: 店舗に電話し" in answer
    assert not page.exception
    path = f"GET /api/fleet/terminals/{serial(db, 'TC200-000001').id}"
    assert line.calls.count(path) == 1


@pytest.mark.usefixtures("morning")
def test_a_terminal_in_error_is_no_fault_of_the_pc(db: Session, screen: Screen) -> None:
    heard(db, serial(db, "TC200-000002"), "9:58", status="error", error="カードリーダー応答なし")
    page = opened(screen, db, "TC200-000002")
    assert "店舗PCは通信していますが、TC-200がエラーを報告しています。原因はTC-200側" in said(page.error)
    assert "カードリーダー応答なし" in texts(page)


@pytest.mark.usefixtures("morning")
def test_a_busy_pc_is_not_said_to_need_nothing(db: Session, screen: Screen) -> None:
    factories.alert(db, serial(db, "TC200-000003"), "high_cpu", "CPU使用率が97%です。")
    db.commit()
    page = opened(screen, db, "TC200-000003", "operator")
    assert "通信は正常ですが、店舗PCのCPU使用率が高い状態です。原因は店舗PC側と考えられます。" in said(page.error)
    assert "対応は必要ありません" not in texts(page)


@pytest.mark.usefixtures("morning")
def test_the_card_for_the_call_has_the_number_the_events_and_words_to_copy(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "support")
    assert "03-1234-5678" in texts(page)
    assert (
        "アラート「オフライン」が発生しました: 店舗PCからの通信が途絶えています。最終通信は 2026/11/21（土）9:15 です。"
        in texts(page)
    )
    [words] = page.code
    assert "新宿店 レジ1番のTC-200（シリアル番号 TC200-000001）" in words.value
    assert "1. 店舗PCの電源が入っているか" in words.value


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize(
    ("role", "there", "missing"),
    [
        (
            "admin",
            {"terminal.swap", "terminal.edit", "terminal.archive", "terminal.diagnose_now"},
            set[str](),
        ),
        ("operator", {"terminal.swap", "terminal.diagnose_now"}, {"terminal.edit", "terminal.archive"}),
        (
            "support",
            set[str](),
            {"terminal.swap", "terminal.edit", "terminal.archive", "terminal.diagnose_now"},
        ),
    ],
)
def test_buttons_are_there_only_where_the_role_may(
    db: Session, screen: Screen, role: str, there: set[str], missing: set[str]
) -> None:
    keys = {button.key for button in opened(screen, db, "TC200-000001", role).button}
    assert there <= keys
    assert not missing & keys


def test_a_terminal_that_is_not_there_is_said_in_words(screen: Screen) -> None:
    page = opened_at(screen("olivia", fleet="operator"), "terminal", id="999")
    assert "指定された端末は見つかりません" in said(page.error)
    page = opened_at(page, "terminal", id="x")
    assert "**端末が指定されていません**" in texts(page)


@pytest.mark.usefixtures("morning")
def test_while_the_service_is_away_what_was_known_stays(db: Session, screen: Screen, line: Line) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    line.cut()
    page.run()
    assert [title.value for title in page.title] == ["TC200-000001　ABC商事 - 新宿店 レジ1番"]
    assert page.warning[0].value.startswith("最新の状態を取得できません。")


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("span", ["24時間", "7日", "30日", "1年"])
def test_readings_are_drawn_for_each_span(db: Session, screen: Screen, span: str) -> None:
    page = opened(screen, db, "TC200-000001", view="推移", span=span)
    assert not page.exception
    assert f"{span}の推移" in [title.value for title in page.subheader]


@pytest.mark.usefixtures("morning")
def test_the_history_tells_what_happened(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", view="履歴")
    assert "アラート「オフライン」が発生しました" in texts(page)
    assert "端末を登録しました" in texts(page)


@pytest.mark.usefixtures("morning")
def test_a_diagnosis_is_asked_for_followed_and_told_in_words(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    page.button(key="terminal.diagnose_now").click().run()
    assert "送信待ち" in texts(page)
    assert "店舗PCの次の通信で伝えます。" in texts(page)

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
    assert not page.exception


@pytest.mark.usefixtures("morning")
def test_a_refresh_that_comes_late_does_not_lead_away_from_the_diagnosis(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    page.button(key="terminal.diagnose_now").click().run()
    # It left the browser before the answer was there, with the view of then.
    page.session_state["view"] = "overview"
    page.run()
    assert "店舗PCの次の通信で伝えます。" in texts(page)


@pytest.mark.usefixtures("morning")
def test_a_diagnosis_is_called_off(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    page.button(key="terminal.diagnose_now").click().run()
    command = db.scalars(select(Command)).one()
    page.button(key=f"command.{command.id}.cancel").click().run()
    db.expire_all()
    assert db.get_one(Command, command.id).state == CommandState.CANCELLED
    assert "取り消し" in texts(page)


@pytest.mark.usefixtures("morning")
def test_why_a_diagnosis_was_not_begun_is_said(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    db.add(Command(terminal_id=serial(db, "TC200-000001").id, name=CommandName.DIAGNOSE, expires_at=_later(db)))
    db.commit()
    page.button(key="terminal.diagnose_now").click().run()
    assert "リモート診断はすでに実行中です。" in said(page.error)


def _later(db: Session) -> datetime:
    return app_now(db) + timedelta(hours=24)


@pytest.mark.usefixtures("morning")
def test_maintenance_is_begun_with_an_end_and_a_reason_and_ended_early(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000003", "operator", view="メンテナンス")
    terminal = serial(db, "TC200-000003")
    page.button(key="terminal.plan").click().run()
    key = f"terminal.plan.{terminal.id}"
    page.text_input(key=f"{key}.reason.0").input("改装のため")
    page.button(key=f"{key}.submit").click().run()
    assert [toast.value for toast in page.toast] == ["メンテナンスを登録しました。"]
    window = db.scalars(select(Maintenance)).one()
    assert (window.terminal_id, window.reason) == (terminal.id, "改装のため")
    assert "メンテナンス中です。アラートは通知されません。" in said(page.info)

    row = page.session_state["live.fleet.terminal_maintenances"].data["items"][0]
    page.session_state["fleet.terminal_maintenances.clicked"] = ("終了する", row)
    page.run()
    page.button(key=f"terminal.maintenance.end.{window.id}.confirm").click().run()
    db.expire_all()
    assert db.get_one(Maintenance, window.id).ended_at is not None


@pytest.mark.usefixtures("morning")
def test_a_stale_edit_shows_both_sides_and_what_was_typed_can_be_kept(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000003")
    terminal = serial(db, "TC200-000003")
    page.button(key="terminal.edit").click().run()
    terminal.store_name, terminal.version = "渋谷店 レジ8番", terminal.version + 1
    db.commit()
    key = f"terminal.edit.{terminal.id}"
    page.text_input(key=f"{key}.{terminal.version - 1}.False.store_name.0").input("渋谷店 レジ9番")
    page.button(key=f"{key}.{terminal.version - 1}.False.submit").click().run()
    assert ":orange-background[渋谷店 レジ9番]" in texts(page)
    assert ":blue-background[渋谷店 レジ8番]" in texts(page)

    page.button(key="terminal.conflict.keep").click().run()
    page.button(key=f"{key}.{terminal.version}.True.submit").click().run()
    assert serial(db, "TC200-000003").store_name == "渋谷店 レジ9番"


@pytest.mark.usefixtures("morning")
def test_tags_are_set(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000003")
    terminal = serial(db, "TC200-000003")
    page.button(key="terminal.edit").click().run()
    key = f"terminal.edit.{terminal.id}.{terminal.version}.False"
    page.multiselect(key=f"{key}.tags.0").set_value(["重点"])
    page.button(key=f"{key}.submit").click().run()
    assert serial(db, "TC200-000003").tags == ["重点"]


@pytest.mark.usefixtures("morning")
def test_a_swap_names_what_follows_and_shows_the_code_once(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", "operator")
    terminal = serial(db, "TC200-000001")
    page.button(key="terminal.swap").click().run()
    key = f"terminal.swap.{terminal.id}"
    page.text_input(key=f"{key}.serial_number.0").input("TC200-900001")
    page.text_input(key=f"{key}.reason.0").input("故障")
    page.button(key=f"{key}.submit").click().run()
    assert "TC200-900001になり、TC200-000001は「修理に出す」として記録されます。" in said(page.warning)
    assert serial(db, "TC200-000001").id == terminal.id

    page.button(key=f"terminal.swap_now.{terminal.id}.confirm").click().run()
    assert serial(db, "TC200-900001").id == terminal.id
    assert any("-Code " in code.value for code in page.code)
    assert db.scalars(select(Device).where(Device.fate == "repair")).one().reason == "故障"
    page.button(key="enrolment.noted").click().run()
    assert not any("-Code " in code.value for code in page.code)


@pytest.mark.usefixtures("morning")
def test_a_token_is_revoked_by_an_administrator_after_being_asked(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000001", view="本体・トークン")
    terminal = serial(db, "TC200-000001")
    assert "トークンは有効です。" in texts(page)
    page.button(key="terminal.token.revoke").click().run()
    page.button(key=f"terminal.revoke.{terminal.id}.confirm").click().run()
    assert "有効なトークンはありません。" in texts(page)
    keys = {one.key for one in opened(screen, db, "TC200-000001", "operator", view="本体・トークン").button}
    assert not keys & {"terminal.token.revoke", "terminal.token.rotate"}


@pytest.mark.usefixtures("morning")
def test_an_archived_terminal_says_so_and_can_come_back(db: Session, screen: Screen) -> None:
    page = opened(screen, db, "TC200-000003")
    terminal = serial(db, "TC200-000003")
    page.button(key="terminal.archive").click().run()
    page.button(key=f"terminal.archive.{terminal.id}.confirm").click().run()
    assert "にアーカイブされました。履歴だけを表示しています。" in said(page.info)
    page.button(key="terminal.restore").click().run()
    page.button(key=f"terminal.restore.{terminal.id}.confirm").click().run()
    assert serial(db, "TC200-000003").archived_at is None


def test_a_store_that_is_silent_as_a_whole_points_to_its_line(db: Session, screen: Screen) -> None:
    customer = factories.customer(db, "ABC商事")
    for till in (1, 2):
        heard(db, factories.terminal(db, customer, f"TC200-00010{till}", f"新宿店 レジ{till}番"), "9:15")
    db.execute(update(TerminalState).values(status="offline"))
    set_clock(db, "10:00")
    page = opened(screen, db, "TC200-000101", "operator")
    assert "店舗のすべての店舗PCからの通信が途絶えています。" in said(page.error)
    assert "同じ店舗の1台のうち1台が途絶えています。" in said(page.error)


def test_every_finding_and_every_check_has_words() -> None:
    assert ADVICE.keys() == {finding.value for finding in Finding}
    assert CHECKS.keys() == set(_CHECKS)


def taught(db: Session, terminal: Terminal, days: int, week: str | None) -> None:
    midnight = app_now(db).astimezone(TOKYO).replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = [0] * 192 if week else None
    db.add(LearnedHours(terminal_id=terminal.id, learned_until=midnight, days=days, week=week, ahead=ahead))
    db.commit()


def hours_shown(page: AppTest) -> list[str]:
    """What stands beside the weekdays."""
    found = [element.value.replace("\\", "") for element in page.markdown]
    return [text for text in found if re.fullmatch(r"\d+:00～\d+:00|休み|24時間", text)]


@pytest.mark.usefixtures("morning")
def test_learned_hours_are_told_by_weekday_and_a_closed_shop_is_no_trouble(db: Session, screen: Screen) -> None:
    terminal = serial(db, "TC200-000001")
    shop, closed = "0" * 11 + "1" * 10 + "0" * 3, "0" * 24
    taught(db, terminal, 28, shop * 2 + closed + shop * 4)
    opens = app_now(db) + timedelta(minutes=75)
    db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(alert_after=opens))
    db.commit()

    page = opened(screen, db, "TC200-000001")

    assert not page.exception
    assert "いまは営業時間外です。2026/11/21（土）11:15までに通信がなければ、アラートを通知します。" in texts(page)
    assert hours_shown(page) == ["11:00～21:00", "休み", "11:00～21:00"]
    assert [title.value for title in page.subheader].count("学習した営業時間") == 1
    for days in ("月・火", "木～日"):
        assert days in texts(page)
    assert "通信はありませんが、学習した営業時間の外です。最終通信は" in said(page.info)

    page.button(key="terminal.hours.switch").click().run()
    page.button(key=f"terminal.hours.{terminal.id}.confirm").click().run()

    assert not serial(db, "TC200-000001").learned_hours
    assert "営業時間の学習は、この端末では使われていません。" in texts(page)
    assert "営業時間の学習を使わないようにしました。" in said(page.toast)
    assert hours_shown(page) == []


@pytest.mark.usefixtures("morning")
def test_hours_that_are_not_learned_yet_say_how_long_it_takes(db: Session, screen: Screen) -> None:
    taught(db, serial(db, "TC200-000003"), 5, None)
    page = opened(screen, db, "TC200-000003", "operator")

    assert "学習中です（あと9日）。それまでは、時刻を問わずアラートを通知します。" in texts(page)
    assert [button for button in page.button if button.key == "terminal.hours.switch"] == []


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([(0, 24)], "24時間"),
        ([(18, 26)], "18:00～翌2:00"),
        ([(9, 12), (15, 20)], "9:00～12:00、15:00～20:00"),
        ([], "休み"),
    ],
)
def test_a_week_of_the_same_hours_is_one_line(spans: list[tuple[int, int]], words: str) -> None:
    day = [{"opens": opens, "closes": closes} for opens, closes in spans]
    assert in_words([day] * 7) == {"毎日": words}
