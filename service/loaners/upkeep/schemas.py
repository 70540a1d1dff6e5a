"""Request and response models of maintenance."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import ONE_LINE, NotBlank
from service.loaners.upkeep.rules import Check, Job


class FindingFilters(BaseModel):
    dismissed: bool = False


class FindingItem(BaseModel):
    """`finding` is its id. `removable`: the event that can be marked (除去)."""

    finding: str
    check: Check
    title: str
    advice: str
    number: str
    at: datetime | None
    detail: str
    removable: int | None
    dismissed_by: str | None
    dismissed_at: datetime | None
    reason: str | None


class Findings(BaseModel):
    """The first findings of each check; `total` counts all open ones. `different`: devices whose projection still
    differs from their history, of those that the last check found."""

    as_of: datetime
    items: list[FindingItem]
    total: int
    counts: dict[Check, int]
    checked_at: datetime | None
    different: list[str]


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    finding: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]


class Reconsidered(BaseModel):
    model_config = ConfigDict(extra="forbid")

    finding: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]


class Rebuilding(BaseModel):
    """`after`: the `next` of the previous call; 0 for the first call."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0


class Rebuilt(BaseModel):
    """`rebuilt`: the numbers of the corrected devices; `next` None: no more devices."""

    rebuilt: list[str]
    next: int | None


class RotationPlan(BaseModel):
    """What would be archived now."""

    as_of: datetime
    before: datetime
    events: int
    devices: int
    by_kind: dict[str, int]
    oldest: datetime | None
    newest: datetime | None
    kept: int
    next_at: datetime


class RunItem(BaseModel):
    id: int
    job: Job
    at: datetime
    report: dict[str, object]


class Runs(BaseModel):
    items: list[RunItem]
