"""Target clocks: until when something has to be done, fixed when it begins, and how that stands now.

An area declares its targets in its rules and keeps the moment that `due_at` gives in a column of the item: a holiday
added later, or a target changed later, must not move what people were promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.calendar import Calendar, Name, add_working_time, working_time_between

# The last quarter of the span is the time to hurry.
NEAR = 4


class State(StrEnum):
    RUNNING = "running"
    NEAR = "near"
    OVERDUE = "overdue"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True)
class Target:
    """`span` of the named calendar's time, counted from what the area says (detection, the step before)."""

    key: str
    span: timedelta
    calendar: Name = "always"

    def due_at(self, start: datetime, calendar: Calendar) -> datetime:
        """In UTC. `calendar` is the one of this target's name, with the holidays known at `start`."""
        return add_working_time(start, self.span, calendar)


@dataclass(frozen=True)
class Reading:
    """`remaining` is in the calendar's time: until it is due, negative when late; for what is done, as of then."""

    state: State
    remaining: timedelta


def read(
    target: Target, due_at: datetime, now: datetime, calendar: Calendar, done_at: datetime | None = None
) -> Reading:
    """How a target stands at `now`. Exactly on time is in time."""
    remaining = working_time_between(done_at or now, due_at, calendar)
    late = (done_at or now) > due_at
    if done_at is not None:
        return Reading(State.MISSED if late else State.MET, remaining)
    if late:
        return Reading(State.OVERDUE, remaining)
    return Reading(State.NEAR if remaining * NEAR <= target.span else State.RUNNING, remaining)
