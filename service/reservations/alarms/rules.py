"""When something is wrong with the system, when it is well again, and in which words people hear of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.times import in_words, span_in_words

MINUTE = timedelta(minutes=1)
# The thread hears this often that it goes on.
TELL_AGAIN = timedelta(minutes=30)
# An answer slower than this is slow (5.2.3), and of at least so many requests a share says something.
SLOW_MS, SLOW_SHARE, ENOUGH = 5000, 0.05, 50
# Manual operations at twice the usual (5.2.3) are remarkable from so many on; usual is the mean of four weeks, as far
# as they are known.
TWICE, LEAST_A_DAY, LEAST_A_WEEK = 2, 5, 8
WEEKS, LEAST_KNOWN = 28, 7
# The same is not proposed again within this time, whatever people made of it.
PROPOSED_AGAIN = timedelta(days=1)


class Kind(StrEnum):
    CPU = "cpu"
    MEMORY = "memory"
    QUEUE = "queue"
    ERRORS = "errors"


class Case(StrEnum):
    """What an incident is proposed for: slow answers, manual operations of a day, of a week."""

    SLOW = "slow"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True)
class Check:
    """`title` is the document's 監視項目 (4.1.1), `text` what Slack is told (4.3.1). It begins when it was above
    `above` for all of `begins` whole minutes, and is over when it was under `below` for all of `ends`."""

    title: str
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
    Kind.CPU: Check("CPU使用率", "CPU使用率が高い状態です", "CPU使用率", "%", 80, 75, 5, 5, 5, "高"),
    Kind.MEMORY: Check("メモリ使用率", "メモリ使用率が高い状態です", "メモリ使用率", "%", 90, 85, 5, 5, 5, "高"),
    Kind.QUEUE: Check("Celeryキュー長", "予約キューが溜まっています", "待っている処理", "件", 100, 80, 1, 2, 1, "高"),
    Kind.ERRORS: Check("エラー率", "エラーが多発しています", "エラー率", "%", 5, 2.5, 5, 5, 5, "緊急"),
}


@dataclass(frozen=True)
class Minute:
    """What is known of one; `cpu` and `memory` in percent. None: nobody looked."""

    cpu: float | None = None
    memory: float | None = None
    queue_least: int | None = None
    queue_most: int | None = None
    requests: int = 0
    errors: int = 0


NOTHING = Minute()
Past = Mapping[datetime, Minute]


@dataclass(frozen=True)
class Reading:
    """`value`: the figure now, or what began an alarm; None when nobody can say. `is_on`: whether it is wrong, as
    before where nobody can say. `worst`: of the minutes that were looked at."""

    value: float | None
    is_on: bool
    worst: float | None = None


def whole(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def read(kind: Kind, past: Past, now: datetime, *, was_on: bool) -> Reading:
    """How a check stands. `past`: minutes by when they began."""
    if kind is Kind.ERRORS:
        return _errors(past, now, was_on)
    check = CHECKS[kind]
    last = [past.get(whole(now) - n * MINUTE, NOTHING) for n in range(check.ends + check.begins + 1)]
    least = [_figure(kind, one, at_most=False) for one in last]
    most = [_figure(kind, one, at_most=True) for one in last]
    # The minute that is going on has few looks: it is shown, the whole ones decide.
    value = next((one for one in most[:2] if one is not None), None)
    begins, ends = least[1 : check.begins + 1], most[1 : check.ends + 1]
    if was_on:
        return Reading(value, not all(one is not None and one < check.below for one in ends), _most(most[:2]))
    if all(one is not None and one > check.above for one in begins):
        return Reading(most[1], True, _most(most[: check.begins + 1]))
    return Reading(value, False)


def _most(values: Sequence[float | None]) -> float | None:
    return max((one for one in values if one is not None), default=None)


def _figure(kind: Kind, minute: Minute, *, at_most: bool) -> float | None:
    if kind is Kind.CPU:
        return minute.cpu
    if kind is Kind.MEMORY:
        return minute.memory
    return minute.queue_most if at_most else minute.queue_least


def _errors(past: Past, now: datetime, was_on: bool) -> Reading:
    """Of the requests of five minutes. Too few say nothing, but that none of them failed."""
    check = CHECKS[Kind.ERRORS]
    these = [minute for moment, minute in past.items() if now - check.begins * MINUTE < moment <= now]
    requests, errors = sum(one.requests for one in these), sum(one.errors for one in these)
    if requests < ENOUGH:
        return Reading(None, was_on and errors > 0)
    rate = 100 * errors / requests
    return Reading(rate, rate >= check.below if was_on else rate > check.above, rate)


def shown(kind: Kind, value: float) -> str:
    """92%, 4.5%, 120件"""
    number = f"{value:,.1f}".removesuffix(".0") if kind is Kind.ERRORS else f"{value:,.0f}"
    return f"{number}{CHECKS[kind].unit}"


def limit(kind: Kind) -> str:
    """基準 80%、5分継続"""
    check = CHECKS[kind]
    lasting = f"、{check.begins}分継続" if kind in (Kind.CPU, Kind.MEMORY) else ""
    of = "、直近5分" if kind is Kind.ERRORS else ""
    return f"基準 {check.above:g}{check.unit}{lasting}{of}"


def begun(kind: Kind, value: float, detail: str, at: datetime) -> str:
    """What Slack is told, in the document's words first."""
    check = CHECKS[kind]
    lines = [check.text, f"{check.figure}: {shown(kind, value)}（{limit(kind)}）"]
    return "\n".join([*lines, *([detail] if detail else []), f"検知: {in_words(at)}"])


def going_on(kind: Kind, value: float, worst: float, lasting: timedelta) -> str:
    """What its thread is told."""
    check = CHECKS[kind]
    most = f"現在 {shown(kind, value)}、最大 {shown(kind, worst)}"
    return f"続いています（{span_in_words(lasting)}経過）\n{check.figure}: {most}"


def over(kind: Kind, worst: float, begun_at: datetime, over_at: datetime) -> str:
    """The first message once it is over."""
    lasted = f"{in_words(begun_at)} から {span_in_words(over_at - begun_at)}"
    return f"【解決済み】{CHECKS[kind].text}\n{lasted}（{CHECKS[kind].figure}: 最大 {shown(kind, worst)}）"


def over_in_thread(kind: Kind, value: float | None, lasting: timedelta) -> str:
    now = f"\n{CHECKS[kind].figure}: 現在 {shown(kind, value)}" if value is not None else ""
    return f"解決しました（{span_in_words(lasting)}）{now}"


@dataclass(frozen=True)
class Found:
    """An incident to propose: its title, and the figures in words."""

    title: str
    impact: str


def slow_answers(requests: int, slow: int) -> Found | None:
    """p95 is beyond five seconds when more than a twentieth of the answers took longer."""
    if requests < ENOUGH or slow <= requests * SLOW_SHARE:
        return None
    return Found(
        "API応答時間が遅い（5秒超過）",
        f"直近5分の応答{requests:,}件のうち{slow:,}件（{slow / requests:.0%}）が5秒を超えました"
        "（95パーセンタイルが5秒超過）。",
    )


def many_operations(case: Case, count: int, before: int, days_known: int) -> Found | None:
    """`count` of the last day or week; `before` of the `days_known` (four weeks at most) before that."""
    span, word, least = (1, "24時間", LEAST_A_DAY) if case is Case.DAY else (7, "7日間", LEAST_A_WEEK)
    if days_known < LEAST_KNOWN or count < least:
        return None
    usual = before * span / days_known
    if count < usual * TWICE:
        return None
    times = f"、通常の{count / usual:.1f}倍" if usual else ""
    return Found(
        f"マニュアルオペレーションが通常の2倍以上発生（直近{word}）",
        f"直近{word}の手動対応は{count:,}件です（それまでの{days_known}日間の平均は{word}あたり{usual:.1f}件{times}）。",
    )


def proposed(found: Found) -> str:
    return f"インシデントの登録を提案します\n{found.title}\n{found.impact}"


def accepted(by: str) -> str:
    """What the proposal's thread is told."""
    return f"インシデントを登録しました（{by}）"


def dismissed(by: str, reason: str) -> str:
    return f"見送りました（{by}）: {reason}"


def decided(by: str) -> str:
    """What is told to whoever comes second."""
    return f"この提案は{by}が先に判断しました。画面を更新してください。"


def joined(parts: Sequence[tuple[str, int]]) -> str:
    """内訳: 定期処理 3件、通知の送信 120件"""
    there = [f"{word} {count:,}件" for word, count in parts if count]
    return f"内訳: {'、'.join(there)}" if there else ""
