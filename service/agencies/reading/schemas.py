"""What goes in and out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.agencies.reading.rules import Decision, State
from service.core.paging import Page
from service.core.texts import ONE_LINE, Edition, Key, NotBlank

FieldName = Literal[
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "power_customer_number",
    "power_customer_location_number",
]


class ReadField(BaseModel):
    """`box`: left, top, right and bottom of where it stands, as parts of the image's width and height. `is_sure`: the
    reader is, and every check agrees; `notes` say what does not."""

    field: FieldName
    value: str
    score: float
    is_sure: bool
    box: tuple[float, float, float, float]
    notes: list[str]
    decision: Decision | None


class ReadingItem(BaseModel):
    """`turn`: by how many degrees clockwise the image has to be turned to stand upright. `missing`: what was not found;
    `error`: why nothing was."""

    id: int
    image_id: int
    site_id: int | None
    state: State
    error: str
    engine: str
    turn: int
    fields: list[ReadField]
    missing: list[FieldName]
    asked_by_name: str
    created_at: datetime
    done_at: datetime | None


class Readings(Page[ReadingItem]):
    """`is_on`: images can be read here at all; `problem`: why they cannot be just now."""

    is_on: bool
    problem: str


class Accepted(BaseModel):
    """`value` is as the operator saw or corrected it; `version` is the site's that was read."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    value: Annotated[str, Field(min_length=1, max_length=40, pattern=ONE_LINE), NotBlank]
    site_id: Key
    version: Edition
