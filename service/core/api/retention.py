"""What is kept how long: what would go tonight, and what went in past nights."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from service.core import retention, sweeps
from service.core.areas import policies
from service.core.auth import Actor, allow
from service.core.db import SYSTEM, transaction
from service.core.problems import RESPONSES

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (401, 403, 422, 503)}
router = APIRouter(prefix="/api/core/retention", tags=["core"], responses=_REFUSALS)


class Going(BaseModel):
    """Rows with times before `before`, from `oldest` to `newest`; for partitions, from where the first begins to where
    the last ends, and `rows` as last estimated."""

    model_config = ConfigDict(from_attributes=True)

    before: datetime
    rows: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    partitions: list[str]


class PolicyItem(BaseModel):
    """`plan` is a dry run: what would go if it were done now. By night go records, by the hour what is of no use any
    more."""

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
    """The plan and the newest runs, newest first. Figures about whole tables, nobody's data: seen by the system."""
    with transaction(SYSTEM) as db:
        by_night = [
            _item(policy.table, policy.title, "nightly", policy.keep(), retention.plan(db, policy))
            for policy in policies()
        ]
        runs = [RunItem.model_validate(run) for run in retention.newest_runs(db)]
    # In transactions of their own: looking through a storage of files may take longer than one may stand open.
    by_hour = [_item(one.target, one.title, "hourly", one.keep, sweeps.plan(one)) for one in sweeps.SWEEPS]
    return Retention(policies=by_night + by_hour, runs=runs)


def _item(
    target: str, title: str, when: Literal["nightly", "hourly"], keep: timedelta, going: retention.Going
) -> PolicyItem:
    return PolicyItem(target=target, title=title, when=when, keep_days=keep.days, plan=Going.model_validate(going))
