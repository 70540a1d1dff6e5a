"""What goes in and out of the roster's doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core import phones
from service.core.texts import ONE_LINE, Edition, Instant, Key

# However it is written; kept as +81….
Phone = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE), AfterValidator(phones.e164)]


class ShiftFilters(BaseModel):
    """`state`: those that are not over yet, or all."""

    state: Literal["coming", "all"] = "coming"
    user_id: Key | None = None
    sort: Annotated[str, Field(max_length=50)] = "starts_at"


class ShiftItem(BaseModel):
    """`is_now`: this person is called now."""

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
    """Who is called now, and until when; null: nobody is."""

    as_of: datetime
    shift: ShiftItem | None


class Person(BaseModel):
    id: int
    name: str


class NewShift(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: Key
    phone: Phone
    starts_at: Instant
    ends_at: Instant


class ShiftChange(BaseModel):
    """What is left out, or null, stays as it is. `version` is the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    user_id: Key | None = None
    phone: Phone | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Made(BaseModel):
    id: int
