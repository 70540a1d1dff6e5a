"""Requests and responses of 監視."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, NotBlank
from service.reservations.alarms.rules import Case, Kind
from service.reservations.incidents.schemas import NewIncident

CheckState = Literal["fine", "high", "alarm", "unknown"]


class Check(BaseModel):
    """A 監視項目 of 4.1.1. `kind`: `alive` or an alarm's kind. `shown`: the figure as text, null when unknown; `state`:
    `high` is above the limit, but not for long enough; `since`: when the alarm began; `detail`: the parts of the
    figure."""

    kind: str
    title: str
    value: float | None
    shown: str | None
    limit: str
    every_minutes: int
    priority: str
    state: CheckState
    since: datetime | None
    detail: str


class State(BaseModel):
    """`is_measured`: the last minutes have measurements; `silent_jobs`: 定期処理 that do not run; `open`: the number of
    checks with an alarm."""

    as_of: datetime
    checks: list[Check]
    measured_at: datetime | None
    is_measured: bool
    silent_jobs: list[str]
    open: int


class Counts(BaseModel):
    as_of: datetime
    open: int


class Point(BaseModel):
    """Percentages and the backlog; null where nothing was measured."""

    at: datetime
    cpu: float | None
    memory: float | None
    queue: int | None
    errors: float | None


class Charts(BaseModel):
    as_of: datetime
    points: list[Point]


class AlarmItem(BaseModel):
    """`worst` and `latest` with their unit."""

    id: int
    kind: Kind
    text: str
    begun_at: datetime
    over_at: datetime | None
    worst: str
    latest: str
    detail: str


class Outage(BaseModel):
    start: datetime
    end: datetime
    words: str


class Outages(BaseModel):
    """The last 20 of this month; `total` counts all."""

    as_of: datetime
    items: list[Outage]
    total: int
    down_minutes: float


class ProposalItem(BaseModel):
    """`calm_at`: since when the figures are normal again."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: Case
    found_at: datetime
    title: str
    impact: str
    calm_at: datetime | None


class Proposals(BaseModel):
    as_of: datetime
    items: list[ProposalItem]


class Accepted(BaseModel):
    """The incident to open."""

    model_config = ConfigDict(extra="forbid")

    incident: NewIncident


class Dismissal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]


class Opened(BaseModel):
    incident_id: int
