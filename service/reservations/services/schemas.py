"""Request and response models of the service routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.audit.schemas import HistoryItem
from service.core.edits import Edit, change_of
from service.core.values.texts import LOWER_CODE, NO_NUL, Name

# Assistants refer to services and sizes by code.
Code = Annotated[str, Field(min_length=1, max_length=30, pattern=LOWER_CODE)]
Description = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
# In yen; ¥50 is the minimum card charge.
Price = Annotated[int, Field(ge=50, le=9_999_999)]
Position = Annotated[int, Field(ge=0, le=10_000)]
Search = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Sort = Annotated[str, Field(max_length=50)]


class NewService(BaseModel):
    """Without `position` it comes last."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    description: Description = ""
    position: Position | None = None


@change_of(NewService, fixed=("code",))
class ServiceChange(Edit):
    """The code cannot be changed: assistants and files refer to it."""


class NewPlan(BaseModel):
    """A size. Without `position` it comes last."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    price: Price
    position: Position | None = None


@change_of(NewPlan, fixed=("code",))
class PlanChange(Edit):
    """Missing and null fields are not changed, nor is the code. Existing reservations keep their price."""


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
    """`shops`: the number of shops that are called for it, neither archived nor blacklisted."""

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
    """`plans`: active ones in their order."""

    plans: list[PlanSummary]


class ServiceDetail(ServiceFacts):
    """`plans`: active ones in their order, then archived ones."""

    plans: list[PlanItem]


class ServiceFilters(BaseModel):
    """`q`: part of a name or a code. `archived`: true for archived services only, false for active ones only."""

    q: Search | None = None
    archived: bool = False
    sort: Sort = "position"


class History(BaseModel):
    """The audit log of a record, newest first."""

    items: list[HistoryItem]
