"""Every read of 在園状況 and 統計. Days and clock times are those of Tokyo."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Invalid
from service.core.values.times import TOKYO, at, day_bounds, local_date
from service.entries.attendance.queries import day_sheet
from service.entries.attendance.schemas import Filters, SheetRow
from service.entries.insights import rules, schemas
from service.entries.insights.rules import UnusualKind
from service.entries.queries import get_default_nursery, get_nursery, nursery_scope
from service.entries.rules import EntryType, Presence

# No user reads a longer list of names on a screen.
MAX_LISTED = 200


def children_now(db: Session, by: Actor, nursery_id: int | None) -> schemas.Now:
    """Where the children are, by their last scan of today. Raises NotFound."""
    current_time = app_now(db)
    today = day_sheet(db, by, Filters(nursery_id=nursery_id))
    nursery = get_nursery(db, by, today.nursery_id)
    is_closed = current_time >= at(local_date(current_time), nursery.closes_at)
    children = [_child_now(row, is_closed) for row in today.rows]
    counts = dict.fromkeys(("in", "out", "not_come", "absent", "overdue"), 0)
    for child in children:
        counts[child.state] += 1
        counts["absent"] += child.absent
        counts["overdue"] += child.overdue
    return schemas.Now(
        as_of=current_time,
        nursery_id=nursery.id,
        nursery_name=nursery.name,
        closes_at=f"{nursery.closes_at:%H:%M}",
        is_closed=is_closed,
        counts=counts,
        children=children,
    )


def _child_now(row: SheetRow, is_closed: bool) -> schemas.ChildNow:
    last = row.scans[-1] if row.scans else None
    state: schemas.State = "not_come" if last is None else "in" if last.entry_type == EntryType.ENTRY else "out"
    return schemas.ChildNow(
        child_id=row.child_id,
        child_name=row.child_name,
        class_name=row.class_name,
        state=state,
        since=last.timestamp if last else None,
        by=last.parent_name if last else None,
        absent=row.presence == Presence.ABSENT,
        overdue=state == "in" and is_closed,
    )


# As `overdue` of `children_now`, in all closed nurseries at once.
WAITING = text("""
SELECT child_id, child_name, class_name, nursery_name, closes_at, since
FROM (
    SELECT DISTINCT ON (c.id) c.id AS child_id, c.name AS child_name, c.class_name, n.name AS nursery_name,
        n.closes_at, l.entry_type, l."timestamp" AS since
    FROM entries_nurseries n
    JOIN entries_children c ON c.nursery_id = n.id AND c.archived_at IS NULL
    JOIN entries_guardianships g ON g.child_id = c.id
    JOIN entries_logs l ON l.parent_id = g.parent_id AND l.deleted_at IS NULL
        AND l."timestamp" >= :begins AND l."timestamp" < :ends
    WHERE n.archived_at IS NULL AND n.closes_at <= :clock
        AND (CAST(:nursery_id AS bigint) IS NULL OR n.id = :nursery_id)
    ORDER BY c.id, l."timestamp" DESC, l.id DESC
) latest
WHERE entry_type = 'Entry' ORDER BY closes_at, since, child_id
""")


@dataclass(frozen=True)
class WaitingChild:
    """In the building, and the nursery has closed. `since`: the last scan."""

    child_id: int
    child_name: str
    class_name: str
    nursery_name: str
    closed_at: datetime
    since: datetime


def children_waiting(db: Session, by: Actor) -> list[WaitingChild]:
    """Of all nurseries that the user sees, the first closed first."""
    now = app_now(db)
    today = local_date(now)
    begins, ends = day_bounds(today)
    clock = now.astimezone(TOKYO).time()
    parameters = {"begins": begins, "ends": ends, "clock": clock, "nursery_id": nursery_scope(by)}
    return [
        WaitingChild(child_id, child_name, class_name, nursery_name, at(today, closes_at), since)
        for child_id, child_name, class_name, nursery_name, closes_at, since in db.execute(WAITING, parameters)
    ]


@dataclass(frozen=True)
class Scan:
    """`minutes`: since midnight."""

    day: date
    minutes: int
    at: datetime
    parent_id: int
    parent_name: str
    entry_type: str
    child_names: list[str]


# Only the first entry and the last exit of each parent's day.
DAYS = text("""
WITH scans AS (
    SELECT l.parent_id, l.entry_type, l."timestamp" AS at, (l."timestamp" AT TIME ZONE 'Asia/Tokyo') AS local
    FROM entries_logs l
    WHERE l.nursery_id = :nursery_id AND l.deleted_at IS NULL AND l."timestamp" >= :begins AND l."timestamp" < :ends
), kept AS (
    SELECT DISTINCT ON (parent_id, local::date, entry_type) parent_id, entry_type, at, local
    FROM scans
    ORDER BY parent_id, local::date, entry_type,
        CASE entry_type WHEN 'Entry' THEN extract(epoch FROM at) ELSE -extract(epoch FROM at) END
), names AS (
    SELECT g.parent_id, array_agg(c.name ORDER BY c.kana, c.id) AS children
    FROM entries_guardianships g JOIN entries_children c ON c.id = g.child_id
    WHERE g.nursery_id = :nursery_id AND c.archived_at IS NULL
    GROUP BY g.parent_id
)
SELECT k.local::date AS day, extract(hour FROM k.local) * 60 + extract(minute FROM k.local) AS minutes, k.at,
    k.parent_id, p.name, k.entry_type, coalesce(n.children, '{}')
FROM kept k JOIN entries_parents p ON p.id = k.parent_id LEFT JOIN names n ON n.parent_id = k.parent_id
ORDER BY k.at DESC, k.parent_id
""")
# Who picked up the children that have several guardians.
PICKUPS = text("""
SELECT DISTINCT ON (g.child_id, day) g.child_id, c.name, (l."timestamp" AT TIME ZONE 'Asia/Tokyo')::date AS day,
    l.parent_id, p.name, l."timestamp"
FROM entries_logs l
JOIN entries_guardianships g ON g.parent_id = l.parent_id
JOIN entries_children c ON c.id = g.child_id AND c.archived_at IS NULL
JOIN entries_parents p ON p.id = l.parent_id
WHERE l.nursery_id = :nursery_id AND l.deleted_at IS NULL AND l.entry_type = 'Exit'
    AND l."timestamp" >= :begins AND l."timestamp" < :ends
    AND (SELECT count(*) FROM entries_guardianships o WHERE o.child_id = g.child_id) > 1
ORDER BY g.child_id, day, l."timestamp" DESC
""")
QUARTERS = text("""
SELECT (extract(hour FROM local) * 60 + floor(extract(minute FROM local) / 15) * 15)::int AS begins,
    count(*) FILTER (WHERE entry_type = 'Entry'), count(*) FILTER (WHERE entry_type = 'Exit')
FROM (
    SELECT entry_type, "timestamp" AT TIME ZONE 'Asia/Tokyo' AS local FROM entries_logs
    WHERE nursery_id = :nursery_id AND deleted_at IS NULL AND "timestamp" >= :begins AND "timestamp" < :ends
) scans
GROUP BY 1 ORDER BY 1
""")
KPI = text("""
SELECT
    (SELECT count(*) FROM entries_parents WHERE nursery_id = :nursery_id AND archived_at IS NULL) AS parents,
    (SELECT count(DISTINCT l.parent_id) FROM entries_logs l JOIN entries_parents p ON p.id = l.parent_id
     WHERE l.nursery_id = :nursery_id AND p.archived_at IS NULL AND l.deleted_at IS NULL
        AND l."timestamp" >= :month_ago AND l."timestamp" < :now) AS used,
    count(*) AS prompt,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - "timestamp")) AS p99
FROM entries_logs
WHERE nursery_id = :nursery_id AND deleted_at IS NULL AND station_id IS NOT NULL AND NOT was_offline
    AND coalesce(abs(skew_seconds), 0) <= 2 AND "timestamp" >= :begins AND "timestamp" < :ends
    AND created_at >= "timestamp"
""")


def statistics(db: Session, by: Actor, period: schemas.Period, limit: int | None = MAX_LISTED) -> schemas.Statistics:
    """`limit`: the maximum number of rows in each list; None: all rows.

    Raises:
        NotFound: no such nursery.
        Invalid: the days are in the wrong order or more than a year.
    """
    now = app_now(db)
    last = period.last_day or local_date(now) - timedelta(days=1)
    first = period.first_day or last - timedelta(days=27)
    if not 0 <= (last - first).days < rules.MAX_PERIOD_DAYS:
        raise Invalid.at_field(
            "last_day", f"期間は、始めの日から終わりの日まで{rules.MAX_PERIOD_DAYS}日以内で指定してください。"
        )
    nursery = get_default_nursery(db, by, period.nursery_id)
    parameters = {"nursery_id": nursery.id, "begins": day_bounds(first)[0], "ends": day_bounds(last)[1]}
    scans = [Scan(row[0], int(row[1]), *row[2:]) for row in db.execute(DAYS, parameters)]
    days = len({scan.day for scan in scans})
    quarters = [
        schemas.Quarter(begins=rules.quarter_of_hour(begins), entries=entries, exits=exits)
        for begins, entries, exits in db.execute(QUARTERS, parameters)
    ]
    late = _late(scans, rules.minute_of_day(nursery.closes_at))
    unusual = [*_unusual(scans, local_date(now)), *_picked_up_by_others(db, parameters)]
    unusual.sort(key=lambda odd: (odd.at, odd.kind), reverse=True)
    return schemas.Statistics(
        as_of=now,
        nursery_id=nursery.id,
        nursery_name=nursery.name,
        first_day=first,
        last_day=last,
        closes_at=f"{nursery.closes_at:%H:%M}",
        days=days,
        quarters=[
            schemas.Quarter(
                begins=quarter.begins, entries=round(quarter.entries / days, 2), exits=round(quarter.exits / days, 2)
            )
            for quarter in quarters
        ],
        busiest_entry=_busiest(quarters, lambda quarter: quarter.entries),
        busiest_exit=_busiest(quarters, lambda quarter: quarter.exits),
        late=late[:limit],
        late_total=len(late),
        unusual=unusual[:limit],
        unusual_total=len(unusual),
        indicators=_indicators(db, parameters, now, scans),
    )


def _busiest(quarters: Sequence[schemas.Quarter], scans: Callable[[schemas.Quarter], float]) -> str | None:
    busiest = max(quarters, key=scans, default=None)
    return busiest.begins if busiest is not None and scans(busiest) else None


def _late(scans: Sequence[Scan], closes_at: int) -> list[schemas.Late]:
    return [
        schemas.Late(
            day=scan.day,
            parent_name=scan.parent_name,
            child_names=scan.child_names,
            at=scan.at,
            minutes=scan.minutes - closes_at,
        )
        for scan in scans
        if scan.entry_type == EntryType.EXIT and scan.minutes > closes_at
    ]


def _unusual(scans: Sequence[Scan], today: date) -> Iterator[schemas.Odd]:
    """Scans that differ from the same parent's other days, and days that ended without an exit."""
    by_parent: dict[tuple[int, str], list[Scan]] = defaultdict(list)
    for scan in scans:
        by_parent[scan.parent_id, scan.entry_type].append(scan)
    for (parent_id, kind), own_scans in by_parent.items():
        days_with_exit = {scan.day for scan in by_parent.get((parent_id, EntryType.EXIT), [])}
        for scan, unusual in zip(own_scans, rules.unusual_times([scan.minutes for scan in own_scans]), strict=True):
            if unusual:
                yield _odd(scan, unusual.kind, unusual.by)
            if kind == EntryType.ENTRY and scan.day < today and scan.day not in days_with_exit:
                yield _odd(scan, UnusualKind.FORGOTTEN)


def _picked_up_by_others(db: Session, parameters: dict[str, Any]) -> Iterator[schemas.Odd]:
    by_child: dict[int, list[Scan]] = defaultdict(list)
    for child_id, child, day, parent_id, parent, exited_at in db.execute(PICKUPS, parameters):
        by_child[child_id].append(Scan(day, 0, exited_at, parent_id, parent, EntryType.EXIT, [child]))
    for pickups in by_child.values():
        judgements = rules.unusual_pickups([pickup.parent_id for pickup in pickups])
        for pickup, unusual in zip(pickups, judgements, strict=True):
            if unusual:
                yield _odd(pickup, unusual.kind)


def _odd(scan: Scan, kind: UnusualKind, minutes: int = 0) -> schemas.Odd:
    return schemas.Odd(
        day=scan.day,
        parent_name=scan.parent_name,
        child_names=scan.child_names,
        at=scan.at,
        entry_type=scan.entry_type,
        kind=kind,
        minutes=minutes,
    )


def _indicators(
    db: Session, parameters: dict[str, Any], now: datetime, scans: Sequence[Scan]
) -> list[schemas.Indicator]:
    kpi = db.execute(KPI, parameters | {"now": now, "month_ago": now - timedelta(days=30)}).one()
    today = local_date(now)
    entered = {(scan.parent_id, scan.day) for scan in scans if scan.entry_type == EntryType.ENTRY and scan.day < today}
    exited = {(scan.parent_id, scan.day) for scan in scans if scan.entry_type == EntryType.EXIT}
    forgotten = len(entered - exited)
    slowest = None if kpi.p99 is None else round(float(kpi.p99), 2)
    return [
        _indicator("KPI-001", _percentage(kpi.used, kpi.parents), operator.ge, 90, kpi.used, kpi.parents),
        _indicator("KPI-002", _percentage(forgotten, len(entered)), operator.le, 5, forgotten, len(entered)),
        _indicator("KPI-003", slowest, operator.le, 2, kpi.prompt, kpi.prompt),
    ]


def _percentage(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def _indicator(
    key: Literal["KPI-001", "KPI-002", "KPI-003"],
    value: float | None,
    meets: Callable[[float, float], bool],
    target: float,
    part: int,
    whole: int,
) -> schemas.Indicator:
    met = None if value is None else meets(value, target)
    return schemas.Indicator(key=key, value=value, target=target, met=met, part=part, whole=whole)
