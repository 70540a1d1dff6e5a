"""Rules of 週次レポート and 月次レポート (document sections 6.2 and 6.3): their periods and their contents. Pure
functions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

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
from service.core.values import labels
from service.core.values.labels import Labelled
from service.core.values.times import DAY, WEEKDAYS, Month, at, format_local_datetime, local_date, month_of
from service.reservations.chores.rules import (
    MONTHLY_REPORT,
    WEEK,
    WEEKLY_REPORT,
    format_minutes,
    next_business_day,
    nth_business_day,
)
from service.reservations.figures.rules import Rate, format_percent, format_yen
from service.reservations.incidents.rules import Level
from service.reservations.queue.rules import ESTIMATED_MINUTES
from service.reservations.state_machine.states import Task

# Reports are drafted before office hours.
DRAFTING_TIME = time(8)
MAX_RANKED = 10


class Kind(Labelled, table="ReportKind"):
    WEEKLY = "weekly", "週次レポート"
    MONTHLY = "monthly", "月次レポート"


BEFORE_LABELS = labels.table("reservations", "PeriodBefore", {"weekly": "前週", "monthly": "前月"})
# The chore that is done by writing the report.
CHORE_CODES = {Kind.WEEKLY: WEEKLY_REPORT, Kind.MONTHLY: MONTHLY_REPORT}
TEXT_LABELS = {"findings": "所見", "issues": "課題", "next_steps": "次の対応"}


@dataclass(frozen=True)
class Days:
    """A range of days, both ends included."""

    first: date
    last: date

    def bounds(self) -> tuple[datetime, datetime]:
        """Start of the first day, and start of the day after the last (exclusive)."""
        return at(self.first, time.min), at(self.last + DAY, time.min)


def week_to_report(now: datetime, weekday: int, holidays: Collection[date]) -> Days:
    """The seven days before the last report day whose `DRAFTING_TIME` has passed. The report day is `weekday` (ISO), or
    the next business day on a holiday. On a Friday: from last Friday to Thursday."""
    today = local_date(now)
    day = today - (today.isoweekday() - weekday) % 7 * DAY
    # Holidays may postpone the previous report day, too.
    while now < at(next_business_day(day, holidays), DRAFTING_TIME):
        day -= WEEK
    return Days(day - WEEK, day - DAY)


def month_to_report(now: datetime, number: int, holidays: Collection[date]) -> Days:
    """The last complete month; until `DRAFTING_TIME` of this month's `number`th business day, the month before it."""
    month = month_of(now)
    if now < at(nth_business_day(month, number, holidays), DRAFTING_TIME):
        month = month.plus(-1)
    return Days(month.plus(-1).first, month.first - DAY)


def month_after(day: date) -> Month:
    """The month of the day after `day`."""
    following = day + DAY
    return Month(following.year, following.month)


def previous_period(kind: Kind, days: Days) -> Days:
    """The period to compare with: the previous seven days, or the previous month."""
    last = days.first - DAY
    return Days(days.first - WEEK if kind is Kind.WEEKLY else last.replace(day=1), last)


@dataclass(frozen=True)
class Share(Rate):
    """A rate as a report stores it."""


@dataclass(frozen=True)
class InTime:
    """Of `due` cases, `met` were in time. `median_minutes`: of those that were done, in working minutes."""

    due: int = 0
    met: int = 0
    median_minutes: int | None = None


@dataclass(frozen=True)
class Numbers:
    """The key figures of a period. Money in yen. `satisfaction`: the mean of `answers` ratings, 1 to 5."""

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
    """手動対応 of one kind that began in the period. `due`: done or overdue; `met`: of those, done in time."""

    kind: str
    count: int
    done: int
    due: int
    met: int
    median_minutes: int | None
    before: int


@dataclass(frozen=True)
class IncidentLine:
    """`shared_weekly`: by the document, it is shared by the weekly report."""

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
    """A chore that was missed `times` times and skipped `skipped` times. `reason`: of the last skip."""

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
    """The stored data of a period: the report does not change when the source data change later. `by_service` counts
    requested reservations, `by_shop` confirmed ones."""

    now: Numbers
    before: Numbers
    by_service: Mapping[str, int] = field(default_factory=dict)
    by_shop: Mapping[str, int] = field(default_factory=dict)
    operations: Sequence[OperationLine] = ()
    incidents: Sequence[IncidentLine] = ()
    support: Support = field(default_factory=Support)
    chores: Chores = field(default_factory=Chores)


@dataclass(frozen=True)
class PrintableReport:
    """A report as it is printed, draft or finished."""

    kind: Kind
    days: Days
    drafted_at: datetime
    contents: Contents
    findings: str
    issues: str
    next_steps: str
    finished_by: str | None


def format_days(days: Days) -> str:
    """2026/11/13（金）〜11/19（木）"""
    first, last = days.first, days.last
    year = f"{last.year}/" if last.year != first.year else ""
    return (
        f"{first.year}/{first.month}/{first.day}（{WEEKDAYS[first.weekday()]}）〜"
        f"{year}{last.month}/{last.day}（{WEEKDAYS[last.weekday()]}）"
    )


def format_period(kind: Kind, days: Days) -> str:
    return f"{days.first.year}年{days.first.month}月" if kind is Kind.MONTHLY else format_days(days)


def file_name(kind: Kind, days: Days) -> str:
    if kind is Kind.MONTHLY:
        return f"予約運用_月次レポート_{days.first:%Y%m}.pdf"
    return f"予約運用_週次レポート_{days.first:%Y%m%d}-{days.last:%Y%m%d}.pdf"


def drafted_message(kind: Kind, days: Days) -> str:
    """The Slack message about a new draft."""
    headline = f"{kind.label} {format_period(kind, days)} の下書きができました"
    return f"{headline}\n内容を確認し、完成させてください。"


def build_mail(kind: Kind, days: Days, contents: Contents, url: str) -> tuple[str, str]:
    """Subject and body of the mail with which a report is sent."""
    now = contents.now
    subject = f"【予約運用】{kind.label} {format_period(kind, days)}"
    body = (
        f"{kind.label} {format_period(kind, days)} を添付でお送りします。\n\n"
        f"・予約件数: {now.requested:,}件\n"
        f"・予約成功率: {format_percent(now.success)}\n"
        f"・決済成功率: {format_percent(now.payment)}\n"
        f"・売上: {format_yen(now.sales)}\n"
        f"・手動対応: {now.operations:,}件\n"
        f"・インシデント: {now.incidents:,}件\n\n"
        "詳しくは、添付のPDFをご確認ください。\n"
        f"レポートの一覧: {url}\n"
    )
    return subject, body


def build_report(draft: PrintableReport) -> Report:
    contents, kind = draft.contents, draft.kind
    by = f"完成: {draft.finished_by}" if draft.finished_by else "下書き（まだ完成していません）"
    return Report(
        f"予約運用　{kind.label}",
        f"{format_period(kind, draft.days)}　{by}",
        draft.drafted_at,
        [
            Section("", [_cards(kind, contents), Note(DEFINITIONS)]),
            *(Section(TEXT_LABELS[name], [Written(getattr(draft, name), NOT_WRITTEN)]) for name in TEXT_LABELS),
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
    now, earlier_numbers, period_label = contents.now, contents.before, BEFORE_LABELS[kind]

    def rate(label: str, share: Share, earlier: Share) -> Figure:
        shown = format_percent(share)
        unit = "%" if shown.endswith("%") else ""
        return Figure(
            label,
            shown.removesuffix("%"),
            unit,
            f"{period_label} {format_percent(earlier)}（{share.part:,} / {share.whole:,}件）",
        )

    satisfaction = now.satisfaction
    return Figures(
        [
            Figure("予約件数", now.requested, "件", f"{period_label} {earlier_numbers.requested:,}件"),
            rate("予約成功率", now.success, earlier_numbers.success),
            rate("決済成功率", now.payment, earlier_numbers.payment),
            rate("キャンセル率", now.cancelled, earlier_numbers.cancelled),
            Figure("売上", format_yen(now.sales), "", f"{period_label} {format_yen(earlier_numbers.sales)}"),
            Figure("手動対応", now.operations, "件", f"{period_label} {earlier_numbers.operations:,}件"),
            Figure("問い合わせ", now.enquiries, "件", f"{period_label} {earlier_numbers.enquiries:,}件"),
            Figure(
                "顧客満足度",
                "–" if satisfaction is None else f"{satisfaction:.1f}",
                "" if satisfaction is None else "/ 5",
                f"回答 {now.answers:,}件（目標4.0以上）" if now.answers else "期間中の回答はありません",
            ),
        ]
    )


def _counted(label: str, counts: Mapping[str, int]) -> Table:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    total = sum(counts.values())
    rows: list[list[Cell]] = [[name, count, f"{count / total:.1%}"] for name, count in ranked[:MAX_RANKED]]
    if remaining := ranked[MAX_RANKED:]:
        count = sum(number for _, number in remaining)
        rows.append([f"ほか{len(remaining):,}件", count, f"{count / total:.1%}"])
    columns = [Column(label, 3), Column("件数", 1, right=True), Column("割合", 1, right=True)]
    return Table(columns, rows, f"期間中、{label}ごとに数えられる予約はありませんでした。")


def operation_label(kind: str) -> str:
    return Task(kind).label if kind in {task.value for task in Task} else kind


def operation_estimate(kind: str) -> str | None:
    """所要時間見積もり of the document (2.2); None where it gives none."""
    return ESTIMATED_MINUTES.get(Task(kind)) if kind in {task.value for task in Task} else None


def _operations(kind: Kind, lines: Sequence[OperationLine]) -> Iterator[Block]:
    columns = [
        Column("内容", 2.4),
        Column("件数", 0, right=True),
        Column(BEFORE_LABELS[kind], 0, right=True),
        Column("完了", 0, right=True),
        Column("期限内", 1, right=True),
        Column("完了までの中央値", 1.4, right=True),
        Column("見積もり（1件あたり）", 1.6, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            operation_label(line.kind),
            line.count,
            line.before,
            line.done,
            f"{line.met:,} / {line.due:,}件" if line.due else None,
            None if line.median_minutes is None else format_minutes(line.median_minutes),
            operation_estimate(line.kind),
        ]
        for line in lines
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
            line.code,
            Badge(Level(line.level).label, tones[Level(line.level)]),
            line.title,
            format_local_datetime(line.detected_at),
            format_local_datetime(line.recovered_at) if line.recovered_at else "対応中" if line.is_open else None,
        ]
        for line in lines
    ]
    return Table(columns, rows, "期間中のインシデントはありません。")


def _support(contents: Contents) -> Iterator[Block]:
    support = contents.support
    columns = [
        Column("KPI", 2.4),
        Column("目標値", 1.2),
        Column("目標内", 1.2, right=True),
        Column("中央値", 1.2, right=True),
    ]
    rows: list[list[Cell]] = [
        [label, target, f"{kpi.met:,} / {kpi.due:,}件" if kpi.due else None, _median(kpi)]
        for label, target, kpi in (
            ("初回応答時間（Email）", "2時間以内", support.first_mail),
            ("初回応答時間（電話）", "即時", support.first_phone),
            ("解決時間（Medium以下）", "24時間以内", support.resolution),
        )
    ]
    yield Table(columns, rows, "")
    by_channel = "、".join(f"{name} {count:,}件" for name, count in support.by_channel.items() if count)
    sentences = [f"受付 {contents.now.enquiries:,}件" + (f"（{by_channel}）" if by_channel else "")]
    sentences.append(f"未解決 {support.unresolved:,}件")
    if support.categories:
        sentences.append("多い内容: " + "、".join(f"{name} {count:,}件" for name, count in support.categories[:5]))
    yield Note("。".join(sentences) + "。提携店のEmailの初回応答の目標は4時間です。")
    if support.for_faq:
        rows = [[code, subject] for code, subject in support.for_faq]
        yield Table([Column("番号", 0), Column("FAQに追加すべき問い合わせ", 1)], rows, "")


def _median(kpi: InTime) -> str | None:
    if kpi.median_minutes is None:
        return None
    return format_minutes(kpi.median_minutes)


def _chores(chores: Chores) -> Iterator[Block]:
    columns = [
        Column("実施しなかった作業", 2.4),
        Column("担当者", 1.4),
        Column("未実施", 0, right=True),
        Column("見送り", 0, right=True),
        Column("見送りの理由", 2),
    ]
    rows: list[list[Cell]] = [
        [line.title, line.owner, line.times, line.skipped, line.reason or None] for line in chores.not_done
    ]
    empty = "期限を迎えた作業は、すべて実施しました。" if chores.due else "期間中に期限を迎えた定期作業はありません。"
    yield Table(columns, rows, empty)
    if chores.due:
        late = f"（うち期限後 {chores.late:,}件）" if chores.late else ""
        summary = f"期限を迎えた{chores.due:,}件のうち、{chores.done:,}件を実施しました{late}。"
        duration = f"記録された所要時間は、合わせて{format_minutes(chores.minutes)}です。" if chores.minutes else ""
        yield Note(summary + duration)
