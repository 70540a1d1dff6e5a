"""Simulation of another call order: measured answers are reused, missing ones are estimated, and calls take time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from service.core.values.times import TOKYO
from service.reservations.simulation import rules
from service.reservations.simulation.queries import first_search
from service.reservations.simulation.rules import CallStatistics, PastCall, PastSearch, Trust
from service.reservations.state_machine.shop_search import PhoneLine

WEDNESDAY = datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO)
LINES = {shop: PhoneLine(opens_at=time(9), closes_at=time(20)) for shop in (1, 2, 3)}
MINUTE = timedelta(minutes=1)


def past_search(*calls: tuple[int, bool], at: datetime = WEDNESDAY, ahead: timedelta = timedelta(days=5)) -> PastSearch:
    """A search with calls of one minute each, one after the other."""
    calls_made = tuple(PastCall(shop, at + index * MINUTE, MINUTE, is_ok) for index, (shop, is_ok) in enumerate(calls))
    return PastSearch(at, at + ahead, calls_made)


def call_statistics(*searches: PastSearch) -> CallStatistics:
    return CallStatistics(call for search in searches for call in search.calls)


def test_the_actual_order_gives_the_actual_result() -> None:
    searches = [
        past_search((1, True)),
        past_search((1, False), (2, True)),
        past_search((1, False), (2, False), (1, False), (2, False)),
    ]
    simulated, actual = (
        rules.simulate(searches, (1, 2), LINES, call_statistics(*searches)),
        rules.actual_score(searches),
    )
    assert simulated.success == actual.success == pytest.approx(2 / 3)
    assert simulated.mean_minutes == actual.mean_minutes == 1.5
    assert simulated.calls == actual.calls == pytest.approx(7 / 3)
    assert (simulated.measured, simulated.doubt) == (1.0, 0.0)


def test_the_answer_for_a_reservation_outweighs_the_statistics() -> None:
    history = [past_search((1, False), (2, True))] * 40
    score = rules.simulate(history, (2, 1), LINES, call_statistics(*history))
    assert score.success == 1.0
    assert score.mean_minutes == 1.0
    assert score.calls == 1.0


def test_a_shop_that_was_not_called_is_estimated_from_its_success_rate() -> None:
    history = [past_search((1, True))] * 30 + [past_search((1, False), (2, True))] * 30
    statistics = call_statistics(*history)
    score = rules.simulate([past_search((1, True))], (2, 1), LINES, statistics)
    likely = statistics.likely(2, WEDNESDAY)
    assert 0.8 < likely < 1
    assert score.success == pytest.approx(1.0)
    assert score.calls == pytest.approx(likely + 2 * (1 - likely))
    assert 0 < score.doubt < 0.1


def test_the_estimate_depends_on_the_time_of_day_and_week() -> None:
    lunch, evening = WEDNESDAY.replace(hour=12), WEDNESDAY.replace(hour=18)
    sunday = WEDNESDAY + timedelta(days=4)
    statistics = call_statistics(*[past_search((1, False), at=lunch)] * 30, *[past_search((1, True), at=evening)] * 30)
    assert statistics.likely(1, lunch) < 0.3 < 0.7 < statistics.likely(1, evening)
    assert statistics.likely(1, sunday) == pytest.approx(statistics.of(1).share, abs=0.05)


def test_a_shop_without_calls_is_estimated_like_the_others() -> None:
    statistics = call_statistics(*[past_search((1, True))] * 30)
    assert statistics.of(3).share > 0.8
    assert (
        rules.rate_trust(
            30, rules.simulate([past_search((1, True))], (3, 1), LINES, statistics), statistics.of(3).calls
        )
        is Trust.POOR
    )


def test_closed_shops_are_called_later() -> None:
    lines = LINES | {1: PhoneLine(opens_at=time(14), closes_at=time(20))}
    search = past_search((2, True))
    score = rules.simulate([search], (1, 2), lines, call_statistics(search))
    assert (score.mean_minutes, score.calls) == (1.0, 1.0)
    closed = rules.simulate([search], (1,), lines, call_statistics(*[past_search((1, True))] * 60))
    assert closed.mean_minutes is not None
    assert closed.mean_minutes > 240


def test_no_calls_an_hour_before_the_appointment_or_to_shops_out_of_use() -> None:
    search = past_search((1, True), ahead=timedelta(minutes=60))
    assert rules.simulate([search], (2, 1), LINES, call_statistics(search)).success == 0
    lines = {1: LINES[1].model_copy(update={"is_out": True}), 2: LINES[2]}
    assert rules.simulate([past_search((1, True))], (1,), lines, call_statistics()).calls == 0


def test_there_are_five_minutes_between_rounds() -> None:
    first_round = past_search((1, False))
    calls = (*first_round.calls, PastCall(1, WEDNESDAY + 6 * MINUTE, MINUTE, True))
    search = PastSearch(first_round.asked_at, first_round.starts_at, calls)
    assert rules.simulate([search], (1,), LINES, call_statistics(search)).mean_minutes == 7.0


def test_the_best_order_is_suggested_and_the_current_one_if_none_is_better() -> None:
    history = [past_search((1, False), (2, True))] * 30
    statistics = call_statistics(*history)
    best, score = rules.suggest_order(
        (1, 2), statistics, lambda order: rules.simulate(history, order, LINES, statistics)
    )
    assert best == (2, 1)
    assert score.mean_minutes == 1.0
    successful = [past_search((1, True))] * 30
    assert rules.suggest_order(
        (1, 2),
        call_statistics(*successful),
        lambda order: rules.simulate(successful, order, LINES, call_statistics(*successful)),
    )[0] == (
        1,
        2,
    )


def test_for_many_shops_the_best_order_is_found_without_trying_all() -> None:
    lines = dict.fromkeys(range(1, 8), LINES[1])
    history = [past_search(*((shop, shop == 7) for shop in range(1, 8)))] * 20
    statistics, tried = call_statistics(*history), []

    def score(order: tuple[int, ...]) -> rules.Score:
        tried.append(order)
        return rules.simulate(history, order, lines, statistics)

    best, _ = rules.suggest_order(tuple(range(1, 8)), statistics, score)
    assert best[0] == 7
    assert len(tried) < 10


def event(kind: str, minute: float, **values: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("shop", "number", "answer", "starts_at"))
    return blank | {"kind": kind, "at": WEDNESDAY + minute * MINUTE} | values


REQUESTED = event("requested", 0, starts_at="2031-01-15T14:00:00+09:00")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event("call_ended", 2, number=1, shop=1, answer="ok"), event("cancel_asked", 9)], [(1, 1.0, True)]),
        (
            [
                event("call_ended", 2, number=1, shop=1, answer="no_answer"),
                event("call_placed", 3, number=2, shop=2),
                event("call_ended", 4, number=2, shop=2, answer="vague"),
                event("shop_ok", 34, shop=2),
            ],
            [(1, 1.0, False), (2, 31.0, True)],
        ),
        (
            [event("call_ended", 2, number=1, shop=1, answer="change_requested"), event("change_accepted", 60)],
            [(1, 59.0, True)],
        ),
        (
            [event("call_ended", 2, number=1, shop=1, answer="change_requested"), event("change_refused", 60)],
            [(1, 59.0, False)],
        ),
        ([event("call_ended", 2, number=1, shop=1, answer="vague"), event("shop_ok", 9)], [(1, 8.0, False)]),
        ([event("shops_exhausted", 5)], [(1, 4.0, False)]),
    ],
)
def test_a_timeline_gives_the_result_of_each_call(
    events: list[dict[str, Any]], expected: list[tuple[int, float, bool]]
) -> None:
    search = first_search([REQUESTED, event("call_placed", 1, number=1, shop=1), *events])
    assert search is not None
    assert [(call.shop, call.takes / MINUTE, call.is_ok) for call in search.calls] == expected


def test_a_search_cancelled_by_the_customer_is_ignored() -> None:
    assert first_search([REQUESTED, event("call_placed", 1, number=1, shop=1), event("cancel_asked", 1.5)]) is None
    assert first_search([REQUESTED, event("lapsed", 900)]) is None
