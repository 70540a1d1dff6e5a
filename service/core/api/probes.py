"""The route for watchdogs' probes, and a month's availability from these."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.core.access.auth import Actor, allow
from service.core.access.machines import authenticate_machine
from service.core.database.clock import real_now
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.monitoring import probes
from service.core.monitoring.schemas import Availability, Source
from service.core.routing.replica_reads import ReadDb
from service.core.values.messages import WrongField, described
from service.core.values.texts import NO_NUL, Instant
from service.core.values.times import month_of, parse_month

router = APIRouter(prefix="/api/core/probes", tags=["system"])
MONTH = described(r"^20\d{2}-(0[1-9]|1[0-2])$", "年月を 2026-11 の形で指定してください。")
TARGET = described(
    r"^[a-z][a-z0-9-]{0,31}$",
    "半角の小文字の英字で始まる、英数字・ハイフンの32文字以内で指定してください（例: service）。",
)


class Probe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at: Instant
    target: Annotated[str, Field(pattern=TARGET)]
    every_seconds: Annotated[int, Field(ge=1, le=3600)]
    ok: bool
    latency_ms: Annotated[int, Field(ge=0, lt=2**31)]
    down: Annotated[str | None, Field(min_length=1, max_length=500, pattern=NO_NUL)] = None

    @model_validator(mode="after")
    def _words_when_down(self) -> Probe:
        if self.ok == (self.down is not None):
            raise WrongField("down", "down には、ok が false のときだけ理由を指定してください。")
        return self


class Delivery(BaseModel):
    """The probes of one watchdog; (source, at, target) is stored once, however often it is sent."""

    model_config = ConfigDict(extra="forbid")

    source: Source
    probes: Annotated[list[Probe], Field(max_length=500)]


class Delivered(BaseModel):
    stored: int


@router.post(
    "",
    dependencies=[Depends(authenticate_machine)],
    responses=refusals(400, 401, 422, 503),
)
def deliver(db: Db, delivery: Delivery) -> Delivered:
    """For watchdogs, which authenticate with WATCHDOG_TOKEN."""
    return Delivered(stored=probes.store(db, delivery.source, [probe.model_dump() for probe in delivery.probes]))


@router.get("/availability", responses=refusals(401, 403, 422, 503))
def availability(
    actor: Annotated[Actor, allow("core:system:read")],
    db: ReadDb,
    month: Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM; without it, this month")] = None,
) -> Availability:
    """Availability in a Tokyo month, compared with the target."""
    selected_month = parse_month(month) if month else month_of(real_now())
    return probes.month_availability(db, selected_month)
