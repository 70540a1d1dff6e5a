"""Chart steps of the metrics, and when a day is summed up."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum

DAY = timedelta(days=1)
# A heartbeat received before midnight may be committed after it.
COMMIT_GRACE = timedelta(minutes=10)
# Days summed up in one run of the job; a longer backlog takes several runs.
MAX_DAYS_PER_RUN = 31
# Days older than the retention period are not summed up.
MAX_BACKLOG = timedelta(days=366)


class Hours(IntEnum):
    """The period of a metrics request, in hours."""

    DAY = 24
    WEEK = 168
    MONTH = 720
    YEAR = 8760


def chart_step(hours: Hours, interval_seconds: int) -> timedelta:
    """The time between two points of a chart. Never less than two heartbeat intervals, or the chart would show a gap
    where there is none; a day for a month or more."""
    if hours >= Hours.MONTH:
        return DAY
    finest = timedelta(minutes=10 if hours == Hours.DAY else 60)
    return max(finest, timedelta(seconds=2 * interval_seconds))
