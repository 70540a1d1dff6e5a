"""What goes in and out of 監視 over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, NotBlank
from service.reservations.alarms.rules import Case, Kind
from service.reservations.incidents.schemas import NewIncident


class Check(BaseModel):
    """A 監視項目 of 4.1.1. `kind`: `alive` or one of the alarms'. `shown` is its figure in words, null when nobody can
    say; `state`: `high` is beyond the limit, but not for long enough; `since`: when it became wrong; `detail`: what the
    figure is made of."""

    kind: str
    title: str
    value: float | None
    shown: str | None
    limit: str
    every_minutes: int
    priority: str
    state: Literal["fine", "high", "alarm", "unknown"]
    since: datetime | None
    detail: str


class State(BaseModel):
    """`is_measured`: whether the last minutes were looked at; `silent_jobs`: 定期処理 that do not run; `open`: how many
    checks are wrong now."""

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
    """Percent, and how many things waited; null where nobody looked."""

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
    """Of this month, the last 20; `total` counts all."""

    as_of: datetime
    items: list[Outage]
    total: int
    down_minutes: float


class ProposalItem(BaseModel):
    """`calm_at`: since when the figures no longer speak for it."""

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
    """The incident as it is to be opened."""

    model_config = ConfigDict(extra="forbid")

    incident: NewIncident


class Dismissal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]


class Opened(BaseModel):
    incident_id: int
