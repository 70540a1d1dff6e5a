"""When an alarm begins and ends, when an incident is proposed, and the texts of the notifications. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.values.labels import Labelled
from service.core.values.times import format_duration, format_local_datetime

MINUTE = timedelta(minutes=1)
# How often the thread is notified that an alarm continues.
REMINDER_INTERVAL = timedelta(minutes=30)
# A response slower than this is slow (5.2.3); a share needs at least this number of requests.
SLOW_MS, MAX_SLOW_SHARE, MIN_REQUESTS = 5000, 0.05, 50
# Twice the usual number of manual operations (5.2.3) counts from these minimums on; usual is the mean of the four weeks
# before, as far as there is data.
USUAL_FACTOR, MIN_PER_DAY, MIN_PER_WEEK = 2, 5, 8
HISTORY_DAYS, MIN_KNOWN_DAYS = 28, 7
# The same incident is not proposed again within this time, whatever the decision was.
PROPOSAL_INTERVAL = timedelta(days=1)


class Kind(Labelled, table="AlarmKind"):
    """The document's 監視項目 (4.1.1)."""

    CPU = "cpu", "CPU使用率"
    MEMORY = "memory", "メモリ使用率"
    QUEUE = "queue", "Celeryキュー長"
    ERRORS = "errors", "エラー率"


class Case(StrEnum):
    """What an incident is proposed for: slow answers, manual operations of a day, of a week."""

    SLOW = "slow"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True)
class Check:
    """`text`: the Slack text (4.3.1). An alarm begins when the figure was above `above` in each of `begins` complete
    minutes, and ends when it was below `below` in each of `ends`."""

    text: str
    figure: str
    unit: str
    above: float
    below: float
    begins: int
    ends: int
    every_minutes: int
    priority: str


CHECKS: Mapping[Kind, Check] = {
    Kind.CPU: Check("CPU使用率が高い状態です", "CPU使用率", "%", 80, 75, 5, 5, 5, "高"),
    Kind.MEMORY: Check("メモリ使用率が高い状態です", "メモリ使用率", "%", 90, 85, 5, 5, 5, "高"),
    Kind.QUEUE: Check("予約キューが溜まっています", "待っている処理", "件", 100, 80, 1, 2, 1, "高"),
    Kind.ERRORS: Check("エラーが多発しています", "エラー率", "%", 5, 2.5, 5, 5, 5, "緊急"),
}


@dataclass(frozen=True)
class Minute:
    """The data of a minute; `cpu` and `memory` in percent. None: not measured."""

    cpu: float | None = None
    memory: float | None = None
    queue_least: int | None = None
    queue_most: int | None = None
    requests: int = 0
    errors: int = 0


NO_DATA = Minute()
MinutesByStart = Mapping[datetime, Minute]


@dataclass(frozen=True)
class Reading:
    """`value`: the figure now, or the one that began an alarm; None: unknown. `is_on`: whether there is an alarm;
    unchanged if unknown. `worst`: the maximum of the checked minutes."""

    value: float | None
    is_on: bool
    worst: float | None = None


def to_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def read_check(kind: Kind, past: MinutesByStart, now: datetime, *, was_on: bool) -> Reading:
    """Evaluates a check. `past`: the minutes by their start."""
    if kind is Kind.ERRORS:
        return _read_error_rate(past, now, was_on)
    check = CHECKS[kind]
    minutes = [past.get(to_minute(now) - n * MINUTE, NO_DATA) for n in range(check.ends + check.begins + 1)]
    minimums = [_figure(kind, minute, at_most=False) for minute in minutes]
    maximums = [_figure(kind, minute, at_most=True) for minute in minutes]
    # The current minute has few samples: it is only displayed, the complete minutes decide.
    value = next((figure for figure in maximums[:2] if figure is not None), None)
    begin_figures, end_figures = minimums[1 : check.begins + 1], maximums[1 : check.ends + 1]
    if was_on:
        return Reading(
            value,
            not all(figure is not None and figure < check.below for figure in end_figures),
            _maximum(maximums[:2]),
        )
    if all(figure is not None and figure > check.above for figure in begin_figures):
        return Reading(maximums[1], True, _maximum(maximums[: check.begins + 1]))
    return Reading(value, False)


def _maximum(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _figure(kind: Kind, minute: Minute, *, at_most: bool) -> float | None:
    if kind is Kind.CPU:
        return minute.cpu
    if kind is Kind.MEMORY:
        return minute.memory
    return minute.queue_most if at_most else minute.queue_least


def _read_error_rate(past: MinutesByStart, now: datetime, was_on: bool) -> Reading:
    """The error rate of the last five minutes. With too few requests only the absence of errors counts."""
    check = CHECKS[Kind.ERRORS]
    minutes = [minute for start, minute in past.items() if now - check.begins * MINUTE < start <= now]
    requests, errors = sum(minute.requests for minute in minutes), sum(minute.errors for minute in minutes)
    if requests < MIN_REQUESTS:
        return Reading(None, was_on and errors > 0)
    rate = 100 * errors / requests
    return Reading(rate, rate >= check.below if was_on else rate > check.above, rate)


def format_figure(kind: Kind, value: float) -> str:
    """92%, 4.5%, 120件"""
    number = f"{value:,.1f}".removesuffix(".0") if kind is Kind.ERRORS else f"{value:,.0f}"
    return f"{number}{CHECKS[kind].unit}"


def limit_text(kind: Kind) -> str:
    """基準 80%、5分継続"""
    check = CHECKS[kind]
    duration = f"、{check.begins}分継続" if kind in (Kind.CPU, Kind.MEMORY) else ""
    window = "、直近5分" if kind is Kind.ERRORS else ""
    return f"基準 {check.above:g}{check.unit}{duration}{window}"


def begun_notice(kind: Kind, value: float, detail: str, at: datetime) -> str:
    """The Slack message when an alarm begins, starting with the document's text."""
    check = CHECKS[kind]
    lines = [check.text, f"{check.figure}: {format_figure(kind, value)}（{limit_text(kind)}）"]
    return "\n".join([*lines, *([detail] if detail else []), f"検知: {format_local_datetime(at)}"])


def ongoing_notice(kind: Kind, value: float, worst: float, lasting: timedelta) -> str:
    """The message in the thread while the alarm continues."""
    check = CHECKS[kind]
    figures = f"現在 {format_figure(kind, value)}、最大 {format_figure(kind, worst)}"
    return f"続いています（{format_duration(lasting)}経過）\n{check.figure}: {figures}"


def ended_notice(kind: Kind, worst: float, begun_at: datetime, over_at: datetime) -> str:
    """The new text of the first message after the alarm has ended."""
    duration = f"{format_local_datetime(begun_at)} から {format_duration(over_at - begun_at)}"
    return f"【解決済み】{CHECKS[kind].text}\n{duration}（{CHECKS[kind].figure}: 最大 {format_figure(kind, worst)}）"


def ended_reply(kind: Kind, value: float | None, lasting: timedelta) -> str:
    current = f"\n{CHECKS[kind].figure}: 現在 {format_figure(kind, value)}" if value is not None else ""
    return f"解決しました（{format_duration(lasting)}）{current}"


@dataclass(frozen=True)
class Finding:
    """An incident to propose: its title, and the figures as text."""

    title: str
    impact: str


def find_slow_responses(requests: int, slow: int) -> Finding | None:
    """p95 is above five seconds when more than 5% of the responses took longer."""
    if requests < MIN_REQUESTS or slow <= requests * MAX_SLOW_SHARE:
        return None
    return Finding(
        "API応答時間が遅い（5秒超過）",
        f"直近5分の応答{requests:,}件のうち{slow:,}件（{slow / requests:.0%}）が5秒を超えました"
        "（95パーセンタイルが5秒超過）。",
    )


def find_many_operations(case: Case, count: int, before: int, days_known: int) -> Finding | None:
    """`count`: in the last day or week; `before`: in the `days_known` days before that (at most four weeks)."""
    span, span_label, minimum = (1, "24時間", MIN_PER_DAY) if case is Case.DAY else (7, "7日間", MIN_PER_WEEK)
    if days_known < MIN_KNOWN_DAYS or count < minimum:
        return None
    usual = before * span / days_known
    if count < usual * USUAL_FACTOR:
        return None
    factor = f"、通常の{count / usual:.1f}倍" if usual else ""
    return Finding(
        f"マニュアルオペレーションが通常の2倍以上発生（直近{span_label}）",
        f"直近{span_label}の手動対応は{count:,}件です（それまでの{days_known}日間の平均は{span_label}あたり{usual:.1f}件{factor}）。",
    )


def proposal_notice(finding: Finding) -> str:
    return f"インシデントの登録を提案します\n{finding.title}\n{finding.impact}"


def accepted_reply(by: str) -> str:
    """The message in the proposal's thread."""
    return f"インシデントを登録しました（{by}）"


def dismissed_reply(by: str, reason: str) -> str:
    return f"見送りました（{by}）: {reason}"


def already_decided_text(by: str) -> str:
    """The error for a user who decides too late."""
    return f"この提案は{by}が先に判断しました。画面を更新してください。"


def breakdown_text(parts: Sequence[tuple[str, int]]) -> str:
    """内訳: 定期処理 3件、通知の送信 120件"""
    texts = [f"{label} {count:,}件" for label, count in parts if count]
    return f"内訳: {'、'.join(texts)}" if texts else ""
