"""What goes in and out over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.core.texts import NO_NUL, Day, Key
from service.loaners.rules import Deposit, Kind, Status

Text = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class Cut(BaseModel):
    """Which devices: those that are at the site or in the 管轄."""

    site_id: Key | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None


class ListFilters(Cut):
    """What a view's list can be cut by. `number_site_id` is the site that stands in the number, `nested` an answer to
    3-0; of `as_of` it is shown what held when that Tokyo day ended."""

    number_site_id: Key | None = None
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
    """A device of a list; `cells` stand below the list's columns. `home` is the site in its number, of one that was
    moved (移管)."""

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
    """`as_of` is now; `shown` the day that was asked for, null: the present."""

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
    """`groups`: the デバイスタイプ that it tells apart, in its order."""

    key: str
    name: str
    description: str
    groups: list[str]


class Options(BaseModel):
    """What lists can be narrowed to. `nested` are the choices of 3-0."""

    views: list[ViewChoice]
    sites: list[Choice]
    jurisdictions: list[str]
    nested: list[str]
