"""What goes out of the history's doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.fleet.history.rules import Hours
from service.fleet.rules import AlertType, Status


class Happening(BaseModel):
    """Something that happened to a terminal. `source` says what `kind` is a kind of: the terminal's own log (`status`,
    `archived`, `maintenance_started`…), an alert (`alert_opened`, `alert_resolved`), or what was done about an incident
    (`acknowledged`, `note`, `step`…). `by` is who did it, null for what was only observed."""

    at: datetime
    source: Literal["log", "alert", "incident"]
    kind: str
    status: Status | None
    alert_type: AlertType | None
    incident_id: int | None
    text: str | None
    by: str | None
    detail: dict[str, Any] | None


class Timeline(BaseModel):
    """Newest first; `next_cursor` is null on the last page."""

    items: list[Happening]
    next_cursor: str | None


class Seconds(BaseModel):
    """Time spent in each status; together the part of the day for which the terminal was registered. `closed`: offline
    outside of the learned opening hours."""

    online: int
    offline: int
    error: int
    maintenance: int
    closed: int


class Reading(BaseModel):
    """What was reported between `at` and a step later; usages in percent, null where nothing was. `seconds` only for
    days that are over."""

    at: datetime
    heartbeats: int
    cpu_average: int | None
    cpu_highest: int | None
    memory_average: int | None
    memory_highest: int | None
    disk_highest: int | None
    seconds: Seconds | None


class Metrics(BaseModel):
    """One point for each step, those without a heartbeat included: a gap stays a gap."""

    hours: Hours
    step_seconds: int
    points: list[Reading]
