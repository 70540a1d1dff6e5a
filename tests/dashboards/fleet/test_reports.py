"""レポート: the month in figures, the list of reports, one of them beside it, drafting and sending."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from jobs import fleet as fleet_jobs
from service.core.db import SYSTEM, transaction
from service.core.outbox import OutboxMessage
from service.core.partitions import KeptTable
from service.core.tasks.records import Task
from service.core.times import Month
from service.fleet.models import Day
from service.fleet.monthly import actions
from service.fleet.monthly.models import MonthlyReport
from tests import factories
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.fleet.scene import set_clock
from tests.dashboards.pages import rows

Screen = Callable[..., AppTest]
KEY = "fleet.reports"
OCTOBER = Month(2026, 10)
SPENT = ("online_seconds", "offline_seconds", "error_seconds", "maintenance_seconds")


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


@pytest.fixture
def drafted(db: Session) -> None:
    """The reports of September and October: ABC商事 went down from 100 to 75 %."""
    set_clock(db, "10:00")
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"))
    for month, offline in ((OCTOBER.plus(-1), 0), (OCTOBER, 21600)):
        spent = {"online_seconds": 86400 - offline, "offline_seconds": offline}
        rest = {"error_seconds": 0, "maintenance_seconds": 0, "heartbeats": 0}
        db.add(Day(terminal_id=terminal.id, begins_at=month.bounds()[0], **spent, **rest))
    db.execute(update(KeptTable).values(compacted_until=OCTOBER.bounds()[1]))
    db.commit()
    for month in (OCTOBER.plus(-1), OCTOBER):
        for whose in (terminal.customer_id, None):
            actions.draft(partial(transaction, SYSTEM), "test", month, whose, anew=False)


def open_drawer(page: AppTest, place: int) -> AppTest:
    items = page.session_state[f"live.{KEY}"].data["items"]
    page.session_state[f"{KEY}.clicked"] = ("詳細", items[place])
    return page.run()


def test_a_viewer_sees_last_month_and_may_change_nothing(drafted: None, screen: Screen, line: Line) -> None:
    page = opened_at(screen("vera", fleet="viewer"), "reports")

    assert not page.exception
    assert [title.value for title in page.title] == ["レポート"]
    assert "まだ送信していない顧客企業が1社あります。" in page.warning[0].value
    uptime, terminals, incidents = page.metric[:3]
    assert (uptime.label, uptime.value, uptime.delta) == ("時間稼働率", "75.00%", "-25pt")
    assert (terminals.value, incidents.value) == ("1台", "0件")
    assert [(row["対象"], [*row["前月比"]]) for row in rows(page)] == [("全体", ["↓ 25pt"]), ("ABC商事", ["↓ 25pt"])]
    assert [[*row["状況"]] for row in rows(page)] == [["社内用"], ["未送信"]]
    assert not [button for button in page.button if button.key == f"{KEY}.draft"]
    papers = [one.value for one in page.html if "download" in one.value]
    assert any("/download/api/fleet/reports/status.pdf" in one for one in papers)
    assert not any("labels.pdf" in one for one in papers)

    open_drawer(page, 1)

    assert "75.00%（前月比 -25.00pt）" in texts(page)
    assert not [button for button in page.button if button.key in ("report.send", "report.redraft")]
    assert any("PDFをダウンロード" in one.value and "/files/" in one.value for one in page.html)
    assert not [call for call in line.calls if call.startswith("POST")]


def test_another_month_is_chosen_by_the_filter_and_the_address(drafted: None, screen: Screen) -> None:
    page = opened_at(screen("vera", fleet="viewer"), "reports", month="2026年9月")

    assert page.metric[0].value == "100%"
    assert "2026年9月" in page.warning[0].value

    page.selectbox(key="month").select("2026-10").run()

    assert page.metric[0].value == "75.00%"
    assert [row["時間稼働率"] for row in rows(page)] == ["75.00%", "75.00%"]


def test_an_administrator_sends_a_report_once_asked(drafted: None, screen: Screen, db: Session) -> None:
    page = opened_at(screen("alice", fleet="admin"), "reports")
    open_drawer(page, 1)

    page.button(key="report.send").click().run()

    report = db.scalars(
        select(MonthlyReport).where(MonthlyReport.month == OCTOBER.first, MonthlyReport.customer_id.is_not(None))
    ).one()
    assert "aoki@example.com へ、PDFを添付したメールを送ります。" in page.info[0].value.replace("\\", "")
    assert report.sent_at is None
    page.button(key=f"report.send.{report.id}.confirm").click().run()

    assert not page.exception
    db.refresh(report)
    assert isinstance(report.sent_at, datetime)
    assert db.scalars(select(OutboxMessage)).one().recipient == "aoki@example.com"
    assert "1社すべてに送信済みです。" in page.success[0].value


def test_the_report_about_all_is_not_sent(drafted: None, screen: Screen) -> None:
    page = opened_at(screen("alice", fleet="admin"), "reports")

    open_drawer(page, 0)

    assert "社内用" in texts(page)
    assert not [button for button in page.button if button.key == "report.send"]


def test_drafting_is_followed_in_its_dialog(drafted: None, screen: Screen, db: Session) -> None:
    page = opened_at(screen("alice", fleet="admin"), "reports")

    page.button(key=f"{KEY}.draft").click().run()
    assert page.selectbox(key=f"{KEY}.draft.month").value == "2026-10"
    page.button(key=f"{KEY}.draft.start").click().run()

    assert not page.exception
    assert "2026年10月の月次報告書の作成" in texts(page)
    assert db.scalars(select(Task)).one().params == {"month": "2026-10", "customer_id": None}


def test_before_there_are_reports_the_page_says_when_they_come(screen: Screen, db: Session) -> None:
    set_clock(db, "10:00")
    db.execute(update(KeptTable).values(compacted_until=OCTOBER.bounds()[0]))
    db.commit()

    page = opened_at(screen("vera", fleet="viewer"), "reports")

    assert page.info[0].value == "2026年10月の月次報告書は、集計が終わると自動で作成されます。"
    assert "**この月の月次報告書はまだありません**" in texts(page)


def test_the_jobs_own_drafting_is_a_card_with_its_progress(drafted: None, screen: Screen, db: Session) -> None:
    [kept] = db.scalars(select(Day.terminal_id).distinct())
    for name in ("田中ストア", "XYZ商店"):
        terminal = factories.terminal(db, factories.customer(db, name))
        days = select(Day).where(Day.terminal_id == kept, Day.begins_at == OCTOBER.bounds()[0])
        day = db.scalars(days).one()
        spent = {name: getattr(day, name) for name in SPENT}
        db.add(Day(terminal_id=terminal.id, begins_at=day.begins_at, heartbeats=0, **spent))
    db.commit()

    page = opened_at(screen("vera", fleet="viewer"), "reports")

    assert "2026年10月の月次報告書を作成しています（2 / 4件）。" in [info.value for info in page.info]
    assert "**2026年10月の月次報告書の作成（自動）**　:blue-badge[:material/autorenew: 実行中]" in texts(page)
    assert "2件を作成しました（全4件）。" in texts(page)
    bars: list[Any] = list(page.get("progress"))
    assert bars[0].value == 50
    fleet_jobs.draft_monthly_reports()
    page.run()
    page.run()
    assert "（自動）" not in texts(page)
    assert len(rows(page)) == 4


def test_an_earlier_month_is_not_drafted_by_itself_and_the_page_says_how(
    drafted: None, screen: Screen, db: Session
) -> None:
    day = db.scalars(select(Day).order_by(Day.begins_at)).first()
    assert day is not None
    terminal = factories.terminal(db, factories.customer(db, "田中ストア"))
    spent = {name: getattr(day, name) for name in SPENT}
    db.add(Day(terminal_id=terminal.id, begins_at=day.begins_at, heartbeats=0, **spent))
    db.commit()

    page = opened_at(screen("ada", fleet="admin"), "reports", month="2026-09")

    assert [warning.value for warning in page.warning] == [
        "2026年9月の月次報告書は、3件のうち2件だけ作成されています。残りは「報告書を作成する」から作成できます。"
    ]
