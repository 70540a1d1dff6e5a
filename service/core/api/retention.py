"""Retention for administrators: what the next run would delete, and what past runs deleted."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from service.core import sweeps
from service.core.access.auth import Actor, allow
from service.core.areas import retention_policies
from service.core.database import retention
from service.core.database.session import SYSTEM, transaction
from service.core.http.problem_responses import refusals

router = APIRouter(prefix="/api/core/retention", tags=["core"], responses=refusals(401, 403, 422, 503))


class Going(BaseModel):
    """Rows older than `before`, from `oldest` to `newest`; for partitions, from the first one's start to the last one's
    end, and `rows` as last estimated."""

    model_config = ConfigDict(from_attributes=True)

    before: datetime
    rows: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    partitions: list[str]


class PolicyItem(BaseModel):
    """`plan` is a dry run: what would be deleted now. Old records are deleted nightly, data without further use
    hourly."""

    target: str
    when: Literal["nightly", "hourly"]
    title: str
    keep_days: int
    plan: Going


class RunItem(Going):
    day: date
    target: str
    at: datetime


class Retention(BaseModel):
    policies: list[PolicyItem]
    runs: list[RunItem]


@router.get("")
def plan_and_past_runs(actor: Annotated[Actor, allow("core:system:read")]) -> Retention:
    """The plan and the last runs, newest first. Figures about whole tables, no personal data: read with system
    scope."""
    with transaction(SYSTEM) as db:
        nightly = [
            _item(policy.table, policy.title, "nightly", policy.keep(), retention.plan(db, policy))
            for policy in retention_policies()
        ]
        runs = [RunItem.model_validate(run) for run in retention.newest_runs(db)]
    # In transactions of their own: listing the file storage may take longer than a transaction may be open.
    hourly = [_item(sweep.target, sweep.title, "hourly", sweep.keep, sweeps.plan(sweep)) for sweep in sweeps.SWEEPS]
    return Retention(policies=nightly + hourly, runs=runs)


def _item(
    target: str, title: str, when: Literal["nightly", "hourly"], keep: timedelta, removal: retention.Removal
) -> PolicyItem:
    return PolicyItem(target=target, title=title, when=when, keep_days=keep.days, plan=Going.model_validate(removal))
