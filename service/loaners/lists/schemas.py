"""Request and response models of device lists."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from service.core.values.texts import NO_NUL, Day, RecordId
from service.loaners.rules import Deposit, Kind, Status

ViewKey = Annotated[str, Path(max_length=30, pattern=NO_NUL)]
Text = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class Cut(BaseModel):
    """Filters by current site and 管轄."""

    site_id: RecordId | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None


class ListFilters(Cut):
    """Filters of a view's list. `number_site_id`: the site in the number; `nested`: an answer to 3-0; `as_of`: shows
    the state at the end of that day in Tokyo."""

    number_site_id: RecordId | None = None
    kind: Kind | None = None
    group: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    status: Status | None = None
    nested: Text | None = None
    deposit: Literal["1", "2", "3", "4", "unset"] | None = None
    q: Text | None = None
    as_of: Day | None = None
    moved: bool = False
    archived: bool = False
    sort: Annotated[str, Field(max_length=50)] = "number"


class Listed(BaseModel):
    """A device in a list; `cells` in the order of the list's columns. `home`: for a device that was transferred (移管),
    the site in its number."""

    id: int
    number: str
    kind: Kind
    site_id: int
    site_name: str
    home: str | None
    status: Status | None
    held: bool | None
    deposit: Deposit | None
    is_archived: bool
    cells: list[str]


class ListPage(BaseModel):
    """`as_of` is the current time; `shown`: the requested day, null: now."""

    view: str
    name: str
    columns: list[str]
    items: list[Listed]
    total: int
    next_cursor: str | None
    as_of: datetime
    shown: date | None


class Choice(BaseModel):
    id: int
    name: str
    jurisdiction: str
    archived: bool


class ViewChoice(BaseModel):
    """`groups`: the デバイスタイプ of the view, in its order."""

    key: str
    name: str
    description: str
    groups: list[str]


class Options(BaseModel):
    """Values for the filters of lists. `nested`: the choices of 3-0."""

    views: list[ViewChoice]
    sites: list[Choice]
    jurisdictions: list[str]
    nested: list[str]
