"""What stands in the fleet's reports, and in which words: pure functions of facts."""

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
from service.fleet.rules import ALERT_WORDS, AlertType, ContractType, Status

TITLE = "端末状況レポート"
# A report is read, not searched: what is wrong comes first, and the rest stands in the lists on the screen.
LISTED = 500
# Sheets for one round of labelling; typst takes a second for about 400.
MOST_LABELS = 2000

STATUS_WORDS: dict[str, tuple[str, Tone]] = {
    Status.ONLINE: ("オンライン", "good"),
    Status.OFFLINE: ("オフライン", "bad"),
    Status.ERROR: ("エラー", "warning"),
    Status.MAINTENANCE: ("メンテナンス", "quiet"),
}
CONTRACT_WORDS = {
    ContractType.BASIC: "ベーシック",
    ContractType.STANDARD: "スタンダード",
    ContractType.PREMIUM: "プレミアム",
}


@dataclass(frozen=True)
class Listed:
    """The first rows of a list, and how many it has in all. Moments are in words already."""

    rows: Sequence[Mapping[str, object]]
    total: int


@dataclass(frozen=True)
class StatusFacts:
    """`hours` are the heartbeats received in each hour, the last one not over yet."""

    made_at: datetime
    now: str
    period: str
    counts: Mapping[str, int]
    oldest_alert: str | None
    hours: Sequence[tuple[str, int]]
    customers: Listed
    alerts: Listed
    terminals: Listed


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
    """稼働率 as the dashboard shows it: online of all, now; a dash when there is nothing to divide by."""
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
    parts = [Part(word, counts[status], tone) for status, (word, tone) in STATUS_WORDS.items()]
    return ShareBar(title, "台", parts, "端末はまだ登録されていません。端末を登録すると、ここに内訳が出ます。")


def heartbeat_finding(hours: Sequence[tuple[str, int]]) -> str:
    """The chart in a sentence: a silent hour if there was one after the first heartbeat, else the weakest whole
    hour."""
    total = sum(count for _, count in hours)
    first = next((place for place, (_, count) in enumerate(hours) if count), len(hours))
    # The first hour may have begun in its middle, and the last one is not over.
    whole = hours[first + 1 : -1]
    said = f"受信は24時間で{total:,}件"
    if not whole:
        return f"{said}です"
    silent = [label for label, count in whole if not count]
    if silent:
        more = f"など{len(silent)}時間" if len(silent) > 1 else ""
        return f"{said}、{silent[0]}台{more}は受信がありませんでした"
    label, count = min(whole, key=lambda hour: hour[1])
    return f"{said}、最も少なかったのは{label}台の{count:,}件です"


def _heartbeats(facts: StatusFacts) -> BarChart:
    return BarChart(
        heartbeat_finding(facts.hours),
        "件/時",
        [label for label, _ in facts.hours],
        [Series("受信", [count for _, count in facts.hours])],
        "この24時間に受信したハートビートはありません。エージェントと通信経路を確認してください。",
        note=f"右端の薄い棒は、{facts.now}までの途中の件数です。",
        last_unfinished=True,
    )


def _with_rest(table: Table, listed: Listed, unit: str, where: str) -> list[Block]:
    rest = listed.total - len(listed.rows)
    if rest <= 0:
        return [table]
    return [table, Note(f"ほか{rest:,}{unit}は省きました。全件は{where}で確認できます。")]


def _customers(listed: Listed) -> list[Block]:
    columns = [
        Column("会社名", 3),
        Column("契約", 1.3),
        Column("端末", 0, right=True),
        *(Column(word, 0, right=True) for word, _ in STATUS_WORDS.values()),
        Column("稼働率", 0, right=True),
    ]
    rows = []
    for row in listed.rows:
        counts = row["terminals"]
        assert isinstance(counts, dict)
        share = f"{rate(counts)}%" if counts["total"] else None
        contract = CONTRACT_WORDS[ContractType(str(row["contract_type"]))]
        rows.append(
            [str(row["company_name"]), contract, counts["total"], *(counts[one] for one in STATUS_WORDS), share]
        )
    table = Table(columns, rows, "顧客企業はまだ登録されていません。", total=_sum_of(listed))
    return _with_rest(table, listed, "社", "顧客企業の画面")


def _sum_of(listed: Listed) -> list[Cell] | None:
    """The last row of the customers' table; none when some are left out, since it would not be the sum of all."""
    if len(listed.rows) < max(2, listed.total):
        return None
    each = [row["terminals"] for row in listed.rows]
    counts = {name: sum(one[name] for one in each if isinstance(one, dict)) for name in ("total", *STATUS_WORDS)}
    by_status = [counts[status] for status in STATUS_WORDS]
    return ["合計", "", counts["total"], *by_status, f"{rate(counts)}%" if counts["total"] else None]


def _alerts(listed: Listed) -> list[Block]:
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
            ALERT_WORDS[AlertType(str(row["alert_type"]))],
            str(row["customer_name"]),
            f"{row['store_name']}（{row['serial_number']}）",
            str(row["message"]),
        ]
        for row in listed.rows
    ]
    return _with_rest(Table(columns, rows, "未解決のアラートはありません。"), listed, "件", "アラートの画面")


def _terminals(listed: Listed) -> list[Block]:
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
    for row in listed.rows:
        heard = row["last_heartbeat_at"]
        usages = [f"{row['cpu_usage']}%", f"{row['memory_usage']}%"] if heard else [None, None]
        words, tone = STATUS_WORDS[str(row["status"])]
        place = [str(row["serial_number"]), str(row["customer_name"]), str(row["store_name"])]
        rows.append([*place, Badge(words, tone), str(heard) if heard else "通信なし", *usages])
    table = Table(columns, rows, "端末はまだ登録されていません。")
    order = [Note("対応が必要な端末から順に並べています。")] if rows else []
    return [*order, *_with_rest(table, listed, "台", "端末の画面")]
