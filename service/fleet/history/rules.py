"""How finely the past is shown, and when a day is summed up."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum

DAY = timedelta(days=1)
# A heartbeat that came in before midnight may be committed after it.
SETTLED = timedelta(minutes=10)
# Days summed up at one tick; a longer backlog takes several.
MOST_DAYS = 31
# Where there are no terminals yet, there is nothing to sum up; a backlog longer than what is kept is none.
LONGEST_BACKLOG = timedelta(days=366)


class Hours(IntEnum):
    """How far back readings are asked for."""

    DAY = 24
    WEEK = 168
    MONTH = 720
    YEAR = 8760


def step(hours: Hours, interval_seconds: int) -> timedelta:
    """How much time one point of a chart stands for. Never less than two heartbeats are apart, or a gap would be
    shown where there is none; from a month on, a day."""
    if hours >= Hours.MONTH:
        return DAY
    finest = timedelta(minutes=10 if hours == Hours.DAY else 60)
    return max(finest, timedelta(seconds=2 * interval_seconds))
