"""システム状態: for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel

from service.core import system
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.problems import RESPONSES

router = APIRouter(
    prefix="/api/core", tags=["core"], responses={status: RESPONSES[status] for status in (400, 401, 403, 503)}
)


class Database(BaseModel):
    version: str
    size_bytes: int
    connections: int
    connections_allowed: int
    started_at: AwareDatetime


class Replica(BaseModel):
    """What answers that may lag are read from, as the process sees it that answers this. `state`: "ok", "late" (further
    behind than `limit_seconds`), "away", "other" (it replays nothing: promoted, or the primary itself) or "off" (not
    looked at yet); in all but the first the primary answers. `behind_seconds` is null when nobody knows."""

    state: Literal["ok", "late", "away", "other", "off"]
    behind_seconds: float | None
    limit_seconds: float


class Broker(BaseModel):
    """`waiting`: ticks that no worker has taken yet."""

    name: str
    version: str
    memory_bytes: int
    started_at: AwareDatetime
    waiting: int


class InstanceItem(BaseModel):
    """A process of the service or the jobs. Percentages of one core, and of its machine."""

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
    """The newest try to restore a backup and to compare what came back, and how long it took. `is_slow`: longer than a
    restore may take; `is_late`: there should have been another."""

    at: AwareDatetime
    ok: bool
    seconds: float
    is_slow: bool
    is_late: bool


class Backups(BaseModel):
    """The daily backup. `expected`: unless somebody else takes them; `last` is the newest that succeeded, `failed` says
    that the newest try did not."""

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


@router.get("/system")
def state(actor: Annotated[Actor, allow("core:system:read")], db: Db) -> SystemState:
    return SystemState.model_validate(system.state(db))
