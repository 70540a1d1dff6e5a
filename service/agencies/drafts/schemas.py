"""What goes in and out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.drafts.rules import MOST_BYTES, Form, is_too_large

# Of a field of the form.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]


def _not_too_large(values: dict[str, Any]) -> dict[str, Any]:
    if is_too_large(values):
        raise ValueError(f"下書きに保存できるのは{MOST_BYTES // 1024}KBまでです。長い文章を短くしてください。")
    return values


class Content(BaseModel):
    """`number` counts the saves; 0: there is none yet. `updated_at` is null then."""

    values: dict[str, Any]
    number: int
    updated_at: datetime | None


class Save(BaseModel):
    """`number` is the one that was read, or 0."""

    model_config = ConfigDict(extra="forbid")

    values: Annotated[dict[Name, Any], Field(max_length=200), AfterValidator(_not_too_large)]
    number: Annotated[int, Field(ge=0, lt=2**31)]


class Saved(BaseModel):
    number: int
    updated_at: datetime


class DraftFilters(BaseModel):
    form: Form | None = None
    sort: Annotated[str, Field(max_length=50)] = "-updated_at"


class DraftItem(BaseModel):
    id: int
    form: Form
    subject: str
    number: int
    updated_at: datetime
