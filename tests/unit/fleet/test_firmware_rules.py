"""Progress of roll-outs and their tasks: nothing gets stuck, and nothing continues past a threshold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from agent.firmware import order
from service.fleet.agents.rules import CommandState
from service.fleet.firmware import rules
from service.fleet.firmware.rules import Cohort, Facts, Limits, Move, TaskState, Wave
from service.fleet.rules import Status

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
NUMBERS = st.integers(min_value=0, max_value=40)
PERCENTS = st.integers(min_value=1, max_value=100)
LIMITS = st.builds(Limits, PERCENTS, PERCENTS, st.integers(min_value=1, max_value=30))


@st.composite
def wave_states(draw: st.DrawFn) -> Wave:
    failed = draw(NUMBERS)
    return Wave(
        waiting=draw(NUMBERS),
        under_way=draw(NUMBERS),
        succeeded=draw(NUMBERS),
        failed=failed,
        cancelled=draw(NUMBERS),
        accepted=draw(st.integers(min_value=0, max_value=failed)),
    )


WAVES = st.lists(wave_states(), min_size=1, max_size=5)


def test_service_and_agent_accept_the_same_signatures() -> None:
    firmware_key = Ed25519PrivateKey.generate()
    message = rules.signed_bytes("2.0.0", 4096, "ab" * 32)
    key, signature = firmware_key.public_key().public_bytes_raw(), firmware_key.sign(message)

    assert message == order.signed_bytes("2.0.0", 4096, "ab" * 32)
    assert rules.is_signed(signature, message, [bytes(32), key])
    assert not rules.is_signed(signature, message, [])
    assert not rules.is_signed(signature, rules.signed_bytes("2.0.1", 4096, "ab" * 32), [key])
    order.verify(order.Order(1, "2.0.0", 4096, "ab" * 32, signature), [key])


@given(waves=st.sets(PERCENTS).map(lambda percents: sorted(percents | {100})), total=st.integers(0, 20_000))
def test_waves_contain_all_terminals_and_none_is_empty(waves: list[int], total: int) -> None:
    ends = [end for _, end in rules.wave_ends(waves, total)]

    assert ends == sorted(set(ends))
    assert ends[-1:] == [total] * bool(total)
    assert 0 not in ends
    assert all(percent in waves for percent, _ in rules.wave_ends(waves, total))


def test_small_fleets_have_fewer_waves() -> None:
    assert rules.wave_ends([5, 25, 100], 200) == [(5, 10), (25, 50), (100, 200)]
    assert rules.wave_ends([5, 25, 100], 3) == [(25, 1), (100, 3)]
    assert rules.wave_ends([5, 25, 100], 1) == [(100, 1)]


@given(limits=LIMITS, waves=WAVES, data=st.data())
def test_a_roll_out_pauses_at_a_threshold_and_never_waits_without_open_tasks(
    limits: Limits, waves: list[Wave], data: st.DataObject
) -> None:
    current = data.draw(st.integers(0, len(waves) - 1))
    move, reason = rules.decide(limits, waves, current)
    started, wave = waves[: current + 1], waves[current]
    failures = sum(started_wave.failed - started_wave.accepted for started_wave in started)

    if failures >= limits.error_count:
        assert move is Move.PAUSE
    if wave.new_failures and wave.new_failures * 100 >= limits.error_percent * wave.counting:
        assert move is Move.PAUSE
    if move is Move.OFFER:  # there are open tasks to wait for
        assert sum(started_wave.waiting + started_wave.under_way for started_wave in started) > 0
    if move is Move.NEXT_WAVE:
        assert current < len(waves) - 1
        assert wave.succeeded * 100 >= limits.success_percent * wave.counting
    if move is Move.FINISH:
        assert current == len(waves) - 1
        assert sum(started_wave.waiting + started_wave.under_way for started_wave in started) == 0
    assert (move is Move.PAUSE) == bool(reason)


@given(limits=LIMITS, sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4), data=st.data())
def test_a_roll_out_that_is_resumed_after_each_pause_ends(
    limits: Limits, sizes: list[int], data: st.DataObject
) -> None:
    """In each round all waiting terminals of the started waves succeed or fail; each pause is resumed."""
    waves, current = [Wave(waiting=size) for size in sizes], 0
    for _ in range(4 * len(sizes) + 4):
        move, _ = rules.decide(limits, waves, current)
        if move is Move.FINISH:
            break
        if move is Move.NEXT_WAVE:
            current += 1
        elif move is Move.PAUSE:
            waves = [replace(wave, accepted=wave.failed) for wave in waves]
        else:
            for index, wave in enumerate(waves[: current + 1]):
                failed = data.draw(st.integers(0, wave.waiting))
                succeeded = wave.waiting - failed
                waves[index] = replace(
                    wave, waiting=0, succeeded=wave.succeeded + succeeded, failed=wave.failed + failed
                )
    else:
        raise AssertionError("still on its way")
    assert all(not wave.waiting for wave in waves)


def test_one_failure_in_a_small_first_wave_pauses_the_roll_out() -> None:
    limits = Limits(success_percent=90, error_percent=10, error_count=5)
    waves = [Wave(succeeded=4, failed=1), Wave(waiting=20), Wave(waiting=75)]
    assert rules.decide(limits, waves, 0) == (Move.PAUSE, "第1段階の失敗が20%になりました（上限10%）。")
    accepted = [replace(waves[0], accepted=1), *waves[1:]]
    assert rules.decide(limits, accepted, 0) == (Move.NEXT_WAVE, "")


def test_a_wave_below_its_success_threshold_pauses_the_roll_out() -> None:
    limits = Limits(success_percent=90, error_percent=50, error_count=50)
    move, reason = rules.decide(limits, [Wave(succeeded=8, failed=2), Wave(waiting=1)], 0)
    assert (move, reason) == (Move.PAUSE, "第1段階の成功が80%で、次へ進む基準（90%）に届きません。")


@pytest.mark.parametrize(
    ("clock", "since", "until", "is_open"),
    [
        ("12:00", None, None, True),
        ("12:00", "10:00", "20:00", True),
        ("20:00", "10:00", "20:00", False),
        ("23:30", "22:00", "06:00", True),
        ("05:59", "22:00", "06:00", True),
        ("06:00", "22:00", "06:00", False),
    ],
)
def test_the_window_is_in_tokyo_time_and_may_span_midnight(
    clock: str, since: str | None, until: str | None, is_open: bool
) -> None:
    hour, minute = map(int, clock.split(":"))
    now = datetime(2026, 11, 21, hour, minute, tzinfo=UTC) - timedelta(hours=9)
    bounds = [time.fromisoformat(bound) if bound else None for bound in (since, until)]
    assert rules.is_open(now, *bounds) is is_open


OFFERED = Facts(
    state=TaskState.OFFERED,
    step=None,
    percent=None,
    deadline_at=NOW + timedelta(minutes=30),
    version="2.0.0",
    seen_version="1.0.0",
    status=Status.ONLINE,
    heard_since_offer=True,
    healthy=0,
    healthy_needed=3,
    stored_healthy=0,
    known_until=NOW,
    command=CommandState.WAITING,
)
PROVING = replace(OFFERED, state=TaskState.PROVING, seen_version="2.0.0", command=CommandState.DONE)
FACTS = st.builds(
    Facts,
    state=st.sampled_from(rules.UNDER_WAY),
    step=st.sampled_from([None, "downloading", "installing"]),
    percent=st.sampled_from([None, 40]),
    deadline_at=st.sampled_from([NOW - timedelta(seconds=1), NOW + timedelta(minutes=1)]),
    version=st.just("2.0.0"),
    seen_version=st.sampled_from(["1.0.0", "2.0.0"]),
    status=st.sampled_from([*Status]),
    heard_since_offer=st.booleans(),
    healthy=st.integers(0, 5),
    healthy_needed=st.integers(1, 5),
    stored_healthy=st.integers(0, 5),
    known_until=st.just(NOW),
    command=st.sampled_from([None, *CommandState]),
    command_step=st.sampled_from([None, "downloading", "installing"]),
    command_percent=st.sampled_from([None, 40]),
    command_message=st.just("予期しない応答"),
    command_code=st.sampled_from([None, *rules.FAILURE_LABELS, "something new"]),
)


@given(task=FACTS)
def test_a_task_ends_at_its_deadline_unless_its_next_step_starts(task: Facts) -> None:
    verdict = rules.judge(task)
    if task.deadline_at < task.known_until:
        assert verdict is not None
        assert verdict.state not in rules.UNDER_WAY or verdict.renew
    if verdict is not None and verdict.state is TaskState.FAILED:
        assert verdict.error
        assert len(verdict.error) <= 500


@given(task=FACTS)
def test_success_needs_the_new_version_and_enough_healthy_heartbeats(task: Facts) -> None:
    verdict = rules.judge(task)
    if verdict is not None and verdict.state is TaskState.SUCCEEDED:
        assert task.state is TaskState.PROVING
        assert task.seen_version == task.version
        assert task.healthy >= task.healthy_needed


@given(task=FACTS)
def test_a_task_only_returns_to_waiting_when_its_shop_closed(task: Facts) -> None:
    verdict = rules.judge(task)
    if verdict is not None and verdict.state is TaskState.WAITING:
        assert (task.state, verdict.stop) == (TaskState.OFFERED, True)
    if verdict is not None and verdict.state in rules.UNDER_WAY:
        assert rules.UNDER_WAY.index(verdict.state) >= rules.UNDER_WAY.index(task.state)


def test_a_task_is_followed_step_by_step() -> None:
    assert rules.judge(OFFERED) is None
    running = replace(OFFERED, command=CommandState.RUNNING, command_step="downloading", command_percent=10)
    verdict = rules.judge(running)
    assert verdict is not None
    assert (verdict.state, verdict.step, verdict.percent, verdict.renew) == ("updating", "downloading", 10, True)
    updating = replace(running, state=TaskState.UPDATING, step="downloading", percent=10)
    assert rules.judge(updating) is None
    progressed = rules.judge(replace(updating, command_percent=50))
    assert progressed is not None
    assert (progressed.percent, progressed.renew) == (50, False)
    reported = rules.judge(replace(updating, command=CommandState.DONE))
    assert reported is not None
    assert (reported.state, reported.step) == ("updating", "confirming")
    confirmed = rules.judge(replace(updating, command=CommandState.DONE, seen_version="2.0.0"))
    assert confirmed is not None
    assert (confirmed.state, confirmed.renew) == ("proving", True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"command": CommandState.FAILED, "command_code": "no_space"}, "店舗PCの空き容量が足りません。"),
        ({"command": CommandState.FAILED, "command_message": "詳細"}, "更新に失敗しました: 詳細"),
        ({"known_until": NOW + timedelta(hours=1)}, "時間内にエージェントが更新を始めませんでした。"),
        (
            {"known_until": NOW + timedelta(hours=1), "state": TaskState.UPDATING, "step": "installing"},
            "書き込みが時間内に終わりませんでした。",
        ),
        (
            {"known_until": NOW + timedelta(hours=1), "state": TaskState.UPDATING, "command": CommandState.DONE},
            "更新は完了と報告されましたが、新しいバージョンの通信がありません（現在 1.0.0）。",
        ),
    ],
)
def test_a_failure_has_a_message(facts: dict[str, object], message: str) -> None:
    verdict = rules.judge(replace(OFFERED, **facts))  # type: ignore[arg-type]  # a table of cases
    assert verdict is not None
    assert (verdict.state, verdict.error) == (TaskState.FAILED, message)


def test_a_shop_that_closed_before_the_offer_arrived_waits() -> None:
    verdict = rules.judge(replace(OFFERED, known_until=NOW + timedelta(hours=1), status=Status.OFFLINE))
    assert verdict is not None
    assert (verdict.state, verdict.stop) == (TaskState.WAITING, True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"seen_version": "1.0.0"}, "更新後にバージョン 1.0.0 へ戻りました。"),
        ({"status": Status.OFFLINE}, "更新後に通信が途絶えました。"),
        ({"healthy": 1}, "更新後の正常な通信が3回続きませんでした（1回）。"),
    ],
)
def test_a_terminal_without_enough_healthy_heartbeats_has_failed(facts: dict[str, object], message: str) -> None:
    late = replace(PROVING, known_until=NOW + timedelta(hours=1), **facts)  # type: ignore[arg-type]  # a table of cases
    verdict = rules.judge(late)
    assert verdict is not None
    assert (verdict.state, verdict.error) == (TaskState.FAILED, message)


def test_proving_time_depends_on_the_heartbeat_interval() -> None:
    assert rules.proving_time(timedelta(minutes=30), 3, 300) == timedelta(minutes=37.5)
    assert rules.proving_time(timedelta(minutes=60), 3, 30) == timedelta(minutes=60)


@given(st.integers(0, 7), st.integers(0, 7), st.data())
def test_the_p_value_equals_an_enumeration_of_all_cases(n: int, m: int, data: st.DataObject) -> None:
    """Enumerates all ways to distribute the troubled hours over n + m hours."""
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    cases = Counter(sum(hour < n for hour in troubled) for troubled in combinations(range(n + m), a + b))
    expected = Fraction(sum(count for in_updated, count in cases.items() if in_updated >= a), cases.total())

    assert rules.p_value(Cohort(n, a, n), Cohort(m, b, m)) == pytest.approx(float(expected), rel=1e-9)


@given(st.integers(1, 300_000), st.integers(1, 300_000), st.integers(0, 400), st.integers(0, 400))
def test_the_p_value_is_exact_for_large_fleets_and_decreases_with_more_troubles(n: int, m: int, a: int, b: int) -> None:
    a, b = min(a, n), min(b, m)
    updated, control = Cohort(20, a, n), Cohort(20, b, m)
    p_value = rules.p_value(updated, control)
    cases = comb(n + m, a + b)
    expected = Fraction(sum(comb(n, i) * comb(m, a + b - i) for i in range(a, min(a + b, n) + 1)), cases)

    assert p_value == pytest.approx(float(expected), rel=1e-5, abs=1e-12)
    if a:
        assert rules.p_value(replace(updated, troubled=a - 1), control) >= p_value * (1 - 1e-6)


def test_a_significant_increase_is_reported_and_a_random_one_is_not() -> None:
    control = Cohort(800, 2, 8000)
    assert rules.increase_reason(Cohort(42, 3, 420), control) == (
        "更新済みの端末で、異常が未更新の端末より明らかに増えています（更新済み 42台中3台、未更新 800台中2台）。"
    )
    # Too few cases, too few terminals, as many cases as expected, or too few terminals to compare with.
    for updated, others in (
        (Cohort(42, 2, 420), control),
        (Cohort(19, 19, 190), control),
        (Cohort(420, 3, 4200), control),
        (Cohort(42, 3, 420), Cohort(19, 0, 8000)),
        (Cohort(42, 3, 420), Cohort(800, 60, 8000)),
    ):
        assert rules.increase_reason(updated, others) == ""
