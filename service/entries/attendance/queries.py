"""Every read of attendance. A day is Tokyo's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import app_now
from service.core.times import Month, day_bounds, local_date
from service.entries import queries
from service.entries.attendance import schemas
from service.entries.attendance.models import Attendance
from service.entries.attendance.rules import suggested
from service.entries.logs.models import EntryExitLog
from service.entries.models import Child, Guardianship, Parent
from service.entries.rules import EntryType, Presence

UNKNOWN = "unknown"


def _children(db: Session, nursery_id: int | None, class_name: str | None) -> Sequence[Child]:
    found = select(Child).where(Child.archived_at.is_(None))
    if nursery_id is not None:
        found = found.where(Child.nursery_id == nursery_id)
    if class_name is not None:
        found = found.where(Child.class_name == class_name)
    return db.scalars(found.order_by(Child.nursery_id, Child.class_name, Child.kana, Child.id)).all()


def _scans(db: Session, children: Iterable[int], begins: datetime, ends: datetime) -> dict[int, list[dict[str, Any]]]:
    """By child: what its parents were scanned in that time, the oldest first."""
    rows = db.execute(
        select(
            Guardianship.child_id,
            EntryExitLog.id.label("log_id"),
            EntryExitLog.entry_type,
            EntryExitLog.timestamp,
            Parent.name.label("parent_name"),
        )
        .join(Guardianship, Guardianship.parent_id == EntryExitLog.parent_id)
        .join(Parent, Parent.id == EntryExitLog.parent_id)
        .where(
            Guardianship.child_id.in_(list(children)),
            EntryExitLog.timestamp >= begins,
            EntryExitLog.timestamp < ends,
            EntryExitLog.deleted_at.is_(None),
        )
        .order_by(EntryExitLog.timestamp, EntryExitLog.id)
    ).mappings()
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        scan = dict(row)
        found.setdefault(scan.pop("child_id"), []).append(scan)
    return found


def _written(db: Session, children: Iterable[int], first: date, last: date) -> dict[tuple[int, date], Attendance]:
    rows = db.scalars(
        select(Attendance).where(Attendance.child_id.in_(list(children)), Attendance.day.between(first, last))
    )
    return {(row.child_id, row.day): row for row in rows}


def by_the_document(db: Session, by: Actor, day: date | None) -> list[dict[str, Any]]:
    """TR-AD-002: one element for each child."""
    day = day or local_date(app_now(db))
    children = _children(db, queries.own(by), None)
    scans = _scans(db, (child.id for child in children), *day_bounds(day))
    written = _written(db, (child.id for child in children), day, day)
    return [
        {
            "child_id": child.id,
            "child_name": child.name,
            "attendances": [
                {"date": row.day, "status": row.presence, "note": row.note}
                for row in filter(None, [written.get((child.id, day))])
            ],
            "entry_exit_logs": scans.get(child.id, []),
        }
        for child in children
    ]


def sheet(db: Session, by: Actor, filters: schemas.Filters) -> dict[str, Any]:
    """A nursery's day. Who sees all nurseries and names none is shown the first.

    Raises:
        NotFound: no such nursery.
    """
    moment = app_now(db)
    day = filters.day or local_date(moment)
    nursery = queries.get_shown_nursery(db, by, filters.nursery_id)
    children = _children(db, nursery.id, filters.class_name)
    scans = _scans(db, (child.id for child in children), *day_bounds(day))
    written = _written(db, (child.id for child in children), day, day)
    rows = [_row(child, written.get((child.id, day)), scans.get(child.id, [])) for child in children]
    return {
        "as_of": moment,
        "day": day,
        "nursery_id": nursery.id,
        "nursery_name": nursery.name,
        "counts": _counts(row["presence"] for row in rows),
        "rows": rows,
    }


def _row(child: Child, written: Attendance | None, scans: list[dict[str, Any]]) -> dict[str, Any]:
    latest = {scan["entry_type"]: scan["timestamp"] for scan in scans}
    said = written.presence if written else None
    guess = suggested(latest.get(EntryType.ENTRY))
    return {
        "child_id": child.id,
        "child_name": child.name,
        "class_name": child.class_name,
        "nursery_id": child.nursery_id,
        "presence": said or guess,
        "suggested": said is None and guess is not None,
        "note": written.note if written else "",
        "version": written.version if written else 0,
        "updated_by": written.updated_by if written else None,
        "latest_entry": latest.get(EntryType.ENTRY),
        "latest_exit": latest.get(EntryType.EXIT),
        "scans": scans,
    }


def _counts(presences: Iterable[str | None]) -> Mapping[str, int]:
    counted = {presence.value: 0 for presence in Presence} | {UNKNOWN: 0}
    for presence in presences:
        counted[presence or UNKNOWN] += 1
    return counted


def month(db: Session, by: Actor, child_id: int, of: Month) -> dict[str, Any]:
    """詳細レポート: each day of the child's month up to today. Raises NotFound."""
    child = queries.get_child(db, by, child_id)
    today = local_date(app_now(db))
    days = [day for day in of.days() if day <= today]
    by_day: dict[date, list[dict[str, Any]]] = {}
    for scan in _scans(db, [child.id], *of.bounds()).get(child.id, []):
        by_day.setdefault(local_date(scan["timestamp"]), []).append(scan)
    written = _written(db, [child.id], days[0], days[-1]) if days else {}
    rows = []
    for day in days:
        row = _row(child, written.get((child.id, day)), by_day.get(day, []))
        entries = [scan["timestamp"] for scan in row["scans"] if scan["entry_type"] == EntryType.ENTRY]
        rows.append(
            {name: row[name] for name in ("presence", "suggested", "note", "scans")}
            | {"day": day, "first_entry": entries[0] if entries else None, "last_exit": row["latest_exit"]}
        )
    return {
        "child_id": child.id,
        "child_name": child.name,
        "class_name": child.class_name,
        "nursery_name": queries.get_nursery(db, by, child.nursery_id).name,
        "month": of.first,
        "counts": _counts(row["presence"] for row in rows),
        "days": rows,
    }
