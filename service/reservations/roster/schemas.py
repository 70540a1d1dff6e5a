"""Request and response models of the roster routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.edits import Edit, change_of
from service.core.values import phones
from service.core.values.texts import ONE_LINE, Instant, RecordId

# In any notation; stored as +81….
Phone = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE), AfterValidator(phones.e164)]


class ShiftFilters(BaseModel):
    """`state`: shifts that are not over yet, or all."""

    state: Literal["coming", "all"] = "coming"
    user_id: RecordId | None = None
    sort: Annotated[str, Field(max_length=50)] = "starts_at"


class ShiftItem(BaseModel):
    """`is_now`: the user is on call now."""

    id: int
    version: int
    user_id: int
    name: str
    phone: str
    phone_shown: str
    starts_at: datetime
    ends_at: datetime
    is_now: bool


class OnCall(BaseModel):
    """The shift that is on call now; null: no user is."""

    as_of: datetime
    shift: ShiftItem | None


class Person(BaseModel):
    id: int
    name: str


class NewShift(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: RecordId
    phone: Phone
    starts_at: Instant
    ends_at: Instant


@change_of(NewShift)
class ShiftChange(Edit):
    pass
