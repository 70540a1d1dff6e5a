"""Every read of logs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.auth import Actor
from service.core.paging import Filter, Key, Listing, at_least, before, contains, equals, when
from service.core.problems import NotFound
from service.entries import queries
from service.entries.logs import schemas
from service.entries.logs.models import EntryExitLog, LogDay
from service.entries.models import Child, Guardianship, Nursery, Parent
from service.entries.rules import AREA, DOUBLE_SCAN


def children_of(parent_id: InstrumentedAttribute[int]) -> ColumnElement[list[str]]:
    """The names of a parent's children, in the order of the nursery's lists."""
    names = (
        select(Child.name)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(Guardianship.parent_id == parent_id, Child.archived_at.is_(None))
        .order_by(Child.kana, Child.id)
    )
    return func.array(names.scalar_subquery(), type_=ARRAY(String))


@dataclass(frozen=True)
class Known:
    """A parent as a scan needs to know it."""

    id: int
    name: str
    child_names: list[str]


def lock_parents(db: Session, nursery_id: int, ids: Sequence[int]) -> dict[int, Known]:
    """The nursery's own among them, each locked: of two scans of one parent at once, the second sees the first."""
    found = db.execute(
        select(Parent.id, Parent.name, children_of(Parent.id))
        .where(Parent.nursery_id == nursery_id, Parent.id.in_(ids), Parent.archived_at.is_(None))
        .order_by(Parent.id)
        .with_for_update(key_share=True, of=Parent)
    )
    return {parent_id: Known(parent_id, name, list(children)) for parent_id, name, children in found}


def by_event(db: Session, nursery_id: int, events: Sequence[uuid.UUID]) -> dict[uuid.UUID, EntryExitLog]:
    found = db.scalars(
        select(EntryExitLog).where(EntryExitLog.nursery_id == nursery_id, EntryExitLog.client_event_id.in_(events))
    )
    return {log.client_event_id: log for log in found if log.client_event_id is not None}


def parents_of(db: Session, nursery_id: int, ids: Collection[int]) -> dict[int, Known]:
    """Archived ones too: what is recorded of them stays."""
    found = db.execute(
        select(Parent.id, Parent.name, children_of(Parent.id)).where(
            Parent.nursery_id == nursery_id, Parent.id.in_(ids)
        )
    )
    return {parent_id: Known(parent_id, name, list(children)) for parent_id, name, children in found}


def around(db: Session, nursery_id: int, scans: Sequence[tuple[int, datetime]]) -> list[EntryExitLog]:
    """The logs that one of these scans (parent, moment) could repeat."""
    numbers, moments = zip(*scans, strict=True)
    pairs = func.unnest(cast(list(numbers), ARRAY(BigInteger)), cast(list(moments), ARRAY(TIMESTAMP(timezone=True))))
    asked = pairs.table_valued("number", "moment").render_derived("asked")
    return list(
        db.scalars(
            select(EntryExitLog)
            .distinct()
            .join(asked, EntryExitLog.parent_id == asked.c.number)
            .where(
                EntryExitLog.nursery_id == nursery_id,
                EntryExitLog.timestamp > asked.c.moment - DOUBLE_SCAN,
                EntryExitLog.timestamp < asked.c.moment + DOUBLE_SCAN,
                EntryExitLog.deleted_at.is_(None),
            )
        )
    )


def _midnight(name: str, days: int) -> ColumnElement[datetime]:
    """The Tokyo midnight that begins the day of that parameter, or so many days later."""
    day = bindparam(name, type_=Date) + literal(days)
    return func.timezone("Asia/Tokyo", func.cast(day, TIMESTAMP(timezone=False)), type_=TIMESTAMP(timezone=True))


def _named(kind: type[Parent | Child]) -> Filter:
    """Logs of the parents of that name, or of that child."""
    named = contains(kind.name, kind.kana)
    if kind is Parent:
        return Filter(
            lambda name: EntryExitLog.parent_id.in_(select(Parent.id).where(named.condition(name))), named.value
        )
    return Filter(
        lambda name: EntryExitLog.parent_id.in_(
            select(Guardianship.parent_id).join(Child, Child.id == Guardianship.child_id).where(named.condition(name))
        ),
        named.value,
    )


# What the totals by day know. Whole days alone: a moment cuts through one.
_BY_DAY: Mapping[str, Callable[[], ColumnElement[bool]]] = {
    "nursery_id": lambda: LogDay.nursery_id == bindparam("nursery_id"),
    "first_day": lambda: LogDay.day >= bindparam("first_day"),
    "last_day": lambda: LogDay.day <= bindparam("last_day"),
    "entry_type": lambda: LogDay.entry_type == bindparam("entry_type"),
    "is_live": lambda: literal(True),
    "is_deleted": lambda: literal(True),
}


def _total(names: frozenset[str]) -> Select[int] | None:
    if not names <= _BY_DAY.keys() or len(names & {"is_live", "is_deleted"}) != 1:
        return None
    logs = LogDay.logs if "is_live" in names else LogDay.deleted
    return select(func.coalesce(func.sum(logs), 0)).where(*(_BY_DAY[name]() for name in sorted(names)))


_parent_name = select(Parent.name).where(Parent.id == EntryExitLog.parent_id).correlate(EntryExitLog)
_nursery_name = select(Nursery.name).where(Nursery.id == EntryExitLog.nursery_id).correlate(EntryExitLog)
# From one table alone: what a page shows besides is looked up for the rows of the page.
LOGS = Listing(
    select(
        EntryExitLog.id,
        EntryExitLog.parent_id,
        _parent_name.scalar_subquery().label("parent_name"),
        EntryExitLog.entry_type,
        EntryExitLog.timestamp,
        children_of(EntryExitLog.parent_id).label("child_names"),
        EntryExitLog.nursery_id,
        _nursery_name.scalar_subquery().label("nursery_name"),
        EntryExitLog.created_at,
        EntryExitLog.was_offline,
        EntryExitLog.skew_seconds,
        EntryExitLog.deleted_at,
        EntryExitLog.deleted_by,
        EntryExitLog.delete_reason,
    ),
    unique=EntryExitLog.id,
    keys={"timestamp": Key(EntryExitLog.timestamp)},
    default="-timestamp",
    filters={
        "nursery_id": equals(EntryExitLog.nursery_id),
        "first_day": Filter(lambda name: EntryExitLog.timestamp >= _midnight(name, 0)),
        "last_day": Filter(lambda name: EntryExitLog.timestamp < _midnight(name, 1)),
        "since": at_least(EntryExitLog.timestamp, lambda moment: moment),
        "until": before(EntryExitLog.timestamp, lambda moment: moment),
        "entry_type": equals(EntryExitLog.entry_type),
        "parent_name": _named(Parent),
        "child_name": _named(Child),
        "is_live": when(EntryExitLog.deleted_at.is_(None)),
        "is_deleted": when(EntryExitLog.deleted_at.is_not(None)),
    },
    total=_total,
)


def logs(db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.LogFilters) -> dict[str, Any]:
    """The newest first unless sorted otherwise."""
    return LOGS.page(db, limit, cursor, filters.sort, **_asked(by, filters))


def logs_to_take_along(by: Actor, filters: schemas.LogFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    names = func.array_to_string(children_of(EntryExitLog.parent_id), "、").label("child_words")
    return LOGS.all(filters.sort, **_asked(by, filters)).add_columns(names)


def _asked(by: Actor, filters: schemas.LogFilters) -> dict[str, Any]:
    given = filters.model_dump(exclude={"deleted", "sort"}, exclude_none=True)
    shown = queries.own(by, given.get("nursery_id"))
    return given | {"nursery_id": shown, "is_live": not filters.deleted, "is_deleted": filters.deleted}


def numbered_page(db: Session, by: Actor, asked: schemas.Asked) -> dict[str, Any]:
    """The document's page (A.2): by number, the newest first."""
    cut = {
        "nursery_id": queries.own(by),
        "parent_name": asked.parent_name,
        "child_name": asked.child_name,
        "entry_type": asked.entry_type,
        "is_live": True,
        **_bounds(asked),
    }
    total = LOGS.count(db, **cut)
    skipped = (asked.page - 1) * asked.page_size
    day, later = _day_of(db, cut, skipped)
    ids = (
        LOGS.all(**(cut | ({"last_day": day} if day else {})))
        .with_only_columns(EntryExitLog.id)
        .offset(skipped - later)
        .limit(asked.page_size)
    )
    found = LOGS.all(is_live=True).where(EntryExitLog.id.in_(ids)) if skipped < total else None
    return {
        "logs": [dict(row) for row in db.execute(found).mappings()] if found is not None else [],
        "total_count": total,
        "page": asked.page,
        "page_size": asked.page_size,
    }


def _day_of(db: Session, cut: Mapping[str, Any], skipped: int) -> tuple[date | None, int]:
    """The day in which the row after so many stands, and how many stand in later days: a page far back is found by
    adding up days, not by walking through a million rows. None when only the rows themselves can tell."""
    names = frozenset(name for name, value in cut.items() if value is not None)
    if not skipped or _total(names) is None:
        return None, 0
    by_day = (
        select(LogDay.day, func.sum(LogDay.logs).label("logs"))
        .where(*(_BY_DAY[name]() for name in sorted(names)))
        .group_by(LogDay.day)
        .subquery()
    )
    up_to = select(by_day.c.day, by_day.c.logs, func.sum(by_day.c.logs).over(order_by=by_day.c.day.desc()).label("sum"))
    sums = up_to.subquery()
    found = db.execute(
        select(sums.c.day, sums.c.sum - sums.c.logs).where(sums.c.sum > skipped).order_by(sums.c.day.desc()).limit(1),
        {name: cut[name] for name in names if name not in ("is_live",)},
    ).one_or_none()
    return (found[0], int(found[1])) if found else (None, 0)


def _bounds(asked: schemas.Asked) -> dict[str, Any]:
    """A date is the whole Tokyo day, from its beginning or to its end; a moment is itself."""
    bounds: dict[str, Any] = {}
    for given, day, moment in ((asked.since, "first_day", "since"), (asked.until, "last_day", "until")):
        if given is not None:
            bounds[moment if isinstance(given, datetime) else day] = given
    return bounds


def get_log(db: Session, by: Actor, log_id: int) -> EntryExitLog:
    """Locked."""
    log = db.get(EntryExitLog, log_id, with_for_update=True, populate_existing=True)
    if log is None or by.tenant_in(AREA.name) not in (None, log.nursery_id):
        raise NotFound("指定された入退ログは見つかりません。一覧を開き直してください。")
    return log
