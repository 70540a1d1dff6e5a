"""週次レポート and 月次レポート (document sections 6.2 and 6.3): which days they are about, and how they read. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum

from service.core.reports.colours import Tone
from service.core.reports.model import (
    Badge,
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Note,
    Report,
    Section,
    Table,
    Written,
)
from service.core.times import DAY, WEEKDAYS, Month, at, in_words, local_date, month_of
from service.reservations.chores.rules import (
    MONTHLY_REPORT,
    WEEK,
    WEEKLY_REPORT,
    minutes_in_words,
    next_business_day,
    nth_business_day,
)
from service.reservations.events.rules import Task
from service.reservations.incidents.rules import LEVEL_WORDS, Level
from service.reservations.operations.rules import TASK_WORDS
from service.reservations.queue.rules import MINUTES

# So that it is there when people come.
MORNING = time(8)
RANKED = 10


class Kind(StrEnum):
    WEEKLY = "weekly"
    MONTHLY = "monthly"


KIND_WORDS = {Kind.WEEKLY: "週次レポート", Kind.MONTHLY: "月次レポート"}
BEFORE_WORDS = {Kind.WEEKLY: "前週", Kind.MONTHLY: "前月"}
# The chore of which a report is the work.
CHORE_OF = {Kind.WEEKLY: WEEKLY_REPORT, Kind.MONTHLY: MONTHLY_REPORT}
TEXTS = {"findings": "所見", "issues": "課題", "next_steps": "次の対応"}


@dataclass(frozen=True)
class Days:
    """From a day to a day, both included."""

    first: date
    last: date

    def bounds(self) -> tuple[datetime, datetime]:
        """From the first moment to the one after the last."""
        return at(self.first, time.min), at(self.last + DAY, time.min)


def week_to_report(now: datetime, weekday: int, holidays: Collection[date]) -> Days:
    """The seven days before the last report day (`weekday`, ISO; on a holiday the next business day) whose morning has
    come: on a Friday, those from last Friday to Thursday."""
    today = local_date(now)
    day = today - (today.isoweekday() - weekday) % 7 * DAY
    # Holidays may put off the day before, too.
    while now < at(next_business_day(day, holidays), MORNING):
        day -= WEEK
    return Days(day - WEEK, day - DAY)


def month_to_report(now: datetime, number: int, holidays: Collection[date]) -> Days:
    """The last month that was over on the morning of a month's `number`th business day."""
    month = month_of(now)
    if now < at(nth_business_day(month, number, holidays), MORNING):
        month = month.plus(-1)
    return Days(month.plus(-1).first, month.first - DAY)


def month_after(day: date) -> Month:
    """The month that the day after it is in."""
    following = day + DAY
    return Month(following.year, following.month)


def before(kind: Kind, days: Days) -> Days:
    """What it is compared with: as many days before, or the month before."""
    last = days.first - DAY
    return Days(days.first - WEEK if kind is Kind.WEEKLY else last.replace(day=1), last)


@dataclass(frozen=True)
class Share:
    part: int = 0
    whole: int = 0

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class InTime:
    """Of `due` ones `met` were in time; the median of those that were done, in working minutes."""

    due: int = 0
    met: int = 0
    median_minutes: int | None = None


@dataclass(frozen=True)
class Numbers:
    """What a period amounts to. Money in yen; `satisfaction` is the mean of `answers`, 1 to 5."""

    requested: int = 0
    success: Share = Share()
    payment: Share = Share()
    cancelled: Share = Share()
    paid: int = 0
    refunded: int = 0
    operations: int = 0
    incidents: int = 0
    enquiries: int = 0
    satisfaction: float | None = None
    answers: int = 0

    @property
    def sales(self) -> int:
        return self.paid - self.refunded


@dataclass(frozen=True)
class OperationLine:
    """手動対応 of a kind that began in the period. `met` were done in time, of the `due` that were done or late."""

    kind: str
    count: int
    done: int
    due: int
    met: int
    median_minutes: int | None
    before: int


@dataclass(frozen=True)
class IncidentLine:
    """`shared_weekly`: by the document it is this report that tells of it."""

    code: str
    title: str
    level: str
    detected_at: datetime
    recovered_at: datetime | None
    is_open: bool
    shared_weekly: bool


@dataclass(frozen=True)
class Support:
    by_channel: Mapping[str, int] = field(default_factory=dict)
    first_mail: InTime = InTime()
    first_phone: InTime = InTime()
    resolution: InTime = InTime()
    unresolved: int = 0
    categories: Sequence[tuple[str, int]] = ()
    for_faq: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class ChoreLine:
    """A chore that was not done, as often as `times`. `reason`: why it was skipped the last time."""

    title: str
    owner: str
    times: int
    skipped: int
    reason: str


@dataclass(frozen=True)
class Chores:
    """定期作業 that were due in the period."""

    due: int = 0
    done: int = 0
    late: int = 0
    minutes: int = 0
    not_done: Sequence[ChoreLine] = ()


@dataclass(frozen=True)
class Contents:
    """All that is kept of a period; a report reads as it did even when the facts change later. `by_service` counts
    those that were made, `by_shop` those that were confirmed."""

    now: Numbers
    before: Numbers
    by_service: Mapping[str, int] = field(default_factory=dict)
    by_shop: Mapping[str, int] = field(default_factory=dict)
    operations: Sequence[OperationLine] = ()
    incidents: Sequence[IncidentLine] = ()
    support: Support = field(default_factory=Support)
    chores: Chores = field(default_factory=Chores)


@dataclass(frozen=True)
class Draft:
    """A report as it is printed."""

    kind: Kind
    days: Days
    drafted_at: datetime
    contents: Contents
    findings: str
    issues: str
    next_steps: str
    finished_by: str | None


def days_in_words(days: Days) -> str:
    """2026/11/13（金）〜11/19（木）"""
    first, last = days.first, days.last
    year = f"{last.year}/" if last.year != first.year else ""
    return (
        f"{first.year}/{first.month}/{first.day}（{WEEKDAYS[first.weekday()]}）〜"
        f"{year}{last.month}/{last.day}（{WEEKDAYS[last.weekday()]}）"
    )


def period_in_words(kind: Kind, days: Days) -> str:
    return f"{days.first.year}年{days.first.month}月" if kind is Kind.MONTHLY else days_in_words(days)


def title(kind: Kind, days: Days) -> str:
    return f"予約運用 {KIND_WORDS[kind]} {period_in_words(kind, days)}"


def file_name(kind: Kind, days: Days) -> str:
    if kind is Kind.MONTHLY:
        return f"予約運用_月次レポート_{days.first:%Y%m}.pdf"
    return f"予約運用_週次レポート_{days.first:%Y%m%d}-{days.last:%Y%m%d}.pdf"


def yen(amount: int) -> str:
    return f"¥{amount:,}" if amount >= 0 else f"-¥{-amount:,}"


def percent(share: Share) -> str:
    """92%, 91.7%, as on the dashboards; – of nothing. Never 100 for what was not whole."""
    if share.value is None:
        return "–"
    return f"{min(round(100 * share.value, 1), 99.9) if share.value < 1 else 100:g}%"


def drafted(kind: Kind, days: Days) -> str:
    """What Slack reads in the morning."""
    made = f"{KIND_WORDS[kind]} {period_in_words(kind, days)} の下書きができました"
    return f"{made}\n内容を確認し、完成させてください。"


def mail(kind: Kind, days: Days, contents: Contents, url: str) -> tuple[str, str]:
    """Subject and text of the mail that a report travels with."""
    now = contents.now
    subject = f"【予約運用】{KIND_WORDS[kind]} {period_in_words(kind, days)}"
    body = (
        f"{KIND_WORDS[kind]} {period_in_words(kind, days)} を添付でお送りします。\n\n"
        f"・予約件数: {now.requested:,}件\n"
        f"・予約成功率: {percent(now.success)}\n"
        f"・決済成功率: {percent(now.payment)}\n"
        f"・売上: {yen(now.sales)}\n"
        f"・手動対応: {now.operations:,}件\n"
        f"・インシデント: {now.incidents:,}件\n\n"
        "詳しくは、添付のPDFをご確認ください。\n"
        f"レポートの一覧: {url}\n"
    )
    return subject, body


def report(draft: Draft) -> Report:
    contents, kind = draft.contents, draft.kind
    by = f"完成: {draft.finished_by}" if draft.finished_by else "下書き（まだ完成していません）"
    return Report(
        f"予約運用　{KIND_WORDS[kind]}",
        f"{period_in_words(kind, draft.days)}　{by}",
        draft.drafted_at,
        [
            Section("", [_cards(kind, contents), Note(DEFINITIONS)]),
            *(Section(TEXTS[name], [Written(getattr(draft, name), NOT_WRITTEN)]) for name in TEXTS),
            Section(
                "予約", [_counted("サービス", contents.by_service), _counted("予約が確定した店舗", contents.by_shop)]
            ),
            Section("手動対応", list(_operations(kind, contents.operations))),
            Section("インシデント", [_incidents(contents.incidents), Note(INCIDENTS_LISTED[kind])]),
            Section("問い合わせ", list(_support(contents))),
            Section("定期作業", list(_chores(contents.chores))),
        ],
    )


NOT_WRITTEN = "まだ書かれていません。"
_LISTED = "期間中に検知したものと、作成した時点で対応中だったものです。"
INCIDENTS_LISTED = {
    Kind.WEEKLY: f"{_LISTED}MediumとLowは、このレポートで共有します。",
    Kind.MONTHLY: _LISTED,
}
DEFINITIONS = (
    "予約成功率は結果が決まった予約のうち確定したもの、決済成功率は決済リンクを送った予約のうち決済されたもの、"
    "キャンセル率は確定した予約のうちキャンセルされたものの割合です。売上は決済額から返金額を引いた額です。"
)


def _cards(kind: Kind, contents: Contents) -> Figures:
    now, then, word = contents.now, contents.before, BEFORE_WORDS[kind]

    def rate(label: str, share: Share, earlier: Share) -> Figure:
        shown = percent(share)
        unit = "%" if shown.endswith("%") else ""
        return Figure(
            label, shown.removesuffix("%"), unit, f"{word} {percent(earlier)}（{share.part:,} / {share.whole:,}件）"
        )

    satisfied = now.satisfaction
    return Figures(
        [
            Figure("予約件数", now.requested, "件", f"{word} {then.requested:,}件"),
            rate("予約成功率", now.success, then.success),
            rate("決済成功率", now.payment, then.payment),
            rate("キャンセル率", now.cancelled, then.cancelled),
            Figure("売上", yen(now.sales), "", f"{word} {yen(then.sales)}"),
            Figure("手動対応", now.operations, "件", f"{word} {then.operations:,}件"),
            Figure("問い合わせ", now.enquiries, "件", f"{word} {then.enquiries:,}件"),
            Figure(
                "顧客満足度",
                "–" if satisfied is None else f"{satisfied:.1f}",
                "" if satisfied is None else "/ 5",
                f"回答 {now.answers:,}件（目標4.0以上）" if now.answers else "期間中の回答はありません",
            ),
        ]
    )


def _counted(label: str, counted: Mapping[str, int]) -> Table:
    ranked = sorted(counted.items(), key=lambda one: -one[1])
    total = sum(counted.values())
    rows: list[list[Cell]] = [[name, count, f"{count / total:.1%}"] for name, count in ranked[:RANKED]]
    if rest := ranked[RANKED:]:
        count = sum(number for _, number in rest)
        rows.append([f"ほか{len(rest):,}件", count, f"{count / total:.1%}"])
    columns = [Column(label, 3), Column("件数", 1, right=True), Column("割合", 1, right=True)]
    return Table(columns, rows, f"期間中、{label}ごとに数えられる予約はありませんでした。")


def operation_words(kind: str) -> str:
    return TASK_WORDS[Task(kind)] if kind in {task.value for task in Task} else kind


def estimate(kind: str) -> str | None:
    """所要時間見積もり of the document (2.2); None where it has none."""
    return MINUTES.get(Task(kind)) if kind in {task.value for task in Task} else None


def _operations(kind: Kind, lines: Sequence[OperationLine]) -> Iterator[Block]:
    columns = [
        Column("内容", 2.4),
        Column("件数", 0, right=True),
        Column(BEFORE_WORDS[kind], 0, right=True),
        Column("完了", 0, right=True),
        Column("期限内", 1, right=True),
        Column("完了までの中央値", 1.4, right=True),
        Column("見積もり（1件あたり）", 1.6, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            operation_words(one.kind),
            one.count,
            one.before,
            one.done,
            f"{one.met:,} / {one.due:,}件" if one.due else None,
            None if one.median_minutes is None else minutes_in_words(one.median_minutes),
            estimate(one.kind),
        ]
        for one in lines
    ]
    yield Table(columns, rows, "期間中に発生した手動対応はありません。")
    if rows:
        yield Note(
            "完了までの時間は、期限と同じ数え方（緊急は24時間、ほかは平日9:00〜18:00）で、発生から数えています。"
        )


def _incidents(lines: Sequence[IncidentLine]) -> Table:
    tones: dict[Level, Tone] = {Level.CRITICAL: "bad", Level.HIGH: "warning", Level.MEDIUM: "info", Level.LOW: "quiet"}
    columns = [
        Column("番号", 0),
        Column("レベル", 0),
        Column("件名", 3),
        Column("発生日時", 1.5),
        Column("復旧日時", 1.5),
    ]
    rows: list[list[Cell]] = [
        [
            one.code,
            Badge(LEVEL_WORDS[Level(one.level)], tones[Level(one.level)]),
            one.title,
            in_words(one.detected_at),
            in_words(one.recovered_at) if one.recovered_at else "対応中" if one.is_open else None,
        ]
        for one in lines
    ]
    return Table(columns, rows, "期間中のインシデントはありません。")


def _support(contents: Contents) -> Iterator[Block]:
    found = contents.support
    columns = [
        Column("KPI", 2.4),
        Column("目標値", 1.2),
        Column("目標内", 1.2, right=True),
        Column("中央値", 1.2, right=True),
    ]
    rows: list[list[Cell]] = [
        [words, target, f"{one.met:,} / {one.due:,}件" if one.due else None, _median(one)]
        for words, target, one in (
            ("初回応答時間（Email）", "2時間以内", found.first_mail),
            ("初回応答時間（電話）", "即時", found.first_phone),
            ("解決時間（Medium以下）", "24時間以内", found.resolution),
        )
    ]
    yield Table(columns, rows, "")
    by_channel = "、".join(f"{name} {count:,}件" for name, count in found.by_channel.items() if count)
    said = [f"受付 {contents.now.enquiries:,}件" + (f"（{by_channel}）" if by_channel else "")]
    said.append(f"未解決 {found.unresolved:,}件")
    if found.categories:
        said.append("多い内容: " + "、".join(f"{name} {count:,}件" for name, count in found.categories[:5]))
    yield Note("。".join(said) + "。提携店のEmailの初回応答の目標は4時間です。")
    if found.for_faq:
        rows = [[code, subject] for code, subject in found.for_faq]
        yield Table([Column("番号", 0), Column("FAQに追加すべき問い合わせ", 1)], rows, "")


def _median(one: InTime) -> str | None:
    if one.median_minutes is None:
        return None
    return minutes_in_words(one.median_minutes)


def _chores(found: Chores) -> Iterator[Block]:
    columns = [
        Column("実施しなかった作業", 2.4),
        Column("担当者", 1.4),
        Column("未実施", 0, right=True),
        Column("見送り", 0, right=True),
        Column("見送りの理由", 2),
    ]
    rows: list[list[Cell]] = [
        [one.title, one.owner, one.times, one.skipped, one.reason or None] for one in found.not_done
    ]
    empty = "期限を迎えた作業は、すべて実施しました。" if found.due else "期間中に期限を迎えた定期作業はありません。"
    yield Table(columns, rows, empty)
    if found.due:
        late = f"（うち期限後 {found.late:,}件）" if found.late else ""
        said = f"期限を迎えた{found.due:,}件のうち、{found.done:,}件を実施しました{late}。"
        taken = f"記録された所要時間は、合わせて{minutes_in_words(found.minutes)}です。" if found.minutes else ""
        yield Note(said + taken)
