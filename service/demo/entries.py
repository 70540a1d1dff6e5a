"""The demo's nurseries, with four weeks of comings and goings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import holidays
from service.core.access.identity import hash_password
from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date
from service.demo import people
from service.demo.files import Row, insert_rows, load
from service.entries.attendance.models import Attendance
from service.entries.models import Child, EntryExitLog, Guardianship, Nursery, Parent

DAYS_BACK = 28


def fill(db: Session) -> None:
    if not db.scalars(select(Nursery.id).limit(1)).all():
        for nursery_data in load("entries")["nurseries"]:
            _create_nursery(db, nursery_data)
    people.add_tenant_memberships(db, "entries", dict(db.execute(select(Nursery.code, Nursery.id)).all()))


def _create_nursery(db: Session, data: Mapping[str, Any]) -> None:
    password_hash = hash_password(data["station_password"])
    nursery = Nursery(name=data["name"], code=data["code"], station_password_hash=password_hash)
    if "closes_at" in data:
        nursery.opens_at, nursery.closes_at = data["opens_at"], data["closes_at"]
    db.add(nursery)
    db.flush()
    children = {family[1]: _create_family(db, nursery.id, family) for family in data["families"]}
    _insert_past_scans(db, nursery, data, children)


def _create_family(db: Session, nursery_id: int, family: Sequence[Any]) -> int:
    """Returns the id of the youngest child."""
    name, number, kana, children = family
    contact = {"phone_number": f"090-0000-{number % 10_000:04}", "mail": f"parent{number}@example.com"}
    parent = Parent(id=number, nursery_id=nursery_id, name=name, kana=kana, **contact)
    children_rows = [
        Child(nursery_id=nursery_id, name=child, kana=child_kana, class_name=group)
        for child, child_kana, group in children
    ]
    db.add_all([parent, *children_rows])
    db.flush()
    db.add_all(Guardianship(parent_id=number, child_id=child.id, nursery_id=nursery_id) for child in children_rows)
    db.flush()
    return children_rows[-1].id


def _insert_past_scans(db: Session, nursery: Nursery, data: Mapping[str, Any], children: Mapping[int, int]) -> None:
    """The days of four weeks on which it is open, and today up to now."""
    now, closed, rng = app_now(db), holidays.days(db), Random(nursery.code)
    own_times, is_always_open = data.get("times", ["day"]), "times" in data
    rows: list[Row] = []
    absences: list[Row] = []
    for days_ago in range(DAYS_BACK, -1, -1):
        day = local_date(now) - days_ago * DAY
        if not is_always_open and (day.weekday() >= 5 or day in closed):
            continue
        for index, (parent_id, child_id) in enumerate(children.items()):
            keys = {"nursery_id": nursery.id}
            # Where there have to be children at any time, nobody is ill.
            if not is_always_open and rng.random() < 0.05:
                absence = {"child_id": child_id, "day": day, "presence": "absent", "note": "風邪のため"}
                absences.append(keys | absence | {"updated_by": "桜井 保"})
                continue
            times = load("entries")["times"][own_times[index % len(own_times)]]
            for kind, time_name in (("Entry", "comes"), ("Exit", "fetched")):
                moment = _random_moment(day, times[time_name], rng)
                # Once in a while somebody forgets to scan on leaving.
                if moment <= now and not (kind == "Exit" and rng.random() < 0.03):
                    scan = {"parent_id": parent_id, "entry_type": kind, "timestamp": moment, "created_at": moment}
                    rows.append(keys | scan)
    insert_rows(db, EntryExitLog, rows)
    insert_rows(db, Attendance, absences)


def _random_moment(day: date, distribution: Sequence[Any], rng: Random) -> datetime:
    begins, average, deviation, maximum = distribution
    minutes = min(max(rng.gauss(average, deviation), 0), maximum)
    return at(day, begins) + timedelta(seconds=round(60 * minutes))
