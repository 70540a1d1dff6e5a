"""The state of the system, its availability, and what the backup program reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.core.values.messages import WrongField, described
from service.core.values.texts import Instant


class Database(BaseModel):
    version: str
    size_bytes: int
    connections: int
    connections_allowed: int
    started_at: AwareDatetime


class Replica(BaseModel):
    """The replica for reads that may lag, as the answering process sees it. `state`: "ok", "late" (its lag is above
    `limit_seconds`), "away" (unreachable), "other" (it replays nothing: promoted, or the primary itself) or "off" (not
    checked yet); in all but the first the primary answers. `behind_seconds` is null when the lag is unknown."""

    state: Literal["ok", "late", "away", "other", "off"]
    behind_seconds: float | None
    limit_seconds: float


class Broker(BaseModel):
    """`waiting`: queued ticks that no worker has taken yet."""

    name: str
    version: str
    memory_bytes: int
    started_at: AwareDatetime
    waiting: int


class InstanceItem(BaseModel):
    """A process of the service or the jobs. `cpu_percent` is of one core; `host_…` percentages are of its machine."""

    name: str
    host: str
    pid: int
    started_at: AwareDatetime
    seen_at: AwareDatetime
    is_there: bool
    cpu_percent: float
    memory_bytes: int
    host_cpu_percent: float
    host_memory_percent: float
    host_disk_percent: float


class JobItem(BaseModel):
    name: str
    title: str
    every_seconds: int
    last_at: AwareDatetime | None
    is_late: bool
    remedy: str


class Outbox(BaseModel):
    waiting: int
    retrying: int
    dead: int
    oldest_waiting_at: AwareDatetime | None


class Minute(BaseModel):
    minute: AwareDatetime
    requests: int
    errors: int


class Traffic(BaseModel):
    """The last five minutes: `error_rate` from 0 to 1, null for too few requests; `p95_ms` an upper bound, null when
    unknown. `minutes`: the last hour; a minute without requests is missing."""

    requests: int
    errors: int
    error_rate: float | None
    p95_ms: int | None
    minutes: list[Minute]


class LastBackup(BaseModel):
    """`kept`: how many daily backups there were after it."""

    at: AwareDatetime
    seconds: float
    bytes: int
    kept: int


class Rehearsal(BaseModel):
    """The last rehearsal: a test restore of a backup and a comparison of the result, and how long it took. `is_slow`:
    longer than a restore may take; `is_late`: the next rehearsal is overdue."""

    at: AwareDatetime
    ok: bool
    seconds: float
    is_slow: bool
    is_late: bool


class Backups(BaseModel):
    """The daily backup. `expected`: false when another system makes the backups; `last` is the newest successful one,
    `failed`: the newest try failed."""

    expected: bool
    last: LastBackup | None
    tried_at: AwareDatetime | None
    failed: bool
    is_late: bool
    rehearsal: Rehearsal | None


class SystemState(BaseModel):
    """`redis` is null when it cannot be reached, `replica` when there is none."""

    as_of: datetime
    database: Database
    replica: Replica | None
    redis: Broker | None
    instances: list[InstanceItem]
    jobs: list[JobItem]
    outbox: Outbox
    traffic: Traffic
    backup: Backups


class Gap(BaseModel):
    start: datetime
    end: datetime
    minutes: float


class Outage(Gap):
    """`down`: target → the first reason that a watchdog reported."""

    down: dict[str, str]


class Availability(BaseModel):
    """`percent` is of the time with known state; null when none is known. Months are Tokyo's, times are UTC."""

    month: str
    start: datetime
    end: datetime
    up_minutes: float
    down_minutes: float
    unknown_minutes: float
    percent: float | None
    target_minutes: float
    within_target: bool
    outages: list[Outage]
    gaps: list[Gap]


# The machine that reports.
Source = Annotated[
    str,
    Field(
        pattern=described(
            r"^[A-Za-z0-9._-]{1,64}$",
            "半角の英数字・ピリオド・下線・ハイフンの64文字以内で指定してください（例: db-1）。",
        )
    ),
]


class BackupReport(BaseModel):
    """(source, at) is stored once, however often it is sent. `bytes`: of the whole backup; null when it failed. `kind`:
    a backup, or a rehearsal (a test restore)."""

    model_config = ConfigDict(extra="forbid")

    source: Source
    at: Instant
    seconds: Annotated[float, Field(ge=0, lt=1e9)]
    ok: bool
    bytes: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    kept: Annotated[int, Field(ge=0, lt=2**31)]
    kind: Literal["backup", "rehearsal"] = "backup"

    @model_validator(mode="after")
    def _size_when_ok(self) -> BackupReport:
        if self.ok == (self.bytes is None):
            raise WrongField("bytes", "bytes には、ok が true のときだけ大きさを指定してください。")
        return self
