"""Contents and texts of the fleet's status report: pure functions of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
from service.fleet.rules import ALERT_LABELS, AlertType, ContractType, Status

TITLE = "端末状況レポート"
# Rows per list: problems come first, the rest is in the lists on the screen.
MAX_LISTED = 500
# Labels per request; typst needs a second for about 400.
MAX_LABELS = 2000

STATUS_LABELS: dict[str, tuple[str, Tone]] = {
    Status.ONLINE: ("オンライン", "good"),
    Status.OFFLINE: ("オフライン", "bad"),
    Status.ERROR: ("エラー", "warning"),
    Status.MAINTENANCE: ("メンテナンス", "quiet"),
}
CONTRACT_LABELS = {
    ContractType.BASIC: "ベーシック",
    ContractType.STANDARD: "スタンダード",
    ContractType.PREMIUM: "プレミアム",
}


@dataclass(frozen=True)
class ListExcerpt:
    """The first rows of a list, and its total. Timestamps are formatted as text already."""

    rows: Sequence[Mapping[str, object]]
    total: int


@dataclass(frozen=True)
class StatusFacts:
    """`hours`: the heartbeats received in each hour; the last one is not over yet."""

    made_at: datetime
    now: str
    period: str
    counts: Mapping[str, int]
    oldest_alert: str | None
    hours: Sequence[tuple[str, int]]
    customers: ListExcerpt
    alerts: ListExcerpt
    terminals: ListExcerpt


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


def rate(counts: Mapping[str, int]) -> str:
    """稼働率 as on the dashboard: the share of terminals that are online now; a dash without terminals."""
    return f"{100 * counts['online'] / counts['total']:.1f}" if counts["total"] else "–"


def _figures(facts: StatusFacts) -> Figures:
    counts, alerts = facts.counts, facts.alerts.total
    return Figures(
        [
            Figure("全端末", counts["total"], "台"),
            Figure("稼働率（現時点）", rate(counts), "%" if counts["total"] else "", "オンライン÷全端末"),
            Figure("オフライン", counts["offline"], "台", tone="bad" if counts["offline"] else None),
            Figure(
                "未解決のアラート",
                alerts,
                "件",
                f"最も古いもの {facts.oldest_alert}" if facts.oldest_alert else "",
                tone="bad" if alerts else None,
            ),
        ]
    )


def _share(counts: Mapping[str, int]) -> ShareBar:
    trouble = counts["offline"] + counts["error"]
    title = f"対応が必要な端末は{trouble:,}台です" if trouble else "対応が必要な端末はありません"
    if not counts["total"]:
        title = "登録された端末がありません"
    parts = [Part(label, counts[status], tone) for status, (label, tone) in STATUS_LABELS.items()]
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


def _with_omitted_note(table: Table, excerpt: ListExcerpt, unit: str, screen: str) -> list[Block]:
    omitted = excerpt.total - len(excerpt.rows)
    if omitted <= 0:
        return [table]
    return [table, Note(f"ほか{omitted:,}{unit}は省きました。全件は{screen}で確認できます。")]


def _customers(excerpt: ListExcerpt) -> list[Block]:
    columns = [
        Column("会社名", 3),
        Column("契約", 1.3),
        Column("端末", 0, right=True),
        *(Column(label, 0, right=True) for label, _ in STATUS_LABELS.values()),
        Column("稼働率", 0, right=True),
    ]
    rows = []
    for row in excerpt.rows:
        counts = row["terminals"]
        assert isinstance(counts, dict)
        share = f"{rate(counts)}%" if counts["total"] else None
        contract = CONTRACT_LABELS[ContractType(str(row["contract_type"]))]
        rows.append(
            [str(row["company_name"]), contract, counts["total"], *(counts[status] for status in STATUS_LABELS), share]
        )
    table = Table(columns, rows, "顧客企業はまだ登録されていません。", total=_total_row(excerpt))
    return _with_omitted_note(table, excerpt, "社", "顧客企業の画面")


def _total_row(excerpt: ListExcerpt) -> list[Cell] | None:
    """The total row of the customers' table; None when rows are left out, since it would not be the total of all."""
    if len(excerpt.rows) < max(2, excerpt.total):
        return None
    customer_counts = [row["terminals"] for row in excerpt.rows]
    counts = {
        name: sum(counts_row[name] for counts_row in customer_counts if isinstance(counts_row, dict))
        for name in ("total", *STATUS_LABELS)
    }
    by_status = [counts[status] for status in STATUS_LABELS]
    return ["合計", "", counts["total"], *by_status, f"{rate(counts)}%" if counts["total"] else None]


def _alerts(excerpt: ListExcerpt) -> list[Block]:
    columns = [
        Column("検知", 0),
        Column("種類", 0),
        Column("顧客企業", 1.4),
        Column("店舗", 1.7),
        Column("内容", 2.6),
    ]
    rows = [
        [
            str(row["created_at"]),
            ALERT_LABELS[AlertType(str(row["alert_type"]))],
            str(row["customer_name"]),
            f"{row['store_name']}（{row['serial_number']}）",
            str(row["message"]),
        ]
        for row in excerpt.rows
    ]
    return _with_omitted_note(Table(columns, rows, "未解決のアラートはありません。"), excerpt, "件", "アラートの画面")


def _terminals(excerpt: ListExcerpt) -> list[Block]:
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
        last_heartbeat = row["last_heartbeat_at"]
        usages = [f"{row['cpu_usage']}%", f"{row['memory_usage']}%"] if last_heartbeat else [None, None]
        label, tone = STATUS_LABELS[str(row["status"])]
        location = [str(row["serial_number"]), str(row["customer_name"]), str(row["store_name"])]
        rows.append([*location, Badge(label, tone), str(last_heartbeat) if last_heartbeat else "通信なし", *usages])
    table = Table(columns, rows, "端末はまだ登録されていません。")
    order = [Note("対応が必要な端末から順に並べています。")] if rows else []
    return [*order, *_with_omitted_note(table, excerpt, "台", "端末の画面")]
