"""How many requests were answered, how many of them failed, how long they took: by minute, over all replicas.

A process counts in memory and adds its sums to the database every few seconds: a request pays nothing for it. What a
killed process had not added yet is lost; figures over minutes do not need it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, func, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.clock import real_now
from service.core.db import Base

# Upper ends of the buckets of time to answer, milliseconds; the last bucket has none.
BUCKETS_MS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
# An error rate of fewer requests says nothing.
ENOUGH_REQUESTS = 50
KEPT = timedelta(days=35)


class TrafficMinute(Base):
    """Requests that ended in this minute; `buckets` counts them by time to answer."""

    __tablename__ = "traffic_minutes"

    minute: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    buckets: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


@dataclass
class _Sums:
    requests: int = 0
    errors: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))


class Counting:
    """The counts of this process that are not in the database yet."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._sums: dict[datetime, _Sums] = defaultdict(_Sums)

    def count(self, status: int, seconds: float) -> None:
        """An answer; those from 500 on are errors."""
        minute = real_now().replace(second=0, microsecond=0)
        place = next((n for n, end in enumerate(BUCKETS_MS) if seconds * 1000 <= end), len(BUCKETS_MS))
        with self._guard:
            sums = self._sums[minute]
            sums.requests += 1
            sums.errors += status >= 500
            sums.buckets[place] += 1

    def take(self) -> dict[datetime, _Sums]:
        with self._guard:
            taken, self._sums = self._sums, defaultdict(_Sums)
        return taken

    def give_back(self, taken: dict[datetime, _Sums]) -> None:
        """What could not be written counts with the next attempt."""
        with self._guard:
            for minute, sums in taken.items():
                mine = self._sums[minute]
                mine.requests += sums.requests
                mine.errors += sums.errors
                mine.buckets = [a + b for a, b in zip(mine.buckets, sums.buckets, strict=True)]


COUNTING = Counting()

_ADD = text(
    "INSERT INTO traffic_minutes AS t VALUES (:minute, :requests, :errors, :buckets) "
    "ON CONFLICT (minute) DO UPDATE SET requests = t.requests + excluded.requests, "
    "errors = t.errors + excluded.errors, "
    "buckets = ARRAY(SELECT a + b FROM unnest(t.buckets, excluded.buckets) WITH ORDINALITY AS u (a, b, n) ORDER BY n)"
)


def write(db: Session, taken: dict[datetime, _Sums]) -> None:
    """Adds sums to their minutes, in the order of time, so that two replicas never wait for one another in a ring."""
    for minute in sorted(taken):
        sums = taken[minute]
        db.execute(
            _ADD,
            {"minute": minute, "requests": sums.requests, "errors": sums.errors, "buckets": sums.buckets},
        )


@dataclass(frozen=True)
class Traffic:
    """`error_rate` (0 to 1) is None under ENOUGH_REQUESTS; `p95_ms` is the upper end of the bucket it falls in, None
    when there were no requests or it is beyond the last end."""

    requests: int
    errors: int
    error_rate: float | None
    p95_ms: int | None


def recent(db: Session, minutes: int = 5) -> Traffic:
    """The last whole and the current minute together span `minutes`."""
    rows = db.scalars(select(TrafficMinute).where(TrafficMinute.minute > func.now() - timedelta(minutes=minutes))).all()
    requests, errors = sum(row.requests for row in rows), sum(row.errors for row in rows)
    buckets = [sum(column) for column in zip(*(row.buckets for row in rows), strict=True)]
    return Traffic(requests, errors, errors / requests if requests >= ENOUGH_REQUESTS else None, _p95(buckets))


def _p95(buckets: list[int]) -> int | None:
    wanted, seen = sum(buckets) * 0.95, 0
    for count, end in zip(buckets, BUCKETS_MS, strict=False):
        seen += count
        if count and seen >= wanted:
            return end
    return None
