"""Service targets: until when something has to be done, fixed at its start, and the state of that now.

An area declares its targets in its rules and stores the time from `due_at` in a column of the item: a holiday that is
added later, or a target that is changed later, must not move a promised time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.values.working_time import Calendar, CalendarName, add_working_time, working_time_between

# A target is near in the last quarter of its span.
NEAR = 4


class State(StrEnum):
    RUNNING = "running"
    NEAR = "near"
    OVERDUE = "overdue"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True)
class Target:
    """`span` in the time of the named calendar, counted from a start that the area defines (detection, the step
    before)."""

    key: str
    span: timedelta
    calendar: CalendarName = "always"

    def due_at(self, start: datetime, calendar: Calendar) -> datetime:
        """The due time in UTC. `calendar` is the calendar of this target, with the holidays as known at `start`."""
        return add_working_time(start, self.span, calendar)


@dataclass(frozen=True)
class Reading:
    """`remaining` is in the calendar's time until it is due, negative when late; for what is done, at the time when it
    was done."""

    state: State
    remaining: timedelta

    @property
    def left_seconds(self) -> int:
        return int(self.remaining.total_seconds())


def read(
    target: Target, due_at: datetime, now: datetime, calendar: Calendar, done_at: datetime | None = None
) -> Reading:
    """The state of a target at `now`. Exactly on time counts as met."""
    remaining = working_time_between(done_at or now, due_at, calendar)
    is_late = (done_at or now) > due_at
    if done_at is not None:
        return Reading(State.MISSED if is_late else State.MET, remaining)
    if is_late:
        return Reading(State.OVERDUE, remaining)
    return Reading(State.NEAR if remaining * NEAR <= target.span else State.RUNNING, remaining)
