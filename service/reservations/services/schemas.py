"""What goes in and out of the services' doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, Edition, Name

# Assistants name services and sizes by their codes.
Code = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[a-z0-9-]+$")]
Description = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
# In yen; a card can be charged from ¥50.
Price = Annotated[int, Field(ge=50, le=9_999_999)]
Position = Annotated[int, Field(ge=0, le=10_000)]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class Created(BaseModel):
    id: int


class NewService(BaseModel):
    """Without a position it comes last."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    description: Description = ""
    position: Position | None = None


class ServiceChange(BaseModel):
    """What is left out, or null, stays as it is. `version` is the one that was read. The code stays: assistants and
    files know the service by it."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    name: Name | None = None
    description: Description | None = None
    position: Position | None = None


class NewPlan(BaseModel):
    """A size. Without a position it comes last."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    price: Price
    position: Position | None = None


class PlanChange(BaseModel):
    """As with services. Reservations keep the price they were made at."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    name: Name | None = None
    price: Price | None = None
    position: Position | None = None


class PlanSummary(BaseModel):
    code: str
    name: str
    price: int


class PlanItem(PlanSummary):
    model_config = ConfigDict(from_attributes=True)

    id: int
    version: int
    position: int
    archived_at: datetime | None


class ServiceFacts(BaseModel):
    """`shops` are those that are called for it: neither archived nor blacklisted."""

    id: int
    version: int
    code: str
    name: str
    description: str
    position: int
    shops: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ServiceItem(ServiceFacts):
    """`plans`: those in use, in their order."""

    plans: list[PlanSummary]


class ServiceDetail(ServiceFacts):
    """`plans`: those in use in their order, then those that are archived."""

    plans: list[PlanItem]


class ServiceFilters(BaseModel):
    """`q` is part of a name or a code; `archived`: only those that are, else only those that are not."""

    q: Search | None = None
    archived: bool = False
    sort: Sort = "position"


class Difference(BaseModel):
    """`title` in words, values as text, null where there is none."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    title: str
    before: str | None
    after: str | None


class Happening(BaseModel):
    """An entry of the trail about one thing; …`_title` are in words."""

    id: int
    at: datetime
    actor_title: str
    action: str
    action_title: str
    subject_title: str
    changes: list[Difference]


class History(BaseModel):
    items: list[Happening]
