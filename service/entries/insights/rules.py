"""What counts as late, unusual or forgotten: pure functions of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
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


def unusual_times(minutes: Sequence[int]) -> list[Unusual | None]:
    """Of each day's minute whether it is far from the middle of the other days; None too while those are few."""
    if len(minutes) <= DAYS_KNOWN:
        return [None] * len(minutes)
    places = sorted(range(len(minutes)), key=minutes.__getitem__)
    found: list[Unusual | None] = [None] * len(minutes)
    for rank, place in enumerate(places):
        off = round(minutes[place] - _middle_without(minutes, places, rank))
        if abs(off) * 60 >= FAR_OFF.total_seconds():
            found[place] = Unusual("late" if off > 0 else "early", abs(off))
    return found


def _middle_without(values: Sequence[int], places: Sequence[int], rank: int) -> float:
    """The median of all but the one of that rank. A year has many days: sorted once, not once for each."""
    others = len(places) - 1

    def nth(number: int) -> int:
        return values[places[number if number < rank else number + 1]]

    return (nth((others - 1) // 2) + nth(others // 2)) / 2


def unusual_people(people: Sequence[int]) -> list[Unusual | None]:
    """Of each fetching whether nobody but others fetched the child besides."""
    if len(people) <= FETCHINGS_KNOWN:
        return [None] * len(people)
    times = Counter(people)
    return [Unusual("other_person") if times[person] == 1 else None for person in people]


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
