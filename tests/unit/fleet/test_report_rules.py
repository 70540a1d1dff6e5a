"""The content of the fleet's status report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from service.core.reports import Badge, BarChart, Figures, Note, Report, ShareBar, Table
from service.core.reports.model import Block
from service.fleet.reports import rules
from service.fleet.reports.rules import ListExcerpt, StatusFacts, heartbeat_summary
from service.fleet.rules import ContractType, Status
from service.fleet.schemas import CustomerItem, StatusCounts, TerminalItem

COUNTS = StatusCounts(total=20, online=17, offline=2, error=1, maintenance=0)
NONE = StatusCounts(total=0, online=0, offline=0, error=0, maintenance=0)
CUSTOMER = CustomerItem(
    id=1,
    company_name="ABC商事",
    contact_person="山田 太郎",
    contact_email="t.yamada@example.co.jp",
    contact_phone="03-1234-5678",
    contract_type=ContractType.PREMIUM,
    archived_at=None,
    terminals=COUNTS,
)
AT = datetime(2026, 11, 21, 0, 26, tzinfo=UTC)
TERMINAL = TerminalItem(
    id=1,
    serial_number="TC200-000001",
    customer_id=1,
    customer_name="ABC商事",
    store_name="新宿店",
    store="新宿店",
    installed_date=None,
    tags=[],
    archived_at=None,
    status=Status.OFFLINE,
    status_since=AT,
    firmware_version="",
    agent_version=None,
    last_heartbeat_at=None,
    cpu_usage=0,
    memory_usage=0,
    disk_usage=0,
    error=None,
)


def facts(**changes: Any) -> StatusFacts:
    no_rows: ListExcerpt[Any] = ListExcerpt([], 0)
    defaults: dict[str, Any] = {
        "made_at": AT,
        "now": "2026/11/21（土）9:26",
        "period": "2026/11/20（金）10:00 〜 2026/11/21（土）9:26",
        "counts": COUNTS,
        "oldest_alert": None,
        "hours": [(f"{hour}時", 0) for hour in range(24)],
        "customers": no_rows,
        "alerts": no_rows,
        "terminals": no_rows,
    }
    return StatusFacts(**(defaults | changes))


def blocks(report: Report, title: str) -> list[Block]:
    return next(list(section.blocks) for section in report.sections if section.title == title)


def test_the_rate_is_online_of_all_and_a_dash_without_terminals() -> None:
    assert rules.rate(COUNTS) == "85.0"
    assert rules.rate(NONE) == "–"


def test_the_finding_names_the_weakest_whole_hour() -> None:
    hours = [("0時", 0), ("1時", 40), ("2時", 100), ("3時", 30), ("4時", 100), ("5時", 5)]

    assert heartbeat_summary(hours) == "受信は24時間で275件、最も少なかったのは3時台の30件です"


def test_the_finding_names_the_silent_hours() -> None:
    assert heartbeat_summary([("0時", 9), ("1時", 0), ("2時", 8), ("3時", 0)]) == (
        "受信は24時間で17件、1時台は受信がありませんでした"
    )
    assert heartbeat_summary([("0時", 9), ("1時", 0), ("2時", 0), ("3時", 8), ("4時", 1)]) == (
        "受信は24時間で18件、1時台など2時間は受信がありませんでした"
    )


def test_one_hour_of_heartbeats_has_no_comparison() -> None:
    assert heartbeat_summary([("0時", 0), ("1時", 5), ("2時", 3)]) == "受信は24時間で8件です"
    assert heartbeat_summary([("0時", 0), ("1時", 0)]) == "受信は24時間で0件です"


def test_figures_of_an_unhealthy_fleet_are_marked_bad() -> None:
    healthy = rules.status_report(facts(counts=NONE.model_copy(update={"total": 2, "online": 2})))
    unhealthy = rules.status_report(facts(alerts=ListExcerpt([], 3), oldest_alert="2026/11/19（木）3:10"))

    [neutral], [alarming] = blocks(healthy, ""), blocks(unhealthy, "")
    assert isinstance(neutral, Figures)
    assert isinstance(alarming, Figures)
    assert [card.tone for card in neutral.cards] == [None] * 4
    assert [card.tone for card in alarming.cards] == [None, None, "bad", "bad"]
    assert alarming.cards[3].note == "最も古いもの 2026/11/19（木）3:10"
    [share] = blocks(unhealthy, "状態の内訳")
    assert isinstance(share, ShareBar)
    assert share.title == "対応が必要な端末は3台です"


def test_the_current_hour_is_drawn_as_unfinished() -> None:
    [chart] = blocks(rules.status_report(facts()), "ハートビートの受信")

    assert isinstance(chart, BarChart)
    assert chart.last_unfinished
    assert "2026/11/21（土）9:26まで" in chart.note


def test_customers_are_summed_up_only_when_all_are_listed() -> None:
    [table] = blocks(rules.status_report(facts(customers=ListExcerpt([CUSTOMER] * 2, 2))), "顧客企業別")
    assert isinstance(table, Table)
    assert table.total == ["合計", "", 40, 34, 4, 2, 0, "85.0%"]

    table, rest = blocks(rules.status_report(facts(customers=ListExcerpt([CUSTOMER] * 2, 1002))), "顧客企業別")
    assert isinstance(table, Table)
    assert table.total is None
    assert rest == Note("ほか1,000社は省きました。全件は顧客企業の画面で確認できます。")


def test_a_terminal_without_heartbeats_shows_no_measured_values() -> None:
    _, table = blocks(rules.status_report(facts(terminals=ListExcerpt([TERMINAL], 1))), "端末一覧")

    assert isinstance(table, Table)
    cells = ["TC200-000001", "ABC商事", "新宿店"]
    assert table.rows == [[*cells, Badge("オフライン", "bad"), "通信なし", None, None]]
