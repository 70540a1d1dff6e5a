"""Another order of shops: what was measured stays as it was, what was not is expected, and time passes as it does."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from service.core.values.times import TOKYO
from service.reservations.shop_search.rules import PhoneLine
from service.reservations.simulation import rules
from service.reservations.simulation.queries import first_search
from service.reservations.simulation.rules import CallStatistics, PastCall, PastSearch, Trust

WEDNESDAY = datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO)
LINES = {shop: PhoneLine(opens_at=time(9), closes_at=time(20)) for shop in (1, 2, 3)}
MINUTE = timedelta(minutes=1)


def past(*calls: tuple[int, bool], at: datetime = WEDNESDAY, ahead: timedelta = timedelta(days=5)) -> PastSearch:
    """Calls of a minute each, one after the other."""
    made = tuple(PastCall(shop, at + place * MINUTE, MINUTE, is_ok) for place, (shop, is_ok) in enumerate(calls))
    return PastSearch(at, at + ahead, made)


def habits(*pasts: PastSearch) -> CallStatistics:
    return CallStatistics(call for one in pasts for call in one.calls)


def test_the_order_that_was_used_gives_what_happened() -> None:
    pasts = [past((1, True)), past((1, False), (2, True)), past((1, False), (2, False), (1, False), (2, False))]
    found, actual = rules.simulate(pasts, (1, 2), LINES, habits(*pasts)), rules.actual_score(pasts)
    assert found.success == actual.success == pytest.approx(2 / 3)
    assert found.mean_minutes == actual.mean_minutes == 1.5
    assert found.calls == actual.calls == pytest.approx(7 / 3)
    assert (found.measured, found.doubt) == (1.0, 0.0)


def test_what_a_shop_answered_at_that_reservation_outweighs_its_habits() -> None:
    history = [past((1, False), (2, True))] * 40
    found = rules.simulate(history, (2, 1), LINES, habits(*history))
    assert found.success == 1.0
    assert found.mean_minutes == 1.0
    assert found.calls == 1.0


def test_a_shop_that_was_never_asked_is_expected_by_its_own_share_and_the_rest_goes_on() -> None:
    history = [past((1, True))] * 30 + [past((1, False), (2, True))] * 30
    known = habits(*history)
    one = rules.simulate([past((1, True))], (2, 1), LINES, known)
    likely = known.likely(2, WEDNESDAY)
    assert 0.8 < likely < 1
    assert one.success == pytest.approx(1.0)
    assert one.calls == pytest.approx(likely + 2 * (1 - likely))
    assert 0 < one.doubt < 0.1


def test_the_part_of_the_day_and_of_the_week_count() -> None:
    lunch, evening = WEDNESDAY.replace(hour=12), WEDNESDAY.replace(hour=18)
    sunday = WEDNESDAY + timedelta(days=4)
    known = habits(*[past((1, False), at=lunch)] * 30, *[past((1, True), at=evening)] * 30)
    assert known.likely(1, lunch) < 0.3 < 0.7 < known.likely(1, evening)
    assert known.likely(1, sunday) == pytest.approx(known.of(1).share, abs=0.05)


def test_a_shop_nobody_knows_is_like_all_the_others() -> None:
    known = habits(*[past((1, True))] * 30)
    assert known.of(3).share > 0.8
    assert (
        rules.rate_trust(30, rules.simulate([past((1, True))], (3, 1), LINES, known), known.of(3).calls) is Trust.POOR
    )


def test_shops_are_called_when_they_answer_and_the_first_that_can_be_called_is_first() -> None:
    lines = LINES | {1: PhoneLine(opens_at=time(14), closes_at=time(20))}
    one = past((2, True))
    found = rules.simulate([one], (1, 2), lines, habits(one))
    assert (found.mean_minutes, found.calls) == (1.0, 1.0)
    closed = rules.simulate([one], (1,), lines, habits(*[past((1, True))] * 60))
    assert closed.mean_minutes is not None
    assert closed.mean_minutes > 240


def test_nobody_looks_any_more_an_hour_before_its_time_nor_for_a_shop_that_is_out_of_use() -> None:
    soon = past((1, True), ahead=timedelta(minutes=60))
    assert rules.simulate([soon], (2, 1), LINES, habits(soon)).success == 0
    out = {1: LINES[1].model_copy(update={"is_out": True}), 2: LINES[2]}
    assert rules.simulate([past((1, True))], (1,), out, habits()).calls == 0


def test_between_the_rounds_lie_five_minutes() -> None:
    both = past((1, False))
    calls = (*both.calls, PastCall(1, WEDNESDAY + 6 * MINUTE, MINUTE, True))
    one = PastSearch(both.asked_at, both.starts_at, calls)
    assert rules.simulate([one], (1,), LINES, habits(one)).mean_minutes == 7.0


def test_the_best_order_is_found_and_the_present_one_stays_where_none_is_better() -> None:
    history = [past((1, False), (2, True))] * 30
    known = habits(*history)
    best, score = rules.suggest_order((1, 2), known, lambda order: rules.simulate(history, order, LINES, known))
    assert best == (2, 1)
    assert score.mean_minutes == 1.0
    good = [past((1, True))] * 30
    assert rules.suggest_order((1, 2), habits(*good), lambda o: rules.simulate(good, o, LINES, habits(*good)))[0] == (
        1,
        2,
    )


def test_of_many_shops_the_best_is_looked_for_without_trying_all_orders() -> None:
    lines = dict.fromkeys(range(1, 8), LINES[1])
    history = [past(*((shop, shop == 7) for shop in range(1, 8)))] * 20
    known, asked = habits(*history), []

    def score(order: tuple[int, ...]) -> rules.Score:
        asked.append(order)
        return rules.simulate(history, order, lines, known)

    best, _ = rules.suggest_order(tuple(range(1, 8)), known, score)
    assert best[0] == 7
    assert len(asked) < 10


def event(kind: str, minute: float, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("shop", "number", "answer", "starts_at"))
    return blank | {"kind": kind, "at": WEDNESDAY + minute * MINUTE} | more


ASKED = event("requested", 0, starts_at="2031-01-15T14:00:00+09:00")


@pytest.mark.parametrize(
    ("events", "known"),
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
def test_a_timeline_says_what_each_shop_came_to(
    events: list[dict[str, Any]], known: list[tuple[int, float, bool]]
) -> None:
    found = first_search([ASKED, event("call_placed", 1, number=1, shop=1), *events])
    assert found is not None
    assert [(one.shop, one.takes / MINUTE, one.is_ok) for one in found.calls] == known


def test_a_search_that_the_customer_broke_off_says_nothing_of_the_shops() -> None:
    assert first_search([ASKED, event("call_placed", 1, number=1, shop=1), event("cancel_asked", 1.5)]) is None
    assert first_search([ASKED, event("lapsed", 900)]) is None
