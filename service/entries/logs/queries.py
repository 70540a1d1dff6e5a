"""Every read of logs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Date, Select, bindparam, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from service.core.access.auth import Actor
from service.core.database.paging import Filter, Key, Listing, Page, at_least, before, contains, equals, when_true
from service.entries import queries
from service.entries.logs import rules, schemas
from service.entries.models import Child, EntryExitLog, Guardianship, LogDay, Nursery, Parent
from service.entries.rules import DOUBLE_SCAN


def child_names_of(parent_id: InstrumentedAttribute[int]) -> ColumnElement[list[str]]:
    """The names of a parent's children, in the order of the nursery's lists."""
    return queries.relatives(Child, Guardianship.parent_id == parent_id, Child.name)


@dataclass(frozen=True)
class ParentData:
    """The data of a parent that a scan needs."""

    id: int
    name: str
    child_names: list[str]


_PARENTS = select(Parent.id, Parent.name, child_names_of(Parent.id))


def lock_parents(db: Session, nursery_id: int, ids: Sequence[int]) -> dict[int, ParentData]:
    """Those of the nursery, locked: of two concurrent scans of a parent, the second one sees the first."""
    active = _PARENTS.where(Parent.archived_at.is_(None)).order_by(Parent.id)
    return _parents(db, active.with_for_update(key_share=True, of=Parent), nursery_id, ids)


def logs_by_event_id(db: Session, nursery_id: int, event_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, EntryExitLog]:
    logs = db.scalars(
        select(EntryExitLog).where(EntryExitLog.nursery_id == nursery_id, EntryExitLog.client_event_id.in_(event_ids))
    )
    return {log.client_event_id: log for log in logs if log.client_event_id is not None}


def parents_by_id(db: Session, nursery_id: int, ids: Collection[int]) -> dict[int, ParentData]:
    """Archived parents too: their logs stay."""
    return _parents(db, _PARENTS, nursery_id, ids)


def _parents(
    db: Session, statement: Select[int, str, list[str]], nursery_id: int, ids: Collection[int]
) -> dict[int, ParentData]:
    rows = db.execute(statement.where(Parent.nursery_id == nursery_id, Parent.id.in_(ids)))
    return {parent_id: ParentData(parent_id, name, child_names) for parent_id, name, child_names in rows}


def possible_repeats(db: Session, nursery_id: int, scans: Sequence[tuple[int, datetime]]) -> list[EntryExitLog]:
    """The logs that one of these scans (parent id, time) could repeat."""
    numbers, timestamps = zip(*scans, strict=True)
    arrays = func.unnest(
        cast(list(numbers), ARRAY(BigInteger)), cast(list(timestamps), ARRAY(TIMESTAMP(timezone=True)))
    )
    pairs = arrays.table_valued("number", "moment").render_derived("asked")
    return list(
        db.scalars(
            select(EntryExitLog)
            .distinct()
            .join(pairs, EntryExitLog.parent_id == pairs.c.number)
            .where(
                EntryExitLog.nursery_id == nursery_id,
                EntryExitLog.timestamp > pairs.c.moment - DOUBLE_SCAN,
                EntryExitLog.timestamp < pairs.c.moment + DOUBLE_SCAN,
                EntryExitLog.deleted_at.is_(None),
            )
        )
    )


def _midnight(name: str, days: int) -> ColumnElement[datetime]:
    """The midnight in Tokyo at which the day of that parameter begins, plus `days`."""
    day = bindparam(name, type_=Date) + literal(days)
    return func.timezone("Asia/Tokyo", func.cast(day, TIMESTAMP(timezone=False)), type_=TIMESTAMP(timezone=True))


def _by_name(parents: Select[int], model: type[Parent | Child]) -> Filter:
    """Logs of the `parents`, selected together with the model, of which one has that name."""
    name_filter = contains(model.name, model.kana)
    return Filter(
        lambda name: EntryExitLog.parent_id.in_(parents.where(name_filter.condition(name))), name_filter.value
    )


# Filters that the counts by day support: whole days only, no timestamps.
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
# Selects from one table only: the names are looked up for the rows of the page.
LOGS = Listing(
    select(
        EntryExitLog.id,
        EntryExitLog.parent_id,
        _parent_name.scalar_subquery().label("parent_name"),
        EntryExitLog.entry_type,
        EntryExitLog.timestamp,
        child_names_of(EntryExitLog.parent_id).label("child_names"),
        EntryExitLog.nursery_id,
        _nursery_name.scalar_subquery().label("nursery_name"),
        EntryExitLog.created_at,
        EntryExitLog.was_offline,
        EntryExitLog.skew_seconds,
        EntryExitLog.deleted_at,
        EntryExitLog.deleted_by,
        EntryExitLog.delete_reason,
    ),
    model=schemas.LogRow,
    unique=EntryExitLog.id,
    keys={"timestamp": Key(EntryExitLog.timestamp)},
    default="-timestamp",
    filters={
        "nursery_id": equals(EntryExitLog.nursery_id),
        "first_day": Filter(lambda name: EntryExitLog.timestamp >= _midnight(name, 0)),
        "last_day": Filter(lambda name: EntryExitLog.timestamp < _midnight(name, 1)),
        "since": at_least(EntryExitLog.timestamp, lambda at: at),
        "until": before(EntryExitLog.timestamp, lambda at: at),
        "entry_type": equals(EntryExitLog.entry_type),
        "parent_name": _by_name(select(Parent.id), Parent),
        "child_name": _by_name(select(Guardianship.parent_id).join(Child, Child.id == Guardianship.child_id), Child),
        "is_live": when_true(EntryExitLog.deleted_at.is_(None)),
        "is_deleted": when_true(EntryExitLog.deleted_at.is_not(None)),
    },
    total=_total,
)


def logs(db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.LogFilters) -> Page[schemas.LogRow]:
    """Newest first by default."""
    return LOGS.read(db, limit, cursor, filters.sort, **_filter_values(by, filters))


def export_logs(by: Actor, filters: schemas.LogFilters) -> Select[*tuple[Any, ...]]:
    """All rows, in the order of the list. Raises Invalid for an unknown sort order."""
    # An alias, because the filters by name have queries of parents of their own.
    parent, children = aliased(Parent), queries.relatives_by_parent()
    is_skewed = func.abs(EntryExitLog.skew_seconds) > rules.MAX_SKEW_SECONDS
    marks = func.concat_ws("、", case((EntryExitLog.was_offline, "オフライン")), case((is_skewed, "時計のずれ")))
    # Joined, because looking names up for each of a million rows takes longer than writing them.
    return (
        LOGS.all(filters.sort, **_filter_values(by, filters))
        .with_only_columns(
            EntryExitLog.timestamp,
            parent.name.label("parent_name"),
            EntryExitLog.entry_type,
            children.c.names.label("child_words"),
            Nursery.name.label("nursery_name"),
            func.nullif(marks, "").label("marks"),
            EntryExitLog.deleted_at,
            EntryExitLog.deleted_by,
            EntryExitLog.delete_reason,
        )
        .join(parent, parent.id == EntryExitLog.parent_id)
        .join(Nursery, Nursery.id == EntryExitLog.nursery_id)
        .outerjoin(children, children.c.parent_id == EntryExitLog.parent_id)
    )


def _filter_values(by: Actor, filters: schemas.LogFilters) -> dict[str, Any]:
    values = filters.model_dump(exclude={"deleted", "sort"}, exclude_none=True)
    nursery_id = queries.nursery_scope(by, values.get("nursery_id"))
    return values | {"nursery_id": nursery_id, "is_live": not filters.deleted, "is_deleted": filters.deleted}


def numbered_page(db: Session, by: Actor, query: schemas.LogQuery) -> schemas.LogPage:
    """The document's page (A.2): by page number, newest first."""
    values = {
        "nursery_id": queries.nursery_scope(by),
        "parent_name": query.parent_name,
        "child_name": query.child_name,
        "entry_type": query.entry_type,
        "is_live": True,
        **_bounds(query),
    }
    total = LOGS.count(db, **values)
    skipped = (query.page - 1) * query.page_size
    day, later = _day_of(db, values, skipped)
    ids = (
        LOGS.all(**(values | ({"last_day": day} if day else {})))
        .with_only_columns(EntryExitLog.id)
        .offset(skipped - later)
        .limit(query.page_size)
    )
    rows = db.execute(LOGS.all(is_live=True).where(EntryExitLog.id.in_(ids))).all() if skipped < total else []
    logs = [schemas.LogItem.model_validate(row, from_attributes=True) for row in rows]
    return schemas.LogPage(logs=logs, total_count=total, page=query.page, page_size=query.page_size)


def _day_of(db: Session, values: Mapping[str, Any], skipped: int) -> tuple[date | None, int]:
    """The day of the first row after `skipped` rows, and the number of rows in later days. Counts by day make a far
    page fast. The day is None when the counts by day do not support the filters."""
    names = frozenset(name for name, value in values.items() if value is not None)
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
    row = db.execute(
        select(sums.c.day, sums.c.sum - sums.c.logs).where(sums.c.sum > skipped).order_by(sums.c.day.desc()).limit(1),
        {name: values[name] for name in names if name not in ("is_live",)},
    ).one_or_none()
    return (row[0], int(row[1])) if row else (None, 0)


def _bounds(query: schemas.LogQuery) -> dict[str, Any]:
    """A date means the whole day in Tokyo, from its beginning or to its end; a timestamp is used as it is."""
    bounds: dict[str, Any] = {}
    for value, day, timestamp in ((query.since, "first_day", "since"), (query.until, "last_day", "until")):
        if value is not None:
            bounds[timestamp if isinstance(value, datetime) else day] = value
    return bounds


def get_log(db: Session, by: Actor, log_id: int) -> EntryExitLog:
    """Locked. Raises NotFound."""
    return queries.get_row(db, by, EntryExitLog, log_id, "入退ログ", lock=True)
