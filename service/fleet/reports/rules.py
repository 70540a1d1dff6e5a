"""Contents and texts of the fleet's status report: pure functions of facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from service.core.reports import (
    Badge,
    BarChart,
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Note,
    Part,
    Report,
    Section,
    Series,
    ShareBar,
    Table,
)
from service.core.reports.colours import Tone
from service.core.values.times import format_local_datetime
from service.fleet.rules import Status
from service.fleet.schemas import AlertItem, CustomerItem, StatusCounts, TerminalItem

TITLE = "端末状況レポート"
# Rows per list: problems come first, the rest is in the lists on the screen.
MAX_LISTED = 500
# Labels per request; typst needs a second for about 400.
MAX_LABELS = 2000

# The columns are narrow: メンテナンス中 without 中, プレミアム保守 without 保守.
STATUS_LABELS = {status.value: status.label.removesuffix("中") for status in Status}
_TONES: dict[str, Tone] = {
    Status.ONLINE: "good",
    Status.OFFLINE: "bad",
    Status.ERROR: "warning",
    Status.MAINTENANCE: "quiet",
}
Item = TypeVar("Item")


@dataclass(frozen=True)
class ListExcerpt(Generic[Item]):
    """The first rows of a list, and its total."""

    rows: Sequence[Item]
    total: int


@dataclass(frozen=True)
class StatusFacts:
    """`hours`: the heartbeats received in each hour; the last one is not over yet."""

    made_at: datetime
    now: str
    period: str
    counts: StatusCounts
    oldest_alert: str | None
    hours: Sequence[tuple[str, int]]
    customers: ListExcerpt[CustomerItem]
    alerts: ListExcerpt[AlertItem]
    terminals: ListExcerpt[TerminalItem]


def status_report(facts: StatusFacts) -> Report:
    sections = [
        Section("", [_figures(facts)]),
        Section("状態の内訳", [_share(facts.counts)]),
        Section("ハートビートの受信", [_heartbeats(facts)]),
        Section("顧客企業別", _customers(facts.customers)),
        Section("未解決のアラート", _alerts(facts.alerts)),
        Section("端末一覧", _terminals(facts.terminals)),
    ]
    return Report(TITLE, facts.period, facts.made_at, sections)


def rate(counts: StatusCounts) -> str:
    """稼働率 as on the dashboard: the share of terminals that are online now; a dash without terminals."""
    return f"{100 * counts.online / counts.total:.1f}" if counts.total else "–"


def _figures(facts: StatusFacts) -> Figures:
    counts, alerts = facts.counts, facts.alerts.total
    return Figures(
        [
            Figure("全端末", counts.total, "台"),
            Figure("稼働率（現時点）", rate(counts), "%" if counts.total else "", "オンライン÷全端末"),
            Figure("オフライン", counts.offline, "台", tone="bad" if counts.offline else None),
            Figure(
                "未解決のアラート",
                alerts,
                "件",
                f"最も古いもの {facts.oldest_alert}" if facts.oldest_alert else "",
                tone="bad" if alerts else None,
            ),
        ]
    )


def _by_status(counts: StatusCounts) -> list[int]:
    return [counts.online, counts.offline, counts.error, counts.maintenance]


def _share(counts: StatusCounts) -> ShareBar:
    trouble = counts.offline + counts.error
    title = f"対応が必要な端末は{trouble:,}台です" if trouble else "対応が必要な端末はありません"
    if not counts.total:
        title = "登録された端末がありません"
    parts = [
        Part(STATUS_LABELS[status], count, _TONES[status])
        for status, count in zip(Status, _by_status(counts), strict=True)
    ]
    return ShareBar(title, "台", parts, "端末はまだ登録されていません。端末を登録すると、ここに内訳が出ます。")


def heartbeat_summary(hours: Sequence[tuple[str, int]]) -> str:
    """The chart's headline: an hour without heartbeats, if there was one after the first heartbeat, else the full hour
    with the fewest."""
    total = sum(count for _, count in hours)
    first = next((index for index, (_, count) in enumerate(hours) if count), len(hours))
    # The first hour may be incomplete, and the last one is not over.
    full_hours = hours[first + 1 : -1]
    text = f"受信は24時間で{total:,}件"
    if not full_hours:
        return f"{text}です"
    silent = [label for label, count in full_hours if not count]
    if silent:
        more = f"など{len(silent)}時間" if len(silent) > 1 else ""
        return f"{text}、{silent[0]}台{more}は受信がありませんでした"
    label, count = min(full_hours, key=lambda hour: hour[1])
    return f"{text}、最も少なかったのは{label}台の{count:,}件です"


def _heartbeats(facts: StatusFacts) -> BarChart:
    return BarChart(
        heartbeat_summary(facts.hours),
        "件/時",
        [label for label, _ in facts.hours],
        [Series("受信", [count for _, count in facts.hours])],
        "この24時間に受信したハートビートはありません。エージェントと通信経路を確認してください。",
        note=f"右端の薄い棒は、{facts.now}までの途中の件数です。",
        last_unfinished=True,
    )


def _with_omitted_note(table: Table, excerpt: ListExcerpt[Any], unit: str, screen: str) -> list[Block]:
    omitted = excerpt.total - len(excerpt.rows)
    if omitted <= 0:
        return [table]
    return [table, Note(f"ほか{omitted:,}{unit}は省きました。全件は{screen}で確認できます。")]


def _customers(excerpt: ListExcerpt[CustomerItem]) -> list[Block]:
    columns = [
        Column("会社名", 3),
        Column("契約", 1.3),
        Column("端末", 0, right=True),
        *(Column(label, 0, right=True) for label in STATUS_LABELS.values()),
        Column("稼働率", 0, right=True),
    ]
    rows = [
        [row.company_name, row.contract_type.label.removesuffix("保守"), *_count_cells(row.terminals)]
        for row in excerpt.rows
    ]
    table = Table(columns, rows, "顧客企業はまだ登録されていません。", total=_total_row(excerpt))
    return _with_omitted_note(table, excerpt, "社", "顧客企業の画面")


def _total_row(excerpt: ListExcerpt[CustomerItem]) -> list[Cell] | None:
    """The total row of the customers' table; None when rows are left out, since it would not be the total of all."""
    if len(excerpt.rows) < max(2, excerpt.total):
        return None
    names = StatusCounts.model_fields
    counts = StatusCounts(**{name: sum(getattr(row.terminals, name) for row in excerpt.rows) for name in names})
    return ["合計", "", *_count_cells(counts)]


def _count_cells(counts: StatusCounts) -> list[Cell]:
    return [counts.total, *_by_status(counts), f"{rate(counts)}%" if counts.total else None]


def _alerts(excerpt: ListExcerpt[AlertItem]) -> list[Block]:
    columns = [
        Column("検知", 0),
        Column("種類", 0),
        Column("顧客企業", 1.4),
        Column("店舗", 1.7),
        Column("内容", 2.6),
    ]
    rows = [
        [
            format_local_datetime(row.created_at),
            row.alert_type.label,
            row.customer_name,
            f"{row.store_name}（{row.serial_number}）",
            row.message,
        ]
        for row in excerpt.rows
    ]
    return _with_omitted_note(Table(columns, rows, "未解決のアラートはありません。"), excerpt, "件", "アラートの画面")


def _terminals(excerpt: ListExcerpt[TerminalItem]) -> list[Block]:
    columns = [
        Column("シリアル番号", 1.3),
        Column("顧客企業", 1.6),
        Column("店舗", 2),
        Column("状態", 0),
        Column("最終通信", 0),
        Column("CPU", 0, right=True),
        Column("メモリ", 0, right=True),
    ]
    rows = []
    for row in excerpt.rows:
        last_heartbeat_at = row.last_heartbeat_at
        usages = [f"{row.cpu_usage}%", f"{row.memory_usage}%"] if last_heartbeat_at else [None, None]
        badge = Badge(STATUS_LABELS[row.status], _TONES[row.status])
        last_heartbeat_text = format_local_datetime(last_heartbeat_at) if last_heartbeat_at else "通信なし"
        rows.append([row.serial_number, row.customer_name, row.store_name, badge, last_heartbeat_text, *usages])
    table = Table(columns, rows, "端末はまだ登録されていません。")
    order = [Note("対応が必要な端末から順に並べています。")] if rows else []
    return [*order, *_with_omitted_note(table, excerpt, "台", "端末の画面")]
