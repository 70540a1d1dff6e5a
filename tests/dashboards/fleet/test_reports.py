"""レポート: the month in figures, the list of reports, the drawer of one report, drafting and sending."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.database.partitions import RetentionTable
from service.core.database.session import SYSTEM, transaction
from service.core.outbox.records import OutboxMessage
from service.core.tasks.records import Task
from service.core.values.times import Month
from service.fleet.models import Day
from service.fleet.monthly import actions
from service.fleet.monthly.models import MonthlyReport
from tests import factories
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import set_clock
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    click_row_action,
    html,
    keys,
    press,
    rows,
    texts,
    titles,
)

KEY = "fleet.reports"
OCTOBER = Month(2026, 10)
STATE_SECONDS = ("online_seconds", "offline_seconds", "error_seconds", "maintenance_seconds")


@pytest.fixture
def drafted(db: Session) -> None:
    """The reports of September and October: ABC商事 went down from 100 to 75 %."""
    set_clock(db, "10:00")
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"))
    for month, offline in ((OCTOBER.plus(-1), 0), (OCTOBER, 21600)):
        seconds = {"online_seconds": 86400 - offline, "offline_seconds": offline}
        rest = {"error_seconds": 0, "maintenance_seconds": 0, "heartbeats": 0}
        db.add(Day(terminal_id=terminal.id, begins_at=month.bounds()[0], **seconds, **rest))
    db.execute(update(RetentionTable).values(compacted_until=OCTOBER.bounds()[1]))
    db.commit()
    for month in (OCTOBER.plus(-1), OCTOBER):
        for customer_id in (terminal.customer_id, None):
            actions.draft(partial(transaction, SYSTEM), "test", month, customer_id, anew=False)


def add_measured_customer(db: Session, name: str, month: Month) -> None:
    """A terminal of one more customer, with the same month as the first terminal."""
    begins_at = month.bounds()[0]
    day = db.scalars(select(Day).where(Day.begins_at == begins_at)).first()
    terminal = factories.terminal(db, factories.customer(db, name))
    seconds = {kind: getattr(day, kind) for kind in STATE_SECONDS}
    db.add(Day(terminal_id=terminal.id, begins_at=begins_at, heartbeats=0, **seconds))
    db.commit()


def test_a_viewer_sees_last_month_may_change_nothing_and_chooses_another_month(
    drafted: None, screen: Screen, db: Session, network: Network
) -> None:
    page = open_address(screen("vera", fleet="viewer"), "reports")
    assert not page.exception
    assert titles(page) == ["レポート"]
    assert "まだ送信していない顧客企業が1社あります。" in page.warning[0].value
    uptime, terminals, incidents = page.metric[:3]
    assert (uptime.label, uptime.value, uptime.delta) == ("時間稼働率", "75.00%", "-25pt")
    assert (terminals.value, incidents.value) == ("1台", "0件")
    assert [(row["対象"], [*row["前月比"]]) for row in rows(page)] == [("全体", ["↓ 25pt"]), ("ABC商事", ["↓ 25pt"])]
    assert [[*row["状況"]] for row in rows(page)] == [["社内用"], ["未送信"]]
    assert "/download/api/fleet/reports/status.pdf" in html(page)
    assert "labels.pdf" not in html(page)
    click_row_action(page, KEY, "詳細", 1)
    assert "75.00%（前月比 -25.00pt）" in texts(page)
    assert not keys(page) & {"report.send", "report.redraft", f"{KEY}.draft"}
    assert any("PDFをダウンロード" in element.value and "/files/" in element.value for element in page.html)
    assert not [call for call in network.calls if call.startswith("POST")]

    # An earlier month is not drafted automatically, and the page says how to draft it.
    add_measured_customer(db, "田中ストア", OCTOBER.plus(-1))
    open_address(page, "reports", month="2026年9月")
    assert page.metric[0].value == "100%"
    assert [warning.value for warning in page.warning] == [
        "2026年9月の月次報告書は、3件のうち2件だけ作成されています。残りは「報告書を作成する」から作成できます。"
    ]
    page.selectbox(key="month").select("2026-10").run()
    assert [row["時間稼働率"] for row in rows(page)] == ["75.00%", "75.00%"]
    assert_survives_outage(page, network)


def test_an_administrator_sends_a_report_after_a_confirmation_but_not_the_one_about_all_and_drafts_a_month(
    drafted: None, screen: Screen, db: Session
) -> None:
    page = open_address(screen("alice", fleet="admin"), "reports")
    click_row_action(page, KEY, "詳細", 0)
    assert "社内用" in texts(page)
    assert "report.send" not in keys(page)

    click_row_action(page, KEY, "詳細", 1)
    press(page, "report.send")
    of_customer = MonthlyReport.customer_id.is_not(None)
    report = db.scalars(select(MonthlyReport).where(MonthlyReport.month == OCTOBER.first, of_customer)).one()
    assert "aoki@example.com へ、PDFを添付したメールを送ります。" in texts(page)
    assert report.sent_at is None
    press(page, f"report.send.{report.id}.confirm")
    db.refresh(report)
    assert isinstance(report.sent_at, datetime)
    assert db.scalars(select(OutboxMessage)).one().recipient == "aoki@example.com"
    assert "1社すべてに送信済みです。" in page.success[0].value

    press(page, f"{KEY}.draft")
    assert page.selectbox(key=f"{KEY}.draft.month").value == "2026-10"
    press(page, f"{KEY}.draft.start")
    assert "2026年10月の月次報告書の作成" in texts(page)
    assert db.scalars(select(Task)).one().params == {"month": "2026-10", "customer_id": None}


def test_before_there_are_reports_the_page_says_when_they_come(screen: Screen, db: Session) -> None:
    set_clock(db, "10:00")
    db.execute(update(RetentionTable).values(compacted_until=OCTOBER.bounds()[0]))
    db.commit()

    page = open_address(screen("vera", fleet="viewer"), "reports")

    assert page.info[0].value == "2026年10月の月次報告書は、集計が終わると自動で作成されます。"
    assert "**この月の月次報告書はまだありません**" in texts(page)


def test_the_jobs_own_drafting_is_a_card_with_its_progress(drafted: None, screen: Screen, db: Session) -> None:
    for name in ("田中ストア", "XYZ商店"):
        add_measured_customer(db, name, OCTOBER)

    page = open_address(screen("vera", fleet="viewer"), "reports")

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
