"""What counts as late, unusual or forgotten: pure functions of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta

from service.core.values.labels import Labelled

QUARTER = 15
# A day is unusual when its time differs by this much from the median of the other days. The median needs some days.
UNUSUAL_OFFSET = timedelta(minutes=90)
MIN_DAYS = 8
# Up to this many pick-ups say nothing about who usually comes.
MIN_PICKUPS = 8
MAX_PERIOD_DAYS = 366


class UnusualKind(Labelled):
    EARLY = "early", "いつもより早い"
    LATE = "late", "いつもより遅い"
    OTHER_PERSON = "other_person", "いつもと違う人のお迎え"
    FORGOTTEN = "forgotten", "「出」の記録がない"


def quarter_of_hour(minutes: int) -> str:
    """The quarter of an hour that contains the minute of the day: 08:15."""
    begins = minutes // QUARTER * QUARTER
    return f"{begins // 60:02}:{begins % 60:02}"


def minute_of_day(clock: time) -> int:
    return clock.hour * 60 + clock.minute


@dataclass(frozen=True)
class Unusual:
    """`by`: minutes between this time and the median of the other days."""

    kind: UnusualKind
    by: int = 0


def unusual_times(minutes: Sequence[int]) -> list[Unusual | None]:
    """For each day's minute: Unusual when it is far from the median of the other days. None also for too few days."""
    if len(minutes) <= MIN_DAYS:
        return [None] * len(minutes)
    order = sorted(range(len(minutes)), key=minutes.__getitem__)
    result: list[Unusual | None] = [None] * len(minutes)
    for rank, index in enumerate(order):
        offset = round(minutes[index] - _median_without(minutes, order, rank))
        if abs(offset) * 60 >= UNUSUAL_OFFSET.total_seconds():
            result[index] = Unusual(UnusualKind.LATE if offset > 0 else UnusualKind.EARLY, abs(offset))
    return result


def _median_without(values: Sequence[int], order: Sequence[int], rank: int) -> float:
    """The median of all values but the one of that rank. `order` is sorted once, not once for each day."""
    count = len(order) - 1

    def nth(number: int) -> int:
        return values[order[number if number < rank else number + 1]]

    return (nth((count - 1) // 2) + nth(count // 2)) / 2


def unusual_pickups(parent_ids: Sequence[int]) -> list[Unusual | None]:
    """For each pick-up: Unusual when this parent came only this once."""
    if len(parent_ids) <= MIN_PICKUPS:
        return [None] * len(parent_ids)
    counts = Counter(parent_ids)
    return [Unusual(UnusualKind.OTHER_PERSON) if counts[parent_id] == 1 else None for parent_id in parent_ids]
