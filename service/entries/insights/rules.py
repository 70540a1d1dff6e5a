"""What counts as late, unusual or forgotten: pure functions of times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from statistics import median
from typing import Any, Literal

from service.core.times import TOKYO
from service.entries.rules import TYPE_WORDS, EntryType

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
_HEADER = ("日付", "時刻", "保護者名", "関連園児名")
LATE_TITLE, UNUSUAL_TITLE = "閉園後のお迎え", "いつもと違う入退"
LATE_HEADER = (*_HEADER, "閉園からの分数")
UNUSUAL_HEADER = (*_HEADER, "入/出", "理由", "いつもとの差（分）")


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


def late_rows(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for late in found:
        yield (*_who_and_when(late), str(late["minutes"]))


def unusual_rows(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for odd in found:
        off = str(odd["minutes"]) if odd["minutes"] else ""
        yield (*_who_and_when(odd), TYPE_WORDS[EntryType(odd["entry_type"])], ODDITY_WORDS[odd["kind"]], off)


def _who_and_when(row: Mapping[str, Any]) -> tuple[str, ...]:
    at = row["at"].astimezone(TOKYO)
    return f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", row["parent_name"], "、".join(row["child_names"])
