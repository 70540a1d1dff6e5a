"""Reads ホーム: each entry of the user's areas that the user's permissions admit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.areas import CORE, areas
from service.core.catalogue import Entry, entries_by_key
from service.core.database import replica
from service.core.database.clock import app_now
from service.core.home import rules, schemas
from service.core.home.declared import Due, DueList, MenuCount, State, Week
from service.core.home.schemas import Whose
from service.core.outbox import messages
from service.core.values.times import local_date

MAX_DUE = 50
CORE_COUNTS = (
    MenuCount(
        key="core.messages", title="通知", permission=messages.READ, address="/messages", count=messages.dead_count
    ),
)
log = structlog.get_logger()


@dataclass(frozen=True)
class _DueItems:
    items: Sequence[schemas.DueItem]
    total: int
    mine: int


Kind = TypeVar("Kind", bound=Entry)
Part = TypeVar("Part")
_Shown = State | DueList | Week
_Found = schemas.AreaState | schemas.AreaWeek | schemas.Failure | _DueItems


@lru_cache(maxsize=1)
def _entries() -> Sequence[Entry]:
    """Of all areas, in their order."""
    return tuple(entries_by_key("home", Entry).values())


def home(db: Session, by: Actor) -> schemas.Home:
    """What fails of one area leaves the others as they are."""
    entries = [*_entries_of(by)]
    found: list[_Found] = _attempt(db, entries, lambda entry: _read(db, by, entry), _failure)
    due = [part for part in found if isinstance(part, _DueItems)]
    return schemas.Home(
        as_of=app_now(db),
        areas={name: area.title for name, area in areas().items() if name in by.grants},
        states=[part for part in found if isinstance(part, schemas.AreaState)],
        has_due=any(isinstance(entry, DueList) for entry in entries),
        due=rules.most_urgent((item for part in due for item in part.items), MAX_DUE),
        due_total=sum(part.total for part in due),
        mine_total=sum(part.mine for part in due),
        weeks=[part for part in found if isinstance(part, schemas.AreaWeek)],
        failed=[part for part in found if isinstance(part, schemas.Failure)],
    )


def counts(db: Session, by: Actor) -> schemas.MenuCounts:
    """For the menu: cheaper than `home`."""
    due, pages = [*_permitted(by, DueList)], [*_permitted(by, MenuCount)]
    # What is due and its page have the same count.
    counted = cache(lambda count: count(db, by))

    def total(entry: DueList | MenuCount) -> int | None:
        number: int = counted(entry.count) if entry.count else entry.read(db, by, 1).total
        return number

    entries: list[DueList | MenuCount] = [*due, *pages]
    totals = _attempt(db, entries, total, lambda _: None)
    due_totals, page_totals = totals[: len(due)], totals[len(due) :]
    known = [total for total in due_totals if total is not None]
    return schemas.MenuCounts(
        due=sum(known) if len(known) == len(due) else None,
        pages=dict(zip((entry.address for entry in pages), page_totals, strict=True)),
    )


def _permitted(by: Actor, kind: type[Kind], of_area: str | None = None) -> Iterator[Kind]:
    for entry in (*_entries(), *CORE_COUNTS):
        if isinstance(entry, kind) and of_area in (None, entry.area):
            permissions = by.permissions if entry.area == CORE else by.grants.get(entry.area, ())
            if entry.permission in permissions:
                yield entry


def _entries_of(by: Actor) -> Iterator[_Shown]:
    """Of each area the first state, and what can be due, or else the week's figures."""
    for area in areas():
        yield from [*_permitted(by, State, area)][:1]
        due = [*_permitted(by, DueList, area)]
        yield from due or _permitted(by, Week, area)


def _attempt(
    db: Session, entries: Sequence[Kind], read: Callable[[Kind], Part], failed: Callable[[Kind], Part]
) -> list[Part]:
    """In a savepoint, because an error would end the transaction. After one, each entry is read in a savepoint of its
    own, so that only what fails is missing."""
    try:
        with db.begin_nested():
            return [read(entry) for entry in entries]
    except Exception as error:
        if isinstance(error, DBAPIError) and replica.is_lost(error):
            raise
        if len(entries) > 1:
            return [part for entry in entries for part in _attempt(db, [entry], read, failed)]
        [entry] = entries
        log.exception("an entry of the home page failed", entry=entry.key)
        return [failed(entry)]


def _failure(entry: Entry) -> schemas.Failure:
    return schemas.Failure(area=entry.area, title=entry.title)


def _read(db: Session, by: Actor, entry: _Shown) -> _Found:
    match entry:
        case State():
            return _state(db, by, entry)
        case DueList():
            return _due_items(db, by, entry)
        case Week():
            return _week(db, entry)


def _state(db: Session, by: Actor, entry: State) -> schemas.AreaState:
    figures = entry.read(db, by)
    return schemas.AreaState(
        area=entry.area,
        key=entry.key,
        address=entry.address,
        figures=figures.model_dump(mode="json") if figures else None,
    )


def _due_items(db: Session, by: Actor, entry: DueList) -> _DueItems:
    found = entry.read(db, by, MAX_DUE)
    items = [_due_item(by, entry, row) for row in found.rows]
    mine = sum(item.whose is Whose.MINE for item in items) if found.mine is None else found.mine
    return _DueItems(items, found.total, mine)


def _due_item(by: Actor, entry: DueList, row: Due) -> schemas.DueItem:
    others = Whose.NOBODY if row.owner_id is None else Whose.ANOTHER
    return schemas.DueItem(
        id=f"{entry.key}:{row.row_id}",
        area=entry.area,
        kind=entry.title,
        title=row.title,
        detail=row.detail,
        since=row.since,
        due_at=row.due_at,
        whose=Whose.MINE if row.owner_id == by.user_id else others,
        owner=row.owner_name,
        step=row.step,
        address=row.address,
    )


def _week(db: Session, entry: Week) -> schemas.AreaWeek:
    days = rules.two_weeks(local_date(app_now(db)))
    return schemas.AreaWeek(
        area=entry.area,
        title=entry.title,
        address=entry.address,
        since=days[-rules.WEEK_DAYS],
        until=days[-1],
        figures=[*entry.read(db, days)],
    )
