"""Request and response bodies of the drafts' routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.agencies.drafts.rules import MAX_BYTES, Form, is_too_large
from service.core.values.messages import described

# The name of a field of the form.
Name = Annotated[
    str,
    Field(
        pattern=described(
            r"^[A-Za-z0-9_.-]{1,60}$",
            "半角の英数字・ハイフン・下線・ピリオドの60文字以内で指定してください（例: power-1）。",
        )
    ),
]


def _check_size(values: dict[str, Any]) -> dict[str, Any]:
    if is_too_large(values):
        raise ValueError(f"下書きに保存できるのは{MAX_BYTES // 1024}KBまでです。長い文章を短くしてください。")
    return values


class Content(BaseModel):
    """`number` counts the saves; 0: there is no draft, and `updated_at` is null."""

    values: dict[str, Any]
    number: int
    updated_at: datetime | None


class Save(BaseModel):
    """`number` is the one that was read, or 0 for a new draft."""

    model_config = ConfigDict(extra="forbid")

    values: Annotated[dict[Name, Any], Field(max_length=200), AfterValidator(_check_size)]
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
