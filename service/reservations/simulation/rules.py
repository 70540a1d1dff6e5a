"""Expected result of another order of shops. Pure functions, deterministic.

Each past search is replayed in the tried order: two rounds, each shop when it can be called. The answer of a shop in
the past search itself is reused (measured). An answer that was never given is estimated from all answers of the shop:
its success rate, corrected by the part of the day and by working days. After each call, the search continues with the
probability that no shop has agreed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import permutations
from math import sqrt

from service.core.values.times import SATURDAY, TOKYO
from service.reservations.state_machine.case import GIVE_UP_BEFORE, ROUND_PAUSE, ROUNDS
from service.reservations.state_machine.shop_search import PhoneLine, earliest_call

# Weight of the more general rate, in answers: smooths the rate of a shop with few answers.
PRIOR_WEIGHT = 6
# Hours at which the parts of the day begin.
DAY_PARTS = (0, 11, 14, 17)
# Default duration of a call.
DEFAULT_DURATION = timedelta(seconds=75)
# Up to this many shops, every order is tried; with more, the order by success rate and swaps of neighbours.
MAX_EXHAUSTIVE = 4
# The smallest differences that count: in the success rate, in calls per reservation, and in minutes.
MIN_SUCCESS_DIFFERENCE, MIN_CALLS_DIFFERENCE, MIN_MINUTES_DIFFERENCE = 0.005, 0.02, 0.1
# 95% confidence.
SIGMAS = 1.96
FAIR_MINIMUM, GOOD_MINIMUM = 10, 30


class Trust(StrEnum):
    """The reliability of a comparison."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class PastCall:
    """A past call. `takes`: the time until its result was known, including follow-up calls by staff."""

    shop: int
    at: datetime
    takes: timedelta
    is_ok: bool


@dataclass(frozen=True)
class PastSearch:
    """The past search of a reservation."""

    asked_at: datetime
    starts_at: datetime
    calls: tuple[PastCall, ...]

    @property
    def minutes(self) -> float | None:
        """Minutes until a shop agreed; None: no shop did."""
        last = self.calls[-1]
        return (last.at + last.takes - self.asked_at).total_seconds() / 60 if last.is_ok else None


@dataclass(frozen=True)
class Score:
    """`success`: success rate. `…_minutes`: until a shop agreed, for successful searches; None: none succeeded.
    `calls`: per reservation. `measured`: share of calls whose answer is known from the same reservation. `doubt`:
    standard error of `success` that comes from the estimated rates of shops."""

    success: float
    mean_minutes: float | None
    median_minutes: float | None
    calls: float
    measured: float
    doubt: float


@dataclass(frozen=True)
class ShopStatistics:
    """Answers of a shop: number of `calls`, and of these `ok`. `share`: estimated success rate."""

    calls: int
    ok: int
    share: float
    minutes: float


class CallStatistics:
    """Statistics of all shops from past calls."""

    def __init__(self, calls: Iterable[PastCall]) -> None:
        self._counts: dict[tuple[object, ...], list[int]] = {}
        self._lengths: dict[tuple[int, bool], list[timedelta]] = {}
        for call in calls:
            part, is_weekday = _time_slot(call.at)
            keys = ((), (call.shop,), (call.shop, "part", part), (call.shop, "works", is_weekday))
            for key in keys:
                count = self._counts.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += call.is_ok
            self._lengths.setdefault((call.shop, call.is_ok), []).append(call.takes)
        self.share = cache(self._share)
        self.length = cache(self._length)

    def of(self, shop: int) -> ShopStatistics:
        calls, ok = self._counts.get((shop,), (0, 0))
        lengths = [*self._lengths.get((shop, True), ()), *self._lengths.get((shop, False), ())]
        minutes = sum(lengths, timedelta()).total_seconds() / 60 / len(lengths) if lengths else 0.0
        return ShopStatistics(calls, ok, self._smoothed_rate((shop,), self._smoothed_rate((), 0.5)), minutes)

    def likely(self, shop: int, at: datetime) -> float:
        """Probability that the shop agrees when it is called at that time."""
        return self.share(shop, *_time_slot(at))

    def _share(self, shop: int, part: int, is_weekday: bool) -> float:
        shop_rate = self._smoothed_rate((shop,), self._smoothed_rate((), 0.5))
        by_part = self._smoothed_rate((shop, "part", part), shop_rate)
        by_day = self._smoothed_rate((shop, "works", is_weekday), shop_rate)
        return min(max(by_part * by_day / shop_rate, 0.01), 0.99)

    def _smoothed_rate(self, key: tuple[object, ...], general_rate: float) -> float:
        calls, ok = self._counts.get(key, (0, 0))
        return (ok + PRIOR_WEIGHT * general_rate) / (calls + PRIOR_WEIGHT)

    def _length(self, shop: int, is_ok: bool) -> tuple[timedelta, timedelta]:
        """Median duration of a call, and how much longer the mean is: some calls wait for staff."""
        lengths = sorted(self._lengths.get((shop, is_ok), ()))
        if not lengths:
            return DEFAULT_DURATION, timedelta()
        typical = lengths[len(lengths) // 2]
        return typical, sum(lengths, timedelta()) / len(lengths) - typical


def _time_slot(at: datetime) -> tuple[int, bool]:
    """Part of the day, and whether it is a weekday."""
    local = at.astimezone(TOKYO)
    return sum(local.hour >= begins for begins in DAY_PARTS), local.weekday() < SATURDAY


@dataclass
class _Totals:
    ok: float = 0.0
    calls: float = 0.0
    measured: float = 0.0
    # Minutes until a shop agreed with their probabilities; `extra_minutes`: additional waiting for staff, in total.
    minutes: list[tuple[float, float]] = field(default_factory=list)
    extra_minutes: float = 0.0
    estimated: dict[int, float] = field(default_factory=dict)


def actual_score(pasts: Sequence[PastSearch]) -> Score:
    """The score of the past searches as they happened."""
    minutes = sorted(past.minutes for past in pasts if past.minutes is not None)
    calls = sum(len(past.calls) for past in pasts)
    return Score(
        success=len(minutes) / len(pasts) if pasts else 0.0,
        mean_minutes=sum(minutes) / len(minutes) if minutes else None,
        median_minutes=_median([(value, 1.0) for value in minutes]),
        calls=calls / len(pasts) if pasts else 0.0,
        measured=1.0,
        doubt=0.0,
    )


def simulate(
    pasts: Sequence[PastSearch], order: Sequence[int], lines: Mapping[int, PhoneLine], statistics: CallStatistics
) -> Score:
    """The expected score of an order."""
    totals = _Totals()
    for past in pasts:
        _replay(past, order, lines, statistics, totals)
    count = len(pasts)
    variance = sum(
        weight**2 * shop_statistics.share * (1 - shop_statistics.share) / (shop_statistics.calls + PRIOR_WEIGHT)
        for weight, shop_statistics in ((weight, statistics.of(shop)) for shop, weight in totals.estimated.items())
    )
    return Score(
        success=totals.ok / count if count else 0.0,
        mean_minutes=_mean(totals),
        median_minutes=_median(totals.minutes),
        calls=totals.calls / count if count else 0.0,
        measured=totals.measured / totals.calls if totals.calls else 1.0,
        doubt=sqrt(variance) / count if count else 0.0,
    )


def _mean(totals: _Totals) -> float | None:
    if not totals.ok:
        return None
    return (sum(minutes * weight for minutes, weight in totals.minutes) + totals.extra_minutes) / totals.ok


def _replay(
    past: PastSearch, order: Sequence[int], lines: Mapping[int, PhoneLine], statistics: CallStatistics, totals: _Totals
) -> None:
    """Replays one search. After each call it continues with the remaining probability."""
    remaining, now, extra_total = 1.0, past.asked_at, timedelta()
    deadline = past.starts_at - GIVE_UP_BEFORE
    calls_by_shop = {shop: [call for call in past.calls if call.shop == shop] for shop in order}
    for round_number in range(ROUNDS):
        waiting = [shop for shop in order if not lines[shop].is_out]
        if round_number:
            now += ROUND_PAUSE
        while waiting and remaining > 0.001:
            shop, now = _next_shop(waiting, lines, now)
            waiting.remove(shop)
            if now >= deadline:
                return
            totals.calls += remaining
            calls = calls_by_shop[shop]
            if round_number < len(calls):
                call = calls[round_number]
                totals.measured += remaining
                probability, duration, duration_if_agreed = float(call.is_ok), call.takes, call.takes
                extra = extra_if_agreed = timedelta()
            else:
                probability = statistics.likely(shop, now)
                totals.estimated[shop] = totals.estimated.get(shop, 0.0) + remaining
                duration, extra = statistics.length(shop, False)
                duration_if_agreed, extra_if_agreed = statistics.length(shop, True)
            if probability:
                success = remaining * probability
                totals.ok += success
                totals.minutes.append(((now + duration_if_agreed - past.asked_at).total_seconds() / 60, success))
                totals.extra_minutes += success * (extra_total + extra_if_agreed).total_seconds() / 60
                remaining -= success
            now += duration
            extra_total += extra


def _next_shop(waiting: Sequence[int], lines: Mapping[int, PhoneLine], now: datetime) -> tuple[int, datetime]:
    """The first shop that can be called now, or the one that can be called earliest, and the time of its call."""
    best: tuple[int, datetime] | None = None
    for shop in waiting:
        free_at = earliest_call(lines[shop], now) or now
        if free_at <= now:
            return shop, now
        if best is None or free_at < best[1]:
            best = shop, free_at
    if best is None:
        raise ValueError("there is nobody to call")
    return best


def _median(weighted: Iterable[tuple[float, float]]) -> float | None:
    ordered = sorted(weighted)
    half = sum(weight for _, weight in ordered) / 2
    for minutes, weight in ordered:
        half -= weight
        if half <= 0:
            return minutes
    return None


def suggest_order(
    order: Sequence[int], statistics: CallStatistics, score: Callable[[tuple[int, ...]], Score]
) -> tuple[tuple[int, ...], Score]:
    """The order with the best expected score; the present one unless another is better."""
    best, best_score = tuple(order), score(tuple(order))
    candidates: Iterable[tuple[int, ...]]
    if len(order) <= MAX_EXHAUSTIVE:
        candidates = permutations(order)
    else:
        by_share = tuple(sorted(order, key=lambda shop: -statistics.of(shop).share))
        swapped = (
            (*by_share[:position], by_share[position + 1], by_share[position], *by_share[position + 2 :])
            for position in range(len(by_share) - 1)
        )
        candidates = (by_share, *swapped)
    for candidate in candidates:
        if candidate == best:
            continue
        candidate_score = score(candidate)
        if is_better(candidate_score, best_score):
            best, best_score = candidate, candidate_score
    return best, best_score


def is_better(score: Score, other: Score) -> bool:
    """Higher success rate; if equal, fewer calls; if equal, shorter time. Time is compared by the median: the mean
    depends on the few searches that waited for the next morning or for staff."""
    if abs(score.success - other.success) > MIN_SUCCESS_DIFFERENCE:
        return score.success > other.success
    if abs(score.calls - other.calls) > MIN_CALLS_DIFFERENCE:
        return score.calls < other.calls
    return (score.median_minutes or 0.0) < (other.median_minutes or 0.0) - MIN_MINUTES_DIFFERENCE


def rate_trust(count: int, score: Score, fewest: int) -> Trust:
    """`count`: number of reservations. `fewest`: known calls of the shop with the fewest."""
    if count < FAIR_MINIMUM or fewest < FAIR_MINIMUM:
        return Trust.POOR
    return Trust.GOOD if count >= GOOD_MINIMUM and fewest >= GOOD_MINIMUM and score.measured >= 0.5 else Trust.FAIR


def is_certain(score: Score, other: Score) -> bool:
    """Whether the difference in success is statistically significant."""
    return abs(score.success - other.success) > SIGMAS * sqrt(score.doubt**2 + other.doubt**2)
