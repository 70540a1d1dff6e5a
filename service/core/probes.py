"""What the watchdog saw: stored once however often it is delivered, and read as a month's availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Integer, String, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core import availability
from service.core.availability import Run, Stretch
from service.core.clock import real_now
from service.core.db import Base
from service.core.times import Month

# Of these both have to be known to say that all was well.
TARGETS = frozenset({"service", "dashboards"})
LONGEST_INTERVAL = timedelta(hours=1)


class Probe(Base):
    """`at` is the watchdog's own time; `every_seconds` how long it waits until the next probe."""

    __tablename__ = "probes"
    __table_args__ = (
        CheckConstraint("every_seconds BETWEEN 1 AND 3600", name="every"),
        CheckConstraint("latency_ms >= 0", name="latency"),
        CheckConstraint("ok = (down IS NULL)", name="words"),
    )

    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(String(32), primary_key=True)
    every_seconds: Mapped[int] = mapped_column(Integer)
    ok: Mapped[bool] = mapped_column(Boolean)
    latency_ms: Mapped[int] = mapped_column(Integer)
    down: Mapped[str | None] = mapped_column(String(500))


# Probes of one source and target that are all well or all not, without a break, as one run with its first words: a
# month has 170,000 probes and few runs. A run begins where the answer changes or where the one before no longer spoke.
# Older words ended with a program's own (ConnectionRefusedError), which is left out.
RUNS = text("""
WITH spoken AS (
    SELECT source, target, at, ok, down,
           least(lead(at) OVER each, at + 2 * every_seconds * interval '1 second') AS until
    FROM probes WHERE at >= :since AND at < :until
    WINDOW each AS (PARTITION BY source, target ORDER BY at)
), begun AS (
    SELECT *, (lag(at) OVER each IS NULL OR lag(ok) OVER each <> ok OR lag(until) OVER each < at)::int
              AS begins
    FROM spoken WINDOW each AS (PARTITION BY source, target ORDER BY at)
), numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY source, target ORDER BY at) AS run FROM begun
)
SELECT source, target, min(at) AS start, max(until) AS end,
       regexp_replace((array_agg(down ORDER BY at))[1], '（[A-Za-z]+）$', '') AS down
FROM numbered GROUP BY source, target, run ORDER BY start
""")


def store(db: Session, source: str, seen: Sequence[Mapping[str, Any]]) -> int:
    """How many were new. A repeated delivery changes nothing."""
    if not seen:
        return 0
    rows = insert(Probe).values([{"source": source, **one} for one in seen])
    return len(db.execute(rows.on_conflict_do_nothing().returning(Probe.target)).all())


def month_availability(db: Session, month: Month, now: datetime | None = None) -> dict[str, Any]:
    """The month up to now. Minutes are fractions; `percent` is of the time known, None
    when nothing is; `outages` and `gaps` (times without a probe) are in order, times in UTC."""
    start, end = month.bounds()
    end = max(start, min(end, now or real_now()))
    found = db.execute(RUNS, {"since": start - 2 * LONGEST_INTERVAL, "until": end}).mappings()
    parts = availability.stretches([Run(**row) for row in found], TARGETS, start, end)
    up, down, unknown = (availability.total(parts, state) for state in ("up", "down", "unknown"))
    return {
        "month": str(month),
        "start": start,
        "end": end,
        "up_minutes": _minutes(up),
        "down_minutes": _minutes(down),
        "unknown_minutes": _minutes(unknown),
        "percent": availability.percent(up, down),
        "target_minutes": _minutes(availability.TARGET),
        "within_target": down <= availability.TARGET,
        "outages": [_shown(part) | {"down": part.down} for part in parts if part.state == "down"],
        "gaps": [_shown(part) for part in parts if part.state == "unknown"],
    }


def _shown(part: Stretch) -> dict[str, Any]:
    return {"start": part.start, "end": part.end, "minutes": _minutes(part.length)}


def _minutes(length: timedelta) -> float:
    return round(length.total_seconds() / 60, 2)
