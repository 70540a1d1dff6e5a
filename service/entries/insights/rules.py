"""What counts as late, unusual or forgotten: pure functions of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from statistics import median
from typing import Literal

QUARTER = 15
# A day is unusual when it lies further than this from the child's own middle, which takes some days to know.
FAR_OFF = timedelta(minutes=90)
DAYS_KNOWN = 8
# Of so many fetchings by the same few, one by somebody else is pointed out.
FETCHINGS_KNOWN = 8
LONGEST_PERIOD = 366

Oddity = Literal["early", "late", "other_person", "forgotten"]
ODDITY_WORDS: dict[Oddity, str] = {
    "early": "いつもより早い",
    "late": "いつもより遅い",
    "other_person": "いつもと違う人のお迎え",
    "forgotten": "「出」の記録がない",
}


def quarter(minutes: int) -> str:
    """The quarter of an hour that the minute of the day lies in: 08:15."""
    begins = minutes // QUARTER * QUARTER
    return f"{begins // 60:02}:{begins % 60:02}"


def minutes_of(clock: time) -> int:
    return clock.hour * 60 + clock.minute


@dataclass(frozen=True)
class Unusual:
    """`by`: how far off the middle of the child's other days, in minutes."""

    kind: Oddity
    by: int = 0


def unusual_time(minutes: int, others: Sequence[int]) -> Unusual | None:
    """Whether this minute of the day is far from the middle of the child's other days; None too while those are few."""
    if len(others) < DAYS_KNOWN:
        return None
    off = round(minutes - median(others))
    if abs(off) * 60 < FAR_OFF.total_seconds():
        return None
    return Unusual("late" if off > 0 else "early", abs(off))


def unusual_person(person: int, others: Sequence[int]) -> Unusual | None:
    """Whether nobody but others fetched the child so far."""
    if len(others) < FETCHINGS_KNOWN or person in others:
        return None
    return Unusual("other_person")
