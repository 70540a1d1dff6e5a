"""What another order of shops would have come to. Pure, and without dice: an expectation.

Each past reservation is looked for anew, in the order that is tried: two rounds, each shop when it can be called. What
a shop answered at that very reservation is taken as it was (measured). What it was never asked is expected from the
shop's own answers: its share of yes, corrected by the part of the day and by whether it was a working day (estimated).
A search goes on with the share that has found no shop yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import permutations
from math import sqrt

from service.core.times import SATURDAY, TOKYO
from service.reservations.cases.rules import GIVE_UP_BEFORE, ROUND_PAUSE, ROUNDS
from service.reservations.seeking.rules import Line, free

# So many answers of the next wider kind a share is weighed against: few answers of its own say little.
PRIOR = 6
# Parts of the day begin at these hours.
PARTS = (0, 11, 14, 17)
# Where nothing is known of how long a call lasts.
USUAL = timedelta(seconds=75)
# Up to so many shops every order is tried; of more, neighbours are exchanged as long as that is better.
ALL_ORDERS = 4
# In the share of success, in calls of a reservation, and in minutes: what is less is no difference.
WORTH, WORTH_CALLS, WORTH_MINUTES = 0.005, 0.02, 0.1
# Of 95 in 100 cases.
SIGMAS = 1.96
FEW, ENOUGH = 10, 30


class Trust(StrEnum):
    """How far a comparison can be relied on."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class Known:
    """A call that was made. `takes`: until it was clear, people's telephone calls included."""

    shop: int
    at: datetime
    takes: timedelta
    is_ok: bool


@dataclass(frozen=True)
class Past:
    """The search of a reservation as it was."""

    asked_at: datetime
    starts_at: datetime
    calls: tuple[Known, ...]

    @property
    def minutes(self) -> float | None:
        """Until a shop said yes; None: none did."""
        last = self.calls[-1]
        return (last.at + last.takes - self.asked_at).total_seconds() / 60 if last.is_ok else None


@dataclass(frozen=True)
class Score:
    """`minutes` until a shop agreed, of those whose search succeeded; None: none did. `calls` of a reservation. Of all
    calls `measured` were truly made at the same reservation, as a share. `doubt`: how far `success` may be off, as far
    as shares of shops are not known better."""

    success: float
    mean_minutes: float | None
    median_minutes: float | None
    calls: float
    measured: float
    doubt: float


@dataclass(frozen=True)
class Habit:
    """How a shop answers: `calls` and of these `ok`; `share`: with how many it is likely to agree."""

    calls: int
    ok: int
    share: float
    minutes: float


class Habits:
    """Of all shops, from the calls that were made."""

    def __init__(self, calls: Iterable[Known]) -> None:
        self._counts: dict[tuple[object, ...], list[int]] = {}
        self._lengths: dict[tuple[int, bool], list[timedelta]] = {}
        for call in calls:
            part, works = _when(call.at)
            keys = ((), (call.shop,), (call.shop, "part", part), (call.shop, "works", works))
            for key in keys:
                count = self._counts.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += call.is_ok
            self._lengths.setdefault((call.shop, call.is_ok), []).append(call.takes)
        self.share = cache(self._share)
        self.length = cache(self._length)

    def of(self, shop: int) -> Habit:
        calls, ok = self._counts.get((shop,), (0, 0))
        lengths = [*self._lengths.get((shop, True), ()), *self._lengths.get((shop, False), ())]
        minutes = sum(lengths, timedelta()).total_seconds() / 60 / len(lengths) if lengths else 0.0
        return Habit(calls, ok, self._weighed((shop,), self._weighed((), 0.5)), minutes)

    def likely(self, shop: int, at: datetime) -> float:
        """That it agrees when it is called then."""
        return self.share(shop, *_when(at))

    def _share(self, shop: int, part: int, works: bool) -> float:
        own = self._weighed((shop,), self._weighed((), 0.5))
        by_part = self._weighed((shop, "part", part), own)
        by_day = self._weighed((shop, "works", works), own)
        return min(max(by_part * by_day / own, 0.01), 0.99)

    def _weighed(self, key: tuple[object, ...], wider: float) -> float:
        calls, ok = self._counts.get(key, (0, 0))
        return (ok + PRIOR * wider) / (calls + PRIOR)

    def _length(self, shop: int, is_ok: bool) -> tuple[timedelta, timedelta]:
        """Of a usual call, and how much longer calls are on average: some wait for people."""
        lengths = sorted(self._lengths.get((shop, is_ok), ()))
        if not lengths:
            return USUAL, timedelta()
        usual = lengths[len(lengths) // 2]
        return usual, sum(lengths, timedelta()) / len(lengths) - usual


def _when(at: datetime) -> tuple[int, bool]:
    """Part of the day, and whether it is one on which most people work."""
    local = at.astimezone(TOKYO)
    return sum(local.hour >= begins for begins in PARTS), local.weekday() < SATURDAY


@dataclass
class _Sum:
    ok: float = 0.0
    calls: float = 0.0
    measured: float = 0.0
    # How long until a shop agreed, and the share that it is of; and what people take beyond that, of all together.
    minutes: list[tuple[float, float]] = field(default_factory=list)
    longer: float = 0.0
    guessed: dict[int, float] = field(default_factory=dict)


def actual(pasts: Sequence[Past]) -> Score:
    """What truly happened."""
    found = sorted(one.minutes for one in pasts if one.minutes is not None)
    calls = sum(len(one.calls) for one in pasts)
    return Score(
        success=len(found) / len(pasts) if pasts else 0.0,
        mean_minutes=sum(found) / len(found) if found else None,
        median_minutes=_median([(one, 1.0) for one in found]),
        calls=calls / len(pasts) if pasts else 0.0,
        measured=1.0,
        doubt=0.0,
    )


def tried(pasts: Sequence[Past], order: Sequence[int], lines: Mapping[int, Line], habits: Habits) -> Score:
    """What is to be expected of an order."""
    total = _Sum()
    for past in pasts:
        _live(past, order, lines, habits, total)
    count = len(pasts)
    variance = sum(
        weight**2 * habit.share * (1 - habit.share) / (habit.calls + PRIOR)
        for weight, habit in ((weight, habits.of(shop)) for shop, weight in total.guessed.items())
    )
    return Score(
        success=total.ok / count if count else 0.0,
        mean_minutes=_mean(total),
        median_minutes=_median(total.minutes),
        calls=total.calls / count if count else 0.0,
        measured=total.measured / total.calls if total.calls else 1.0,
        doubt=sqrt(variance) / count if count else 0.0,
    )


def _mean(total: _Sum) -> float | None:
    if not total.ok:
        return None
    return (sum(minutes * weight for minutes, weight in total.minutes) + total.longer) / total.ok


def _live(past: Past, order: Sequence[int], lines: Mapping[int, Line], habits: Habits, total: _Sum) -> None:
    """One search anew; what is left of it after each call goes on."""
    left, now, longer = 1.0, past.asked_at, timedelta()
    give_up = past.starts_at - GIVE_UP_BEFORE
    known = {shop: [call for call in past.calls if call.shop == shop] for shop in order}
    for turn in range(ROUNDS):
        waiting = [shop for shop in order if not lines[shop].is_out]
        if turn:
            now += ROUND_PAUSE
        while waiting and left > 0.001:
            shop, now = _next(waiting, lines, now)
            waiting.remove(shop)
            if now >= give_up:
                return
            total.calls += left
            calls = known[shop]
            if turn < len(calls):
                call = calls[turn]
                total.measured += left
                likely, lasts, ends = float(call.is_ok), call.takes, call.takes
                more = at_the_end = timedelta()
            else:
                likely = habits.likely(shop, now)
                total.guessed[shop] = total.guessed.get(shop, 0.0) + left
                lasts, more = habits.length(shop, False)
                ends, at_the_end = habits.length(shop, True)
            if likely:
                agreed = left * likely
                total.ok += agreed
                total.minutes.append(((now + ends - past.asked_at).total_seconds() / 60, agreed))
                total.longer += agreed * (longer + at_the_end).total_seconds() / 60
                left -= agreed
            now += lasts
            longer += more


def _next(waiting: Sequence[int], lines: Mapping[int, Line], now: datetime) -> tuple[int, datetime]:
    """The first that can be called now, or the one that can be called first."""
    best: tuple[int, datetime] | None = None
    for shop in waiting:
        moment = free(lines[shop], now) or now
        if moment <= now:
            return shop, now
        if best is None or moment < best[1]:
            best = shop, moment
    if best is None:
        raise ValueError("there is nobody to call")
    return best


def _median(weighed: Iterable[tuple[float, float]]) -> float | None:
    ordered = sorted(weighed)
    half = sum(weight for _, weight in ordered) / 2
    for minutes, weight in ordered:
        half -= weight
        if half <= 0:
            return minutes
    return None


def suggested(
    order: Sequence[int], habits: Habits, score: Callable[[tuple[int, ...]], Score]
) -> tuple[tuple[int, ...], Score]:
    """The order of which most is to be expected; the present one unless another is better."""
    best, best_score = tuple(order), score(tuple(order))
    offered: Iterable[tuple[int, ...]]
    if len(order) <= ALL_ORDERS:
        offered = permutations(order)
    else:
        by_share = tuple(sorted(order, key=lambda shop: -habits.of(shop).share))
        swapped = (
            (*by_share[:place], by_share[place + 1], by_share[place], *by_share[place + 2 :])
            for place in range(len(by_share) - 1)
        )
        offered = (by_share, *swapped)
    for one in offered:
        if one == best:
            continue
        found = score(one)
        if is_better(found, best_score):
            best, best_score = one, found
    return best, best_score


def is_better(one: Score, other: Score) -> bool:
    """More reservations succeed; or as many with fewer calls, or sooner. Of the minutes the median counts: the mean is
    made by the few that waited for a night to end or for people."""
    if abs(one.success - other.success) > WORTH:
        return one.success > other.success
    if abs(one.calls - other.calls) > WORTH_CALLS:
        return one.calls < other.calls
    return (one.median_minutes or 0.0) < (other.median_minutes or 0.0) - WORTH_MINUTES


def trust(count: int, score: Score, fewest: int) -> Trust:
    """`count`: reservations; `fewest`: calls that are known of the shop of which least is known."""
    if count < FEW or fewest < FEW:
        return Trust.POOR
    return Trust.GOOD if count >= ENOUGH and fewest >= ENOUGH and score.measured >= 0.5 else Trust.FAIR


def is_certain(one: Score, other: Score) -> bool:
    """Whether the difference in success is more than what is not known."""
    return abs(one.success - other.success) > SIGMAS * sqrt(one.doubt**2 + other.doubt**2)
