"""Traffic figures by minute, over all replicas: requests answered, errors, and time to answer.

A process counts in memory and adds its sums to the database every few seconds, so that a request costs nothing more.
What a killed process had not added is lost, which does not matter for figures over minutes.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, func, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.clock import real_now
from service.core.database.session import Base

# Upper ends of the buckets of time to answer, milliseconds; the last bucket has none.
BUCKETS_MS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
# With fewer requests there is no error rate.
ENOUGH_REQUESTS = 50
LIFETIME = timedelta(days=35)


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


class TrafficCounter:
    """This process's counts that are not in the database yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[datetime, _Sums] = defaultdict(_Sums)

    def count(self, status: int, seconds: float) -> None:
        """Counts an answer; statuses from 500 on are errors."""
        minute = real_now().replace(second=0, microsecond=0)
        bucket = next((n for n, end in enumerate(BUCKETS_MS) if seconds * 1000 <= end), len(BUCKETS_MS))
        with self._lock:
            sums = self._sums[minute]
            sums.requests += 1
            sums.errors += status >= 500
            sums.buckets[bucket] += 1

    def take(self) -> dict[datetime, _Sums]:
        with self._lock:
            sums_by_minute, self._sums = self._sums, defaultdict(_Sums)
        return sums_by_minute

    def give_back(self, sums_by_minute: dict[datetime, _Sums]) -> None:
        """Adds sums that could not be written to those of the next write."""
        with self._lock:
            for minute, sums in sums_by_minute.items():
                own_sums = self._sums[minute]
                own_sums.requests += sums.requests
                own_sums.errors += sums.errors
                own_sums.buckets = [a + b for a, b in zip(own_sums.buckets, sums.buckets, strict=True)]


TRAFFIC_COUNTER = TrafficCounter()

_ADD = text(
    "INSERT INTO traffic_minutes AS t VALUES (:minute, :requests, :errors, :buckets) "
    "ON CONFLICT (minute) DO UPDATE SET requests = t.requests + excluded.requests, "
    "errors = t.errors + excluded.errors, "
    "buckets = ARRAY(SELECT a + b FROM unnest(t.buckets, excluded.buckets) WITH ORDINALITY AS u (a, b, n) ORDER BY n)"
)


def write(db: Session, sums_by_minute: dict[datetime, _Sums]) -> None:
    """Adds the sums to their minutes, in the order of time, so that two replicas cannot deadlock."""
    for minute in sorted(sums_by_minute):
        sums = sums_by_minute[minute]
        db.execute(
            _ADD,
            {"minute": minute, "requests": sums.requests, "errors": sums.errors, "buckets": sums.buckets},
        )


@dataclass(frozen=True)
class Traffic:
    """`error_rate` (0 to 1) is None with fewer than ENOUGH_REQUESTS; `p95_ms` is the upper end of its bucket, None when
    there were no requests or it is in the last bucket."""

    requests: int
    errors: int
    error_rate: float | None
    p95_ms: int | None


def recent_traffic(db: Session, minutes: int = 5) -> Traffic:
    """Traffic of the last `minutes`, the current minute included."""
    rows = db.scalars(select(TrafficMinute).where(TrafficMinute.minute > func.now() - timedelta(minutes=minutes))).all()
    requests, errors = sum(row.requests for row in rows), sum(row.errors for row in rows)
    buckets = [sum(column) for column in zip(*(row.buckets for row in rows), strict=True)]
    return Traffic(requests, errors, errors / requests if requests >= ENOUGH_REQUESTS else None, _p95(buckets))


def _p95(buckets: list[int]) -> int | None:
    target, counted = sum(buckets) * 0.95, 0
    for count, end in zip(buckets, BUCKETS_MS, strict=False):
        counted += count
        if count and counted >= target:
            return end
    return None
