"""Every read of attendance. A day is a day in Tokyo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.values.times import Month, day_bounds, local_date
from service.entries import queries
from service.entries.attendance import schemas
from service.entries.attendance.models import Attendance
from service.entries.attendance.rules import suggested_presence
from service.entries.models import Child, EntryExitLog, Guardianship, Parent
from service.entries.rules import EntryType, Presence

UNKNOWN = "unknown"
Scan = TypeVar("Scan", schemas.Scanned, schemas.DayLog)


def _children(db: Session, nursery_id: int | None, class_name: str | None) -> Sequence[Child]:
    statement = select(Child).where(Child.archived_at.is_(None))
    if nursery_id is not None:
        statement = statement.where(Child.nursery_id == nursery_id)
    if class_name is not None:
        statement = statement.where(Child.class_name == class_name)
    return db.scalars(statement.order_by(Child.nursery_id, Child.class_name, Child.kana, Child.id)).all()


def _scans(
    db: Session, children: Sequence[Child], begins: datetime, ends: datetime, model: type[Scan]
) -> dict[int, list[Scan]]:
    """The scans of each child's parents in that time, by child, oldest first."""
    rows = db.execute(
        select(Guardianship.child_id, EntryExitLog.id, EntryExitLog.entry_type, EntryExitLog.timestamp, Parent.name)
        .join(Guardianship, Guardianship.parent_id == EntryExitLog.parent_id)
        .join(Parent, Parent.id == EntryExitLog.parent_id)
        .where(
            Guardianship.child_id.in_([child.id for child in children]),
            EntryExitLog.timestamp >= begins,
            EntryExitLog.timestamp < ends,
            EntryExitLog.deleted_at.is_(None),
        )
        .order_by(EntryExitLog.timestamp, EntryExitLog.id)
    )
    by_child: dict[int, list[Scan]] = defaultdict(list)
    for child_id, log_id, entry_type, timestamp, parent_name in rows:
        scan = model(log_id=log_id, entry_type=entry_type, timestamp=timestamp, parent_name=parent_name)
        by_child[child_id].append(scan)
    return by_child


def _attendances(db: Session, children: Sequence[Child], first: date, last: date) -> dict[tuple[int, date], Attendance]:
    child_ids = [child.id for child in children]
    rows = db.scalars(select(Attendance).where(Attendance.child_id.in_(child_ids), Attendance.day.between(first, last)))
    return {(row.child_id, row.day): row for row in rows}


def attendance_by_child(db: Session, by: Actor, day: date | None) -> list[schemas.ChildDay]:
    """One element for each child (TR-AD-002)."""
    day = day or local_date(app_now(db))
    children = _children(db, queries.nursery_scope(by), None)
    scans = _scans(db, children, *day_bounds(day), schemas.DayLog)
    attendances = _attendances(db, children, day, day)
    return [
        schemas.ChildDay(
            child_id=child.id,
            child_name=child.name,
            attendances=[
                schemas.DayAttendance(date=row.day, status=row.presence, note=row.note)
                for row in filter(None, [attendances.get((child.id, day))])
            ],
            entry_exit_logs=scans.get(child.id, []),
        )
        for child in children
    ]


def day_sheet(db: Session, by: Actor, filters: schemas.Filters) -> schemas.DaySheet:
    """A nursery's day. A user who sees all nurseries and gives none gets the first one.

    Raises:
        NotFound: no such nursery.
    """
    now = app_now(db)
    day = filters.day or local_date(now)
    nursery = queries.get_default_nursery(db, by, filters.nursery_id)
    children = _children(db, nursery.id, filters.class_name)
    scans = _scans(db, children, *day_bounds(day), schemas.Scanned)
    attendances = _attendances(db, children, day, day)
    rows = [_row(child, attendances.get((child.id, day)), scans.get(child.id, [])) for child in children]
    return schemas.DaySheet(
        as_of=now, day=day, nursery_id=nursery.id, nursery_name=nursery.name, counts=_counts(rows), rows=rows
    )


def _row(child: Child, attendance: Attendance | None, scans: list[schemas.Scanned]) -> schemas.SheetRow:
    latest = {scan.entry_type: scan.timestamp for scan in scans}
    entered = attendance.presence if attendance else None
    suggestion = suggested_presence(latest.get(EntryType.ENTRY))
    return schemas.SheetRow(
        child_id=child.id,
        child_name=child.name,
        class_name=child.class_name,
        nursery_id=child.nursery_id,
        presence=entered or suggestion,
        suggested=entered is None and suggestion is not None,
        note=attendance.note if attendance else "",
        version=attendance.version if attendance else 0,
        updated_by=attendance.updated_by if attendance else None,
        latest_entry=latest.get(EntryType.ENTRY),
        latest_exit=latest.get(EntryType.EXIT),
        scans=scans,
    )


def _counts(rows: Iterable[schemas.SheetRow | schemas.MonthDay]) -> dict[str, int]:
    counts = {presence.value: 0 for presence in Presence} | {UNKNOWN: 0}
    for row in rows:
        counts[row.presence or UNKNOWN] += 1
    return counts


def child_month(db: Session, by: Actor, child_id: int, month: Month) -> schemas.MonthReport:
    """詳細レポート: each day of the child's month up to today. Raises NotFound."""
    child = queries.get_child(db, by, child_id)
    today = local_date(app_now(db))
    days = [day for day in month.days() if day <= today]
    by_day: dict[date, list[schemas.Scanned]] = defaultdict(list)
    for scan in _scans(db, [child], *month.bounds(), schemas.Scanned).get(child.id, []):
        by_day[local_date(scan.timestamp)].append(scan)
    attendances = _attendances(db, [child], days[0], days[-1]) if days else {}
    rows = [_month_day(day, _row(child, attendances.get((child.id, day)), by_day.get(day, []))) for day in days]
    return schemas.MonthReport(
        child_id=child.id,
        child_name=child.name,
        class_name=child.class_name,
        nursery_name=queries.get_nursery(db, by, child.nursery_id).name,
        month=month.first,
        counts=_counts(rows),
        days=rows,
    )


def _month_day(day: date, row: schemas.SheetRow) -> schemas.MonthDay:
    entries = (scan.timestamp for scan in row.scans if scan.entry_type == EntryType.ENTRY)
    return schemas.MonthDay(
        day=day,
        presence=row.presence,
        suggested=row.suggested,
        note=row.note,
        first_entry=next(entries, None),
        last_exit=row.latest_exit,
        scans=row.scans,
    )
