"""The management's months in figures, on paper and in the mail, and when they are counted. Pure."""

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
from service.core.times import DAY, Month, at, in_words, local_date, month_of
from service.reservations.figures.rules import Counts, Rate

# Every night, in Tokyo.
NIGHT = time(2, 30)
# Money goes back late: so many months before the newest one are counted anew with it.
LATE_MONTHS = 2
# A month's report leaves by itself after the first night of the next one. Who was switched off for longer than a week
# is not sent what everybody has long known.
SENT_WITHIN = timedelta(days=7)
MONTHS_SHOWN = 12
SHOPS_ON_PAPER = 20
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
class Named:
    """A service's or a shop's part; a shop has its code."""

    name: str
    counts: Counts
    code: str = ""


@dataclass(frozen=True)
class Facts:
    """What a month's report is made of. `months`: those before it and, last, itself; `services`, `shops` and `days` are
    its own."""

    month: Month
    counted_at: datetime
    months: Sequence[MonthFigures]
    services: Sequence[Named]
    shops: Sequence[Named]
    days: Sequence[tuple[date, Counts]]

    @property
    def figures(self) -> MonthFigures:
        return self.months[-1]

    @property
    def before(self) -> MonthFigures | None:
        return self.months[-2] if len(self.months) > 1 else None


# When what is counted


def last_night(now: datetime) -> datetime:
    """The newest moment at which months were to be counted."""
    tonight = at(local_date(now), NIGHT)
    return tonight if tonight <= now else at(local_date(now) - DAY, NIGHT)


def newest(now: datetime) -> Month:
    """The newest month with a day that is over."""
    return month_of(at(local_date(now), time.min) - timedelta(microseconds=1))


def to_count(now: datetime, earliest: Month, counted: Month | None) -> list[Month]:
    """Which months the night counts: the newest one and the two before, and what lies between them and the month in
    which it was counted last (`counted`); without one, all from the `earliest` on."""
    last = newest(now)
    first = earliest if counted is None else max(earliest, min(last.plus(-LATE_MONTHS), counted))
    return months(min(first, last), last)


def months(first: Month, last: Month) -> list[Month]:
    """From one to the other, both included."""
    found = [first]
    while found[-1] < last:
        found.append(found[-1].plus(1))
    return found


def to_send(now: datetime) -> Month | None:
    """Whose report leaves by itself now."""
    begun = month_of(now)
    return begun.plus(-1) if now < begun.bounds()[0] + SENT_WITHIN else None


def is_over(month: Month, counted_at: datetime) -> bool:
    return counted_at >= month.bounds()[1]


# On paper


def in_short(month: Month) -> str:
    return f"{month.year}年{month.month}月"


def percent(rate: Rate) -> str:
    """92%, 91.7%; – of nothing. Never 100 for what was not whole."""
    if rate.share is None:
        return "–"
    return "100%" if rate.part == rate.whole else f"{min(round(rate.share * 100, 1), 99.9):g}%"


def yen(amount: int) -> str:
    return f"-¥{-amount:,}" if amount < 0 else f"¥{amount:,}"


def file_name(month: Month) -> str:
    return f"経営レポート_{month}.pdf"


def report(facts: Facts) -> Report:
    first, last = facts.month.first, last_day(facts)
    return Report(
        TITLE,
        f"{in_short(facts.month)}（{first.month}/{first.day} 〜 {last.month}/{last.day}）",
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
                [_months(facts.months), Note(f"{in_words(facts.counted_at)} 時点の集計です。{DEFINITION}")],
            ),
        ],
    )


def last_day(facts: Facts) -> date:
    """The last day that counts: the month's, or of one under way the last whole one."""
    return min(facts.month.days()[-1], local_date(facts.counted_at) - DAY)


def _requested(one: MonthFigures) -> int:
    return one.counts.requested


def _sales(one: MonthFigures) -> int:
    # A month in which more went back than came in has no bar; its figures stand in the table.
    return max(0, one.counts.sales)


def _cards(facts: Facts) -> Figures:
    now, before = facts.figures.counts, facts.before.counts if facts.before else None

    def card(label: str, value: str, unit: str, earlier: Callable[[Counts], str]) -> Figure:
        return Figure(label, value, unit, f"前月 {earlier(before)}" if before else "")

    def rate(label: str, of: Callable[[Counts], Rate]) -> Figure:
        found = of(now)
        note = f"前月 {percent(of(before))}" if before else ""
        counted = f"{found.part:,} / {found.whole:,}件"
        return Figure(label, percent(found), "", f"{counted}　{note}".rstrip() if found.whole else note)

    operations = f"前月 {facts.before.operations:,}件" if facts.before else ""
    return Figures(
        [
            card("予約件数", f"{now.requested:,}", "件", lambda one: f"{one.requested:,}件"),
            card("売上", yen(now.sales), "", lambda one: yen(one.sales)),
            Figure("手動対応", facts.figures.operations, "件", operations),
            rate("予約成功率", lambda one: one.success),
            rate("決済成功率", lambda one: one.payment),
            rate("キャンセル率", lambda one: one.cancellation),
        ],
        across=3,
    )


def requested_finding(facts: Facts) -> str:
    """The chart in a sentence: the month against the one before."""
    return _finding(facts, lambda one: one.counts.requested, "予約は", lambda count: f"{count:,}件")


def sales_finding(facts: Facts) -> str:
    return _finding(facts, lambda one: one.counts.sales, "売上は", yen)


def _finding(facts: Facts, value: Callable[[MonthFigures], int], what: str, words: Callable[[int], str]) -> str:
    now, before = value(facts.figures), value(facts.before) if facts.before else 0
    said = f"{in_short(facts.month)}の{what}{words(now)}"
    if not is_over(facts.month, facts.counted_at):
        # Three weeks are not compared with a month.
        last = last_day(facts)
        return f"{said}です（{last.month}/{last.day}まで）"
    if before <= 0:
        return f"{said}です"
    change = round((now - before) / before, 2)
    return f"{said}（前月比 {change:+.0%}）です" if change else f"{said}（前月と同じ水準）です"


def _trend(facts: Facts, finding: str, unit: str, value: Callable[[MonthFigures], int]) -> BarChart:
    return BarChart(
        finding,
        unit,
        [f"{one.month.year % 100}/{one.month.month}" for one in facts.months],
        [Series(unit, [value(one) for one in facts.months])],
        "この期間の記録はありません。",
        last_unfinished=not is_over(facts.month, facts.counted_at),
    )


def _shares(services: Sequence[Named]) -> ShareBar:
    most = max(services, key=lambda one: one.counts.requested, default=None)
    total = sum(one.counts.requested for one in services)
    title = f"最も多いのは{most.name}で{most.counts.requested / total:.0%}です" if most and total else ""
    parts = [Part(one.name, one.counts.requested) for one in services if one.counts.requested]
    return ShareBar(title, "件", parts, "この月に受け付けた予約はありません。")


def _services(services: Sequence[Named]) -> Table:
    columns = [
        Column("サービス", 2.4),
        Column("予約件数", 1, right=True),
        Column("割合", 1, right=True),
        Column("確定", 1, right=True),
        Column("売上", 1.4, right=True),
    ]
    total = sum(one.counts.requested for one in services)
    rows: list[list[Cell]] = [
        [
            one.name,
            one.counts.requested,
            percent(Rate(one.counts.requested, total)),
            one.counts.confirmed,
            yen(one.counts.sales),
        ]
        for one in services
    ]
    return Table(columns, rows, "この月の予約はありません。")


def _shops(shops: Sequence[Named]) -> Iterable[Table | Note]:
    columns = [
        Column("順位", 0, right=True),
        Column("店舗コード", 0),
        Column("提携店", 3),
        Column("予約件数（確定）", 1.4, right=True),
        Column("割合", 1, right=True),
        Column("売上", 1.4, right=True),
    ]
    total = sum(one.counts.confirmed for one in shops)
    rows: list[list[Cell]] = [
        [
            place,
            one.code,
            one.name,
            one.counts.confirmed,
            percent(Rate(one.counts.confirmed, total)),
            yen(one.counts.sales),
        ]
        for place, one in ranked(shops)
    ]
    yield Table(columns, rows[:SHOPS_ON_PAPER], "この月に確定した予約はありません。")
    if len(rows) > SHOPS_ON_PAPER:
        yield Note(f"ほか{len(rows) - SHOPS_ON_PAPER:,}店は省きました。すべての店舗は、画面とCSVで確認できます。")


def ranked(shops: Iterable[Named]) -> list[tuple[int, Named]]:
    """By what was confirmed, the most first; equals share a place."""
    order = sorted(shops, key=lambda one: (-one.counts.confirmed, -one.counts.sales, one.name))
    counts = [one.counts.confirmed for one in order]
    return [(counts.index(one.counts.confirmed) + 1, one) for one in order]


def _by_day(facts: Facts) -> BarChart:
    known = dict(facts.days)
    days = [day for day in facts.month.days() if day <= last_day(facts)]
    counts = [known.get(day, Counts()).requested for day in days]
    best = max(counts, default=0)
    title = f"最も多かったのは{facts.month.month}/{days[counts.index(best)].day}の{best:,}件です" if best else ""
    return BarChart(
        title,
        "件",
        [f"{day.month}/{day.day}" for day in days],
        [Series("予約件数", counts)],
        "この月に受け付けた予約はありません。",
    )


def _months(found: Sequence[MonthFigures]) -> Table:
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
            in_short(one.month),
            one.counts.requested,
            one.counts.confirmed,
            percent(one.counts.success),
            percent(one.counts.payment),
            percent(one.counts.cancellation),
            one.operations,
            yen(one.counts.sales),
        ]
        for one in reversed(found)
    ]
    return Table(columns, rows, "")


def mail(facts: Facts) -> tuple[str, str]:
    """Subject and text of the mail that a month's report travels with."""
    counts, words = facts.figures.counts, in_short(facts.month)
    return f"経営レポート（{words}）", (
        f"{words}の予約運用の経営レポートを添付でお送りします。\n\n"
        f"・予約件数: {counts.requested:,}件\n"
        f"・売上: {yen(counts.sales)}\n"
        f"・予約成功率: {percent(counts.success)}\n"
        f"・決済成功率: {percent(counts.payment)}\n"
        f"・キャンセル率: {percent(counts.cancellation)}\n\n"
        f"{in_words(facts.counted_at)} 時点の集計です。詳しくは、添付のPDFをご確認ください。\n"
    )
