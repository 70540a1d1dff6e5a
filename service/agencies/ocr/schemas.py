"""Request and response bodies of the readings' routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.agencies.ocr.rules import State
from service.agencies.rules import Decision
from service.core.database.paging import Page
from service.core.values.texts import ONE_LINE, NotBlank, RecordId, RecordVersion

FieldName = Literal[
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "power_customer_number",
    "power_customer_location_number",
]


class ReadField(BaseModel):
    """`box`: left, top, right and bottom of the value, as fractions of the image's width and height. `is_sure`: the
    score is high and every check passes; `notes`: what does not pass."""

    field: FieldName
    value: str
    score: float
    is_sure: bool
    box: tuple[float, float, float, float]
    notes: list[str]
    decision: Decision | None


class ReadingItem(BaseModel):
    """`turn`: by how many degrees clockwise the image has to be turned to be upright. `missing`: the fields that were
    not found; `error`: why the image could not be read."""

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
    """`is_on`: reading is enabled here; `problem`: why images cannot be read now."""

    is_on: bool
    problem: str


class Accepted(BaseModel):
    """`value` is as the operator saw or corrected it; `version` is the site's version that was read."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    value: Annotated[str, Field(min_length=1, max_length=40, pattern=ONE_LINE), NotBlank]
    site_id: RecordId
    version: RecordVersion
