"""Rules of monthly figures: when months are counted, the printed report and the mail. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from service.core.reports import (
    BarChart,
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
from service.core.values.times import DAY, Month, at, format_local_datetime, local_date, month_of
from service.reservations.figures.rules import Counts, Rate, format_percent, format_yen

# When months are counted every night, Tokyo time.
COUNTING_TIME = time(2, 30)
# Refunds come late: this many months before the newest one are counted again with it.
RECOUNTED_MONTHS = 2
# A month's report is sent automatically after the first night of the next month. A system that was off for longer than
# this does not send an outdated report.
SEND_WINDOW = timedelta(days=7)
MAX_MONTHS = 12
MAX_PRINTED_SHOPS = 20
TITLE = "予約運用 経営レポート"
DEFINITION = (
    "予約件数は受け付けた日で数えます。予約成功率は、確定した予約 ÷ 結果の出た予約（確定・不成立）です。"
    "決済成功率は、支払いが済んだ予約 ÷ 決済リンクを送った予約です。"
    "キャンセル率は、確定後に終わった予約（完了・キャンセル）のうちキャンセルの割合です。"
    "売上は、支払額 − 返金額（それぞれ、支払われた日・返金された日）です。"
)


@dataclass(frozen=True)
class MonthFigures:
    """A month; `operations`: 手動対応 that began in it."""

    month: Month
    counts: Counts
    operations: int = 0


@dataclass(frozen=True)
class NamedCounts:
    """The figures of a service or a shop. `code`: of a shop."""

    name: str
    counts: Counts
    code: str = ""


@dataclass(frozen=True)
class Facts:
    """The data of a month's report. `months`: the months before it and, last, the month itself. `services`, `shops` and
    `days`: of the month."""

    month: Month
    counted_at: datetime
    months: Sequence[MonthFigures]
    services: Sequence[NamedCounts]
    shops: Sequence[NamedCounts]
    days: Sequence[tuple[date, Counts]]

    @property
    def figures(self) -> MonthFigures:
        return self.months[-1]

    @property
    def before(self) -> MonthFigures | None:
        return self.months[-2] if len(self.months) > 1 else None


# When months are counted


def last_counting_time(now: datetime) -> datetime:
    """The latest time at which months were due to be counted."""
    tonight = at(local_date(now), COUNTING_TIME)
    return tonight if tonight <= now else at(local_date(now) - DAY, COUNTING_TIME)


def newest_month(now: datetime) -> Month:
    """The newest month with a complete day."""
    return month_of(at(local_date(now), time.min) - timedelta(microseconds=1))


def months_to_count(now: datetime, earliest: Month, counted: Month | None) -> list[Month]:
    """The months to count: the newest one, the `RECOUNTED_MONTHS` before it, and all since the month of the last count
    (`counted`). Without a last count: all months from `earliest` on."""
    last = newest_month(now)
    first = earliest if counted is None else max(earliest, min(last.plus(-RECOUNTED_MONTHS), counted))
    return month_range(min(first, last), last)


def month_range(first: Month, last: Month) -> list[Month]:
    """All months from `first` to `last`, both included."""
    result = [first]
    while result[-1] < last:
        result.append(result[-1].plus(1))
    return result


def month_to_send(now: datetime) -> Month | None:
    """The month whose report is sent automatically now."""
    current_month = month_of(now)
    return current_month.plus(-1) if now < current_month.bounds()[0] + SEND_WINDOW else None


def is_complete(month: Month, counted_at: datetime) -> bool:
    return counted_at >= month.bounds()[1]


# The printed report


def format_month(month: Month) -> str:
    return f"{month.year}年{month.month}月"


def file_name(month: Month) -> str:
    return f"経営レポート_{month}.pdf"


def build_report(facts: Facts) -> Report:
    first, last = facts.month.first, last_counted_day(facts)
    return Report(
        TITLE,
        f"{format_month(facts.month)}（{first.month}/{first.day} 〜 {last.month}/{last.day}）",
        facts.counted_at,
        [
            Section("", [_cards(facts)]),
            Section("月間予約件数推移", [_trend(facts, requested_finding(facts), "件", _requested)]),
            Section("月間売上推移", [_trend(facts, sales_finding(facts), "円", _sales)]),
            Section("サービスタイプ別予約割合", [_shares(facts.services), _services(facts.services)]),
            Section("提携店別予約件数ランキング", [*_shops(facts.shops)]),
            Section("日別の予約件数", [_by_day(facts)]),
            Section(
                "月ごとの数字",
                [
                    _months(facts.months),
                    Note(f"{format_local_datetime(facts.counted_at)} 時点の集計です。{DEFINITION}"),
                ],
            ),
        ],
    )


def last_counted_day(facts: Facts) -> date:
    """The last counted day: of the month, or of the current month the last complete day."""
    return min(facts.month.days()[-1], local_date(facts.counted_at) - DAY)


def _requested(figures: MonthFigures) -> int:
    return figures.counts.requested


def _sales(figures: MonthFigures) -> int:
    # A month with more refunds than payments has no bar; its figures are in the table.
    return max(0, figures.counts.sales)


def _cards(facts: Facts) -> Figures:
    now, before = facts.figures.counts, facts.before.counts if facts.before else None

    def card(label: str, value: str, unit: str, earlier: Callable[[Counts], str]) -> Figure:
        return Figure(label, value, unit, f"前月 {earlier(before)}" if before else "")

    def rate(label: str, of: Callable[[Counts], Rate]) -> Figure:
        current = of(now)
        note = f"前月 {format_percent(of(before))}" if before else ""
        counts = f"{current.part:,} / {current.whole:,}件"
        return Figure(label, format_percent(current), "", f"{counts}　{note}".rstrip() if current.whole else note)

    operations = f"前月 {facts.before.operations:,}件" if facts.before else ""
    return Figures(
        [
            card("予約件数", f"{now.requested:,}", "件", lambda counts: f"{counts.requested:,}件"),
            card("売上", format_yen(now.sales), "", lambda counts: format_yen(counts.sales)),
            Figure("手動対応", facts.figures.operations, "件", operations),
            rate("予約成功率", lambda counts: counts.success),
            rate("決済成功率", lambda counts: counts.payment),
            rate("キャンセル率", lambda counts: counts.cancellation),
        ],
        across=3,
    )


def requested_finding(facts: Facts) -> str:
    """The title of the chart: the month compared with the month before."""
    return _finding(facts, lambda figures: figures.counts.requested, "予約は", lambda count: f"{count:,}件")


def sales_finding(facts: Facts) -> str:
    return _finding(facts, lambda figures: figures.counts.sales, "売上は", format_yen)


def _finding(
    facts: Facts, value: Callable[[MonthFigures], int], subject: str, format_value: Callable[[int], str]
) -> str:
    now, before = value(facts.figures), value(facts.before) if facts.before else 0
    sentence = f"{format_month(facts.month)}の{subject}{format_value(now)}"
    if not is_complete(facts.month, facts.counted_at):
        # An incomplete month is not compared with a whole one.
        last = last_counted_day(facts)
        return f"{sentence}です（{last.month}/{last.day}まで）"
    if before <= 0:
        return f"{sentence}です"
    change = round((now - before) / before, 2)
    return f"{sentence}（前月比 {change:+.0%}）です" if change else f"{sentence}（前月と同じ水準）です"


def _trend(facts: Facts, finding: str, unit: str, value: Callable[[MonthFigures], int]) -> BarChart:
    return BarChart(
        finding,
        unit,
        [f"{figures.month.year % 100}/{figures.month.month}" for figures in facts.months],
        [Series(unit, [value(figures) for figures in facts.months])],
        "この期間の記録はありません。",
        last_unfinished=not is_complete(facts.month, facts.counted_at),
    )


def _shares(services: Sequence[NamedCounts]) -> ShareBar:
    most = max(services, key=lambda service: service.counts.requested, default=None)
    total = sum(service.counts.requested for service in services)
    title = f"最も多いのは{most.name}で{most.counts.requested / total:.0%}です" if most and total else ""
    parts = [Part(service.name, service.counts.requested) for service in services if service.counts.requested]
    return ShareBar(title, "件", parts, "この月に受け付けた予約はありません。")


def _services(services: Sequence[NamedCounts]) -> Table:
    columns = [
        Column("サービス", 2.4),
        Column("予約件数", 1, right=True),
        Column("割合", 1, right=True),
        Column("確定", 1, right=True),
        Column("売上", 1.4, right=True),
    ]
    total = sum(service.counts.requested for service in services)
    rows: list[list[Cell]] = [
        [
            service.name,
            service.counts.requested,
            format_percent(Rate(service.counts.requested, total)),
            service.counts.confirmed,
            format_yen(service.counts.sales),
        ]
        for service in services
    ]
    return Table(columns, rows, "この月の予約はありません。")


def _shops(shops: Sequence[NamedCounts]) -> Iterable[Table | Note]:
    columns = [
        Column("順位", 0, right=True),
        Column("店舗コード", 0),
        Column("提携店", 3),
        Column("予約件数（確定）", 1.4, right=True),
        Column("割合", 1, right=True),
        Column("売上", 1.4, right=True),
    ]
    total = sum(shop.counts.confirmed for shop in shops)
    rows: list[list[Cell]] = [
        [
            place,
            shop.code,
            shop.name,
            shop.counts.confirmed,
            format_percent(Rate(shop.counts.confirmed, total)),
            format_yen(shop.counts.sales),
        ]
        for place, shop in rank_shops(shops)
    ]
    yield Table(columns, rows[:MAX_PRINTED_SHOPS], "この月に確定した予約はありません。")
    if len(rows) > MAX_PRINTED_SHOPS:
        yield Note(f"ほか{len(rows) - MAX_PRINTED_SHOPS:,}店は省きました。すべての店舗は、画面とCSVで確認できます。")


def rank_shops(shops: Iterable[NamedCounts]) -> list[tuple[int, NamedCounts]]:
    """Shops with their place by confirmed reservations, the most first; equal counts share a place."""
    order = sorted(shops, key=lambda shop: (-shop.counts.confirmed, -shop.counts.sales, shop.name))
    counts = [shop.counts.confirmed for shop in order]
    return [(counts.index(shop.counts.confirmed) + 1, shop) for shop in order]


def _by_day(facts: Facts) -> BarChart:
    by_day = dict(facts.days)
    days = [day for day in facts.month.days() if day <= last_counted_day(facts)]
    counts = [by_day.get(day, Counts()).requested for day in days]
    highest = max(counts, default=0)
    title = (
        f"最も多かったのは{facts.month.month}/{days[counts.index(highest)].day}の{highest:,}件です" if highest else ""
    )
    return BarChart(
        title,
        "件",
        [f"{day.month}/{day.day}" for day in days],
        [Series("予約件数", counts)],
        "この月に受け付けた予約はありません。",
    )


def _months(months: Sequence[MonthFigures]) -> Table:
    columns = [
        Column("月", 1.2),
        Column("予約件数", 1, right=True),
        Column("確定", 1, right=True),
        Column("予約成功率", 1, right=True),
        Column("決済成功率", 1, right=True),
        Column("キャンセル率", 1.2, right=True),
        Column("手動対応", 1, right=True),
        Column("売上", 1.3, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            format_month(figures.month),
            figures.counts.requested,
            figures.counts.confirmed,
            format_percent(figures.counts.success),
            format_percent(figures.counts.payment),
            format_percent(figures.counts.cancellation),
            figures.operations,
            format_yen(figures.counts.sales),
        ]
        for figures in reversed(months)
    ]
    return Table(columns, rows, "")


def build_mail(facts: Facts) -> tuple[str, str]:
    """Subject and body of the mail with which a month's report is sent."""
    counts, month_label = facts.figures.counts, format_month(facts.month)
    return f"経営レポート（{month_label}）", (
        f"{month_label}の予約運用の経営レポートを添付でお送りします。\n\n"
        f"・予約件数: {counts.requested:,}件\n"
        f"・売上: {format_yen(counts.sales)}\n"
        f"・予約成功率: {format_percent(counts.success)}\n"
        f"・決済成功率: {format_percent(counts.payment)}\n"
        f"・キャンセル率: {format_percent(counts.cancellation)}\n\n"
        f"{format_local_datetime(facts.counted_at)} 時点の集計です。詳しくは、添付のPDFをご確認ください。\n"
    )
