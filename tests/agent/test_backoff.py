"""Back-off: how long agents wait, and that they do not retry at the same time."""

import random

from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import BASE_SECONDS, CAP_SECONDS, Backoff


@given(st.integers(), st.integers(1, 60))
def test_no_delay_ever_exceeds_its_ceiling_or_ten_minutes(seed: int, failures: int) -> None:
    backoff = Backoff(random.Random(seed))
    for failure in range(failures):
        assert 0 <= backoff.next_delay() <= min(BASE_SECONDS * 2**failure, CAP_SECONDS, 600)


def test_agents_that_failed_together_come_back_spread_over_the_whole_window() -> None:
    delays = []
    for seed in range(1000):
        backoff = Backoff(random.Random(seed))
        delays.append([backoff.next_delay() for _ in range(15)])
    last = [row[-1] for row in delays]
    minutes = [sum(1 for delay in last if minute * 60 <= delay < (minute + 1) * 60) for minute in range(10)]
    assert all(50 < count < 150 for count in minutes)
    first = [row[0] for row in delays]
    assert max(first) - min(first) > 0.9 * BASE_SECONDS


def test_an_answer_forgets_the_failures() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() <= BASE_SECONDS


def test_years_of_failures_do_not_overflow() -> None:
    backoff = Backoff()
    for _ in range(5000):
        assert backoff.next_delay() <= CAP_SECONDS
