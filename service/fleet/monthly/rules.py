"""A month's figures, and the texts of its report, CSV file and mail: pure functions of facts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from service.core.reports import (
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    LineChart,
    Note,
    Report,
    Section,
    Series,
    Table,
)
from service.core.values.times import Month
from service.fleet.incidents.rules import STEPS, Scope
from service.fleet.rules import AlertType, silence_allowed

# How many terminals with the lowest uptime are in the figures, and how many a customer's printed list has at most.
MAX_WORST = 10
MAX_LISTED = 500
# Bytes. Larger mails may be rejected by mail servers.
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
# A silent terminal is detected at the latest this long after its deadline.
MAX_DETECTION_DELAY = timedelta(seconds=30)
RESPOND, REPAIR = STEPS[2].target.span, STEPS[5].target.span
DEFINITION = (
    "時間稼働率は、オンラインだった時間 ÷（登録されていた時間 − メンテナンスの時間 − 閉店中の時間）です。"
    "閉店中とは、いつもの開店時間（過去4週間の通信から判断）の外でオフラインだった時間です。"
    "ダッシュボードの「現在の稼働率」は、その時点のオンラインの台数 ÷ 総端末数で、別の数字です。"
)
CSV_HEADER = (
    "会社名",
    "設置店舗名",
    "シリアル番号",
    "ファームウェア",
    "時間稼働率（%）",
    "オンライン（分）",
    "オフライン（分）",
    "エラー（分）",
    "メンテナンス（分）",
    "閉店中（分）",
    "障害件数",
)


@dataclass(frozen=True)
class Seconds:
    online: int = 0
    offline: int = 0
    error: int = 0
    maintenance: int = 0
    closed: int = 0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(
            self.online + other.online,
            self.offline + other.offline,
            self.error + other.error,
            self.maintenance + other.maintenance,
            self.closed + other.closed,
        )


def uptime(seconds: Seconds) -> float | None:
    """時間稼働率, 0 to 1; None when there was only maintenance and closed hours."""
    counted = seconds.online + seconds.offline + seconds.error
    return seconds.online / counted if counted else None


@dataclass(frozen=True)
class Span:
    """Durations in seconds: how many were measured, their median and maximum, and how many were within the target."""

    count: int = 0
    median: float | None = None
    worst: float | None = None
    within: int = 0
    target: float = 0


@dataclass(frozen=True)
class DayFigure:
    day: date
    terminals: int
    uptime: float | None


@dataclass(frozen=True)
class TerminalFigure:
    """`incidents`: the month's incidents that the terminal was part of."""

    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    firmware_version: str | None
    seconds: Seconds
    uptime: float | None
    incidents: int


@dataclass(frozen=True)
class CustomerFigure:
    name: str
    terminals: int
    uptime: float | None
    incidents: int


@dataclass(frozen=True)
class VersionFigure:
    version: str | None
    terminals: int


@dataclass(frozen=True)
class Counts:
    """A month's incidents. `detect`: from the last heartbeat to the alert, for offline incidents whose heartbeats are
    still stored and whose PC had no orderly shutdown; `respond` (step 2) and `repair`: from the alert."""

    incidents: int = 0
    unresolved: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    by_scope: dict[str, int] = field(default_factory=dict)
    detect: Span = Span()
    respond: Span = Span()
    repair: Span = Span()


@dataclass(frozen=True)
class MonthFigures:
    """The stored figures of a month. `customers`: only in the report about all."""

    month: str
    terminals: int
    seconds: Seconds
    uptime: float | None
    by_day: list[DayFigure]
    counts: Counts
    firmware: list[VersionFigure]
    worst: list[TerminalFigure]
    customers: list[CustomerFigure]


@dataclass(frozen=True)
class Facts:
    """`customer_name`: None in the report about all; `terminals`: all terminals, the lowest uptime first."""

    month: Month
    customer_name: str | None
    made_at: datetime
    figures: MonthFigures
    before: MonthFigures | None
    terminals: Sequence[TerminalFigure]


def detection_target(interval_seconds: int) -> timedelta:
    return silence_allowed(interval_seconds) + MAX_DETECTION_DELAY


def build_figures(
    month: Month,
    terminals: Sequence[TerminalFigure],
    by_day: Sequence[DayFigure],
    counts: Counts,
    incidents_by_customer: dict[int, int] | None,
) -> MonthFigures:
    """The month's figures from one row per terminal, the lowest uptime first. `incidents_by_customer` is None for the
    report about one customer."""
    total = Seconds()
    for terminal in terminals:
        total += terminal.seconds
    versions = Counter(terminal.firmware_version for terminal in terminals)
    return MonthFigures(
        month=str(month),
        terminals=len(terminals),
        seconds=total,
        uptime=uptime(total),
        by_day=list(by_day),
        counts=counts,
        firmware=[
            VersionFigure(*item) for item in sorted(versions.items(), key=lambda item: (-item[1], item[0] or ""))
        ],
        worst=[terminal for terminal in terminals if terminal.uptime is not None and terminal.uptime < 1][:MAX_WORST],
        customers=[] if incidents_by_customer is None else _customers(terminals, incidents_by_customer),
    )


def _customers(terminals: Sequence[TerminalFigure], incidents: dict[int, int]) -> list[CustomerFigure]:
    """The figures by customer, sorted by name."""
    grouped: dict[tuple[str, int], list[TerminalFigure]] = defaultdict(list)
    for terminal in terminals:
        grouped[terminal.customer_name, terminal.customer_id].append(terminal)
    figures = []
    for (name, customer_id), own_terminals in sorted(grouped.items()):
        total = Seconds()
        for terminal in own_terminals:
            total += terminal.seconds
        figures.append(CustomerFigure(name, len(own_terminals), uptime(total), incidents.get(customer_id, 0)))
    return figures


def month_in_words(month: Month) -> str:
    return f"{month.year}年{month.month}月"


def percent(share: float | None) -> str:
    """For example 99.87%; 100% only when the share is exactly 1."""
    if share is None:
        return "–"
    return "100%" if share == 1 else f"{min(share, 0.9999):.2%}"


def lasted(seconds: float | None) -> str:
    """A duration as text: 45秒, 12分30秒, 3時間5分, 2日4時間."""
    if seconds is None:
        return "–"
    total = round(seconds)
    days, hours, minutes, rest = total // 86400, total // 3600 % 24, total // 60 % 60, total % 60
    for first, first_unit, second, second_unit in (
        (days, "日", hours, "時間"),
        (hours, "時間", minutes, "分"),
        (minutes, "分", rest, "秒"),
    ):
        if first:
            return f"{first}{first_unit}" + (f"{second}{second_unit}" if second else "")
    return f"{rest}秒"


def report_title(month: Month, customer_name: str | None) -> str:
    return f"端末月次報告書 {month_in_words(month)} {customer_name or '全体'}"


def build_report(facts: Facts) -> Report:
    month, last = facts.month, facts.month.plus(1).first - timedelta(days=1)
    sections = [
        Section("", [_figure_cards(facts), Note(DEFINITION)]),
        Section("日別の時間稼働率", [_by_day(facts.figures)]),
        Section("障害", [*_incidents(facts.figures.counts)]),
        Section("対応にかかった時間", [_times(facts.figures.counts), Note(_how_measured())]),
        Section("ファームウェア", [_firmware(facts.figures)]),
    ]
    if facts.customer_name is None:
        sections += [
            Section("顧客企業別", [_by_customer(facts.figures)]),
            Section("時間稼働率の低い端末", [_terminals(facts.figures.worst, with_customer=True)]),
        ]
    else:
        sections.append(Section("端末一覧", _terminal_list(facts.terminals)))
    name = f"{facts.customer_name} 様" if facts.customer_name else "全体"
    return Report(
        f"端末月次報告書　{name}",
        f"{month_in_words(month)}（{month.first.month}/1 〜 {last.month}/{last.day}）",
        facts.made_at,
        sections,
    )


def _figure_cards(facts: Facts) -> Figures:
    now, before = facts.figures, facts.before
    comparison = f"前月 {percent(before.uptime)}" if before else "前月の報告書はありません"
    unresolved = f"うち未解決 {now.counts.unresolved:,}件" if now.counts.unresolved else "すべて解決済みです"
    return Figures(
        [
            Figure("時間稼働率", percent(now.uptime).rstrip("%"), "%" if now.uptime is not None else "", comparison),
            Figure("端末", now.terminals, "台", f"前月 {before.terminals:,}台" if before else ""),
            Figure("障害", now.counts.incidents, "件", unresolved if now.counts.incidents else "ありませんでした"),
            Figure("復旧までの時間", lasted(now.counts.repair.median), "", "中央値"),
        ]
    )


def day_summary(days: Sequence[DayFigure]) -> str:
    """The chart's headline: the day with the lowest uptime, if it was below 100%."""
    uptimes = [(figure.uptime, figure.day) for figure in days if figure.uptime is not None]
    if not uptimes:
        return "時間稼働率を計算できる日がありません"
    lowest, day = min(uptimes)
    if lowest == 1:
        return "すべての日で100%でした"
    return f"最も低かったのは{day.month}/{day.day}の{percent(lowest)}です"


def _by_day(figures: MonthFigures) -> LineChart:
    values = [None if figure.uptime is None else round(figure.uptime * 100, 2) for figure in figures.by_day]
    return LineChart(
        day_summary(figures.by_day),
        "%",
        [f"{figure.day.month}/{figure.day.day}" for figure in figures.by_day],
        [Series("時間稼働率", values)] if any(value is not None for value in values) else [],
        "この月の記録はありません。",
    )


def _incidents(counts: Counts) -> Iterable[Block]:
    empty = "この月に検知した障害はありません。"
    kinds: list[list[Cell]] = [[AlertType(kind).label, count] for kind, count in sorted(counts.by_type.items())]
    scopes: list[list[Cell]] = [[Scope(scope).label, count] for scope, count in sorted(counts.by_scope.items())]
    yield Table([Column("種別", 3), Column("件数", 1, right=True)], kinds, empty)
    if scopes:
        yield Table([Column("影響の範囲", 3), Column("件数", 1, right=True)], scopes, empty)


def _times(counts: Counts) -> Table:
    columns = [
        Column("区分", 2.4),
        Column("目標", 1),
        Column("測定", 0, right=True),
        Column("中央値", 1.2, right=True),
        Column("最長", 1.2, right=True),
        Column("目標内", 1, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            label,
            lasted(span.target),
            f"{span.count:,}件",
            lasted(span.median),
            lasted(span.worst),
            percent(span.within / span.count) if span.count else None,
        ]
        for label, span in (
            ("検知（最終通信から）", counts.detect),
            ("初動確認（検知から）", counts.respond),
            ("復旧（検知から）", counts.repair),
        )
    ]
    return Table(columns, rows, "")


def _how_measured() -> str:
    return (
        "検知は通信が途絶えた障害だけで測り、店舗PCを正常に終了したものと、通信の記録が残っていないものを除きます。"
        "初動確認と復旧は、記録のあるものだけを数えます。"
    )


def _firmware(figures: MonthFigures) -> Table:
    rows: list[list[Cell]] = [
        [figure.version or "通信なし", figure.terminals, percent(figure.terminals / figures.terminals)]
        for figure in figures.firmware
    ]
    columns = [Column("バージョン", 2), Column("台数", 1, right=True), Column("割合", 1, right=True)]
    return Table(columns, rows, "この月に登録されていた端末はありません。")


def _by_customer(figures: MonthFigures) -> Table:
    columns = [
        Column("会社名", 3),
        Column("端末", 0, right=True),
        Column("障害", 0, right=True),
        Column("時間稼働率", 0, right=True),
    ]
    rows: list[list[Cell]] = [
        [figure.name, figure.terminals, figure.incidents, percent(figure.uptime)] for figure in figures.customers
    ]
    return Table(columns, rows, "この月に端末のあった顧客企業はありません。")


def _terminal_list(terminals: Sequence[TerminalFigure]) -> list[Block]:
    omitted = len(terminals) - MAX_LISTED
    more = [Note(f"ほか{omitted:,}台は省きました。全件はCSVで確認できます。")] if omitted > 0 else []
    order = [Note("時間稼働率の低い端末から順に並べています。")] if terminals else []
    return [*order, _terminals(terminals[:MAX_LISTED], with_customer=False), *more]


def _terminals(terminals: Sequence[TerminalFigure], *, with_customer: bool) -> Table:
    columns = [
        *([Column("会社名", 1.6)] if with_customer else []),
        Column("店舗", 2),
        Column("シリアル番号", 1.3),
        Column("ファームウェア", 0),
        Column("障害", 0, right=True),
        Column("オフライン", 0, right=True),
        Column("時間稼働率", 0, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            *([terminal.customer_name] if with_customer else []),
            terminal.store_name,
            terminal.serial_number,
            terminal.firmware_version,
            terminal.incidents,
            lasted(terminal.seconds.offline),
            percent(terminal.uptime),
        ]
        for terminal in terminals
    ]
    empty = "100%に届かなかった端末はありません。" if with_customer else "この月に登録されていた端末はありません。"
    return Table(columns, rows, empty)


def csv_rows(terminals: Iterable[TerminalFigure]) -> Iterable[Sequence[str | int | Decimal | None]]:
    """A row for each terminal, with the columns of `CSV_HEADER`."""
    for terminal in terminals:
        seconds = terminal.seconds
        durations = (seconds.online, seconds.offline, seconds.error, seconds.maintenance, seconds.closed)
        yield (
            terminal.customer_name,
            terminal.store_name,
            terminal.serial_number,
            terminal.firmware_version or "",
            None if terminal.uptime is None else Decimal(f"{terminal.uptime * 100:.3f}"),
            *(Decimal(f"{duration / 60:.1f}") for duration in durations),
            terminal.incidents,
        )


def report_mail(month: Month, customer_name: str, contact_person: str, figures: MonthFigures) -> tuple[str, str]:
    """Subject and text of the mail with a customer's report."""
    month_text = month_in_words(month)
    return f"端末月次報告書（{month_text}）", (
        f"{customer_name}\n{contact_person} 様\n\n"
        f"いつもお世話になっております。\n{month_text}の端末月次報告書を添付でお送りします。\n\n"
        f"・対象の端末: {figures.terminals:,}台\n"
        f"・時間稼働率: {percent(figures.uptime)}\n"
        f"・障害: {figures.counts.incidents:,}件\n\n"
        "詳しくは、添付のPDFをご確認ください。\n"
    )
