"""What an area shows on ホーム: the entries of `service/<area>/home.HOME`, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.catalogue import Entry
from service.core.database.paging import Page
from service.core.home.schemas import WeekFigure

Item = TypeVar("Item")


@dataclass(frozen=True)
class Due:
    """`detail`: a few words about it. `owner_name` without `owner_id`: a role whose users do it."""

    row_id: int
    title: str
    detail: str
    step: str
    address: str
    since: datetime | None = None
    due_at: datetime | None = None
    owner_id: int | None = None
    owner_name: str | None = None


@dataclass(frozen=True)
class DueRows:
    """`total` and `mine` count all, also those that are not among the `rows`. `mine` None: all are among them."""

    rows: Sequence[Due]
    total: int
    mine: int | None = None


def due_rows(due: Callable[[Item], Due], read: Callable[..., Page[Item]], **own: str | bool) -> DueRows:
    """From the first page of a list, which `read(**filters)` reads. Where there are more, also from that of the user's
    own, which come first on ホーム and are filtered by `own`."""
    everybody = read()
    if everybody.next_cursor is None or not own:
        return DueRows([*map(due, everybody.items)], everybody.total)
    mine = read(**own)
    rows = {row.row_id: row for page in (everybody, mine) for row in map(due, page.items)}
    return DueRows([*rows.values()], everybody.total, mine.total)


@dataclass(frozen=True, kw_only=True)
class State(Entry):
    """The figures of the state sentence of a page, read as the page reads them; None while there is nothing to tell of.
    Of several, the user gets the first one that is permitted, because that is the user's first page."""

    address: str
    read: Callable[[Session, Actor], BaseModel | None]


@dataclass(frozen=True, kw_only=True)
class DueList(Entry):
    """Something that can be due; `permission` is needed to do it, or to read it where each step has its own.
    `read(db, by, limit)` gives the most urgent rows and the most urgent of the user's own, at most `limit` of each."""

    read: Callable[[Session, Actor, int], DueRows]
    # Gives the same total as `read`, where there is a quicker way.
    count: Callable[[Session, Actor], int] | None = None


@dataclass(frozen=True, kw_only=True)
class MenuCount(Entry):
    """How many items wait on the page at the address; the menu shows the number beside the page's title."""

    address: str
    count: Callable[[Session, Actor], int]


@dataclass(frozen=True, kw_only=True)
class Week(Entry):
    """The figures for users to whom nothing of the area can be due. `read(db, days)` gets `rules.two_weeks`."""

    address: str
    read: Callable[[Session, Sequence[date]], Sequence[WeekFigure]]
