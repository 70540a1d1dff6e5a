"""When an alarm starts (4.3.1), when it ends, and which incidents are proposed from the figures (5.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import TOKYO
from service.reservations.alarms import rules
from service.reservations.alarms.rules import Case, Kind, Minute

NOW = datetime(2031, 1, 8, 10, 30, 40, tzinfo=TOKYO)
MINUTE = timedelta(minutes=1)


def minute(kind: Kind, value: float) -> Minute:
    match kind:
        case Kind.CPU:
            return Minute(cpu=value)
        case Kind.MEMORY:
            return Minute(memory=value)
    return Minute(queue_least=int(value), queue_most=int(value))


def samples_before(kind: Kind, values: Sequence[float | None]) -> dict[datetime, Minute]:
    """Samples of the full minutes before this one, the latest first. None: there is no sample."""
    this_minute = rules.to_minute(NOW)
    return {this_minute - n * MINUTE: minute(kind, value) for n, value in enumerate(values, 1) if value is not None}


def is_on(kind: Kind, values: Sequence[float | None], *, was_on: bool = False) -> bool:
    return rules.read_check(kind, samples_before(kind, values), NOW, was_on=was_on).is_on


def traffic(*minutes: tuple[int, int]) -> dict[datetime, Minute]:
    """(requests, errors) of this minute and of the minutes before."""
    this_minute = rules.to_minute(NOW)
    return {this_minute - n * MINUTE: Minute(requests=counts[0], errors=counts[1]) for n, counts in enumerate(minutes)}


def errors(*minutes: tuple[int, int], was_on: bool = False) -> rules.Reading:
    return rules.read_check(Kind.ERRORS, traffic(*minutes), NOW, was_on=was_on)


def test_thresholds_and_texts_match_the_specification() -> None:
    checks = {kind: (check.text, check.above, check.begins) for kind, check in rules.CHECKS.items()}

    assert checks[Kind.CPU] == ("CPU使用率が高い状態です", 80, 5)
    assert checks[Kind.QUEUE] == ("予約キューが溜まっています", 100, 1)
    assert checks[Kind.ERRORS] == ("エラーが多発しています", 5, 5)
    assert {kind.label: (check.every_minutes, check.priority) for kind, check in rules.CHECKS.items()} == {
        "CPU使用率": (5, "高"),
        "メモリ使用率": (5, "高"),
        "Celeryキュー長": (1, "高"),
        "エラー率": (5, "緊急"),
    }


@pytest.mark.parametrize(
    ("values", "begins"),
    [
        ([81, 81, 81, 81, 81], True),
        ([99, 99, 99, 99, 80], False),  # more than the limit for five full minutes
        ([99, 99, 99, 99], False),
        ([99, 99, None, 99, 99, 99], False),  # a minute without a sample
        ([81, 81, 81, 81, 81, 10], True),
    ],
)
def test_a_cpu_alarm_begins_after_five_full_minutes(values: list[float | None], begins: bool) -> None:
    assert is_on(Kind.CPU, values) is begins


def test_a_cpu_around_its_limit_does_not_flap() -> None:
    assert is_on(Kind.CPU, [79, 81, 79, 81, 79], was_on=True)
    assert is_on(Kind.CPU, [74, 74, 74, 74, 75], was_on=True)
    assert not is_on(Kind.CPU, [74, 74, 74, 74, 74], was_on=True)
    # Missing samples do not end an alarm.
    assert is_on(Kind.CPU, [74, 74, None, 74, 74], was_on=True)
    assert is_on(Kind.CPU, [], was_on=True)


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=12))
def test_an_alarm_that_begins_does_not_end_at_once(values: list[float | None]) -> None:
    for kind in (Kind.CPU, Kind.MEMORY, Kind.QUEUE):
        if is_on(kind, values):
            assert is_on(kind, values, was_on=True)


def test_a_queue_alarm_begins_when_more_than_a_hundred_wait_for_a_full_minute() -> None:
    assert is_on(Kind.QUEUE, [101])
    assert not is_on(Kind.QUEUE, [100])
    assert is_on(Kind.QUEUE, [79, 80], was_on=True)
    assert not is_on(Kind.QUEUE, [79, 79], was_on=True)
    # A short queue at any time of the minute shows that the queue is processed.
    this_minute = rules.to_minute(NOW)
    short_peak = {this_minute - MINUTE: Minute(queue_least=3, queue_most=500)}
    assert not rules.read_check(Kind.QUEUE, short_peak, NOW, was_on=False).is_on


def test_an_alarm_begins_with_the_figures_that_caused_it() -> None:
    """Not with the current ones, which may be better already."""
    samples = samples_before(Kind.QUEUE, [150]) | {rules.to_minute(NOW): Minute(queue_least=0, queue_most=2)}
    reading = rules.read_check(Kind.QUEUE, samples, NOW, was_on=False)
    assert (reading.value, reading.worst, reading.is_on) == (150, 150, True)
    assert rules.read_check(Kind.QUEUE, samples, NOW, was_on=True).value == 2

    cpu = rules.read_check(Kind.CPU, samples_before(Kind.CPU, [85, 99, 90, 90, 90]), NOW, was_on=False)
    assert (cpu.value, cpu.worst) == (85, 99)


def test_the_error_rate_is_over_five_minutes_and_at_least_fifty_requests() -> None:
    assert errors((10, 1), (10, 1), (10, 1), (10, 1), (10, 0)).is_on
    assert errors((10, 1), (10, 1), (10, 1), (10, 1), (9, 9)).value is None
    assert not errors((1000, 50)).is_on
    assert errors((1000, 51)).value == pytest.approx(5.1)
    # Older ones do not count.
    assert not errors((100, 0), (0, 0), (0, 0), (0, 0), (0, 0), (100, 100)).is_on


def test_an_error_alarm_ends_at_half_the_limit_or_without_errors() -> None:
    assert errors((1000, 40), was_on=True).is_on
    assert not errors((1000, 24), was_on=True).is_on
    assert errors((10, 1), was_on=True).is_on
    assert not errors((10, 0), was_on=True).is_on
    assert not errors(was_on=True).is_on


def test_a_slack_notice_has_the_specified_text_and_then_the_figures() -> None:
    assert rules.begun_notice(Kind.CPU, 92.4, "", NOW).splitlines() == [
        "CPU使用率が高い状態です",
        "CPU使用率: 92%（基準 80%、5分継続）",
        "検知: 2031/1/8（水）10:30",
    ]
    begun = rules.begun_notice(
        Kind.QUEUE, 1234, rules.breakdown_text([("Celeryのキュー", 0), ("通知の送信", 1234)]), NOW
    )
    assert "待っている処理: 1,234件（基準 100件）\n内訳: 通知の送信 1,234件" in begun
    ended = rules.ended_notice(Kind.ERRORS, 12.34, NOW, NOW + timedelta(minutes=72))
    assert ended == ("【解決済み】エラーが多発しています\n2031/1/8（水）10:30 から 1時間12分（エラー率: 最大 12.3%）")


def test_p95_exceeds_five_seconds_when_more_than_a_twentieth_is_slower() -> None:
    assert rules.find_slow_responses(100, 5) is None
    assert rules.find_slow_responses(49, 49) is None
    proposal = rules.find_slow_responses(100, 6)
    assert proposal is not None
    assert proposal.title == "API応答時間が遅い（5秒超過）"
    assert "100件のうち6件（6%）" in proposal.impact


@pytest.mark.parametrize(
    ("case", "count", "before", "days", "proposed"),
    [
        (Case.DAY, 6, 84, 28, True),  # three a day is usual
        (Case.DAY, 5, 84, 28, False),
        (Case.DAY, 4, 28, 28, False),  # too few for a proposal
        (Case.WEEK, 8, 16, 28, True),
        (Case.WEEK, 8, 17, 28, False),
        (Case.WEEK, 8, 0, 28, True),  # usually none
        (Case.WEEK, 80, 0, 6, False),  # too few days to know the usual number
    ],
)
def test_many_manual_operations_are_proposed_at_twice_the_usual(
    case: Case, count: int, before: int, days: int, proposed: bool
) -> None:
    assert (rules.find_many_operations(case, count, before, days) is not None) is proposed
