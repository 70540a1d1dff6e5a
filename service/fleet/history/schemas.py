"""Response models of a terminal's metrics and timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.fleet.history.rules import Hours
from service.fleet.rules import AlertType, Status


class Happening(BaseModel):
    """An event in the history of a terminal. `source` tells where `kind` comes from: the terminal's own log (`status`,
    `archived`, `maintenance_started`…), an alert (`alert_opened`, `alert_resolved`), or an incident's events
    (`acknowledged`, `note`, `step`…). `by`: who did it; null when it was only observed."""

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
    """Seconds in each status; their sum is the part of the day for which the terminal was registered. `closed`: offline
    outside the learned opening hours."""

    online: int
    offline: int
    error: int
    maintenance: int
    closed: int


class Reading(BaseModel):
    """The heartbeats between `at` and one step later; usages in percent, null without a heartbeat. `seconds` only for
    past days."""

    at: datetime
    heartbeats: int
    cpu_average: int | None
    cpu_highest: int | None
    memory_average: int | None
    memory_highest: int | None
    disk_highest: int | None
    seconds: Seconds | None


class Metrics(BaseModel):
    """One point for each step, steps without a heartbeat included, so that the chart shows the gap."""

    hours: Hours
    step_seconds: int
    points: list[Reading]
