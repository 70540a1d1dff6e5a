"""Watchdogs' probes: each is stored once, however often it is delivered, and read as a month's availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Integer, String, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.clock import real_now
from service.core.database.session import Base
from service.core.monitoring import availability, schemas
from service.core.monitoring.availability import Run
from service.core.values import labels
from service.core.values.times import Month

# The product is up only while both are known to be up.
TARGETS = labels.table("core", "ProbeTarget", {"service": "データサービス", "dashboards": "画面"})
MAX_INTERVAL = timedelta(hours=1)


class Probe(Base):
    """`at` is the watchdog's own time, `every_seconds` its interval between probes."""

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


# Consecutive probes of one source and target with the same result, as one run with its first reason: a month has
# 170,000 probes and few runs. A run begins where the result changes or where the probe before is no longer valid.
# Older reasons ended with the name of an exception (ConnectionRefusedError), which is removed.
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


def store(db: Session, source: str, probes: Sequence[Mapping[str, Any]]) -> int:
    """Returns how many were new. A repeated delivery changes nothing."""
    if not probes:
        return 0
    rows = insert(Probe).values([{"source": source, **probe} for probe in probes])
    return len(db.execute(rows.on_conflict_do_nothing().returning(Probe.target)).all())


def month_availability(db: Session, month: Month, now: datetime | None = None) -> schemas.Availability:
    """The month up to now. Minutes are fractions; `percent` is of the known time, None when none is known; `outages`
    and `gaps` (periods without a valid probe) are in order, times are UTC."""
    start, end = month.bounds()
    end = max(start, min(end, now or real_now()))
    run_rows = db.execute(RUNS, {"since": start - 2 * MAX_INTERVAL, "until": end}).mappings()
    periods = availability.timeline([Run(**row) for row in run_rows], TARGETS.keys(), start, end)
    up, down, unknown = (availability.total(periods, state) for state in ("up", "down", "unknown"))
    return schemas.Availability(
        month=str(month),
        start=start,
        end=end,
        up_minutes=_minutes(up),
        down_minutes=_minutes(down),
        unknown_minutes=_minutes(unknown),
        percent=availability.percent(up, down),
        target_minutes=_minutes(availability.MAX_DOWNTIME),
        within_target=down <= availability.MAX_DOWNTIME,
        outages=[
            schemas.Outage(start=period.start, end=period.end, minutes=_minutes(period.length), down=dict(period.down))
            for period in periods
            if period.state == "down"
        ],
        gaps=[
            schemas.Gap(start=period.start, end=period.end, minutes=_minutes(period.length))
            for period in periods
            if period.state == "unknown"
        ],
    )


def _minutes(length: timedelta) -> float:
    return round(length.total_seconds() / 60, 2)
