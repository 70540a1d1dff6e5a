"""Request and response models of stocktakes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, ONE_LINE, NotBlank, RecordId
from service.loaners.rules import Kind, Status
from service.loaners.stocktakes.rules import Result


class NewStocktake(BaseModel):
    """`room`: free text. All devices of the site are expected, with or without a room."""

    model_config = ConfigDict(extra="forbid")

    site_id: RecordId
    room: Annotated[str, Field(max_length=100, pattern=ONE_LINE)] = ""


class StocktakeFilters(BaseModel):
    site_id: RecordId | None = None
    is_open: bool | None = None
    sort: Annotated[str, Field(max_length=50)] = "-started_at"


class StocktakeItem(BaseModel):
    id: int
    site_id: int
    site_name: str
    room: str
    started_by: str
    started_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    expected: int
    found: int
    elsewhere: int
    missing: int
    misplaced: int
    unknown: int


class StocktakeDetail(StocktakeItem):
    as_of: datetime


class Scan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=300, pattern=NO_NUL), NotBlank]


class Scanned(BaseModel):
    """The result of a scan. `again`: the device was already scanned, and nothing changed."""

    id: int
    result: Result
    again: bool
    number: str
    model_name: str | None
    site_name: str | None
    status: Status | None


class RowFilters(BaseModel):
    result: Result | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "number"


class RowItem(BaseModel):
    """`number` of an unknown device is the scanned text. Site and status are current, or those when it was closed."""

    id: int
    device_id: int | None
    number: str
    kind: Kind | None
    model_name: str | None
    serial: str | None
    site_name: str | None
    status: Status | None
    result: Result
    scanned_by: str | None
    scanned_at: datetime | None
    note: str


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=200, pattern=ONE_LINE)]
