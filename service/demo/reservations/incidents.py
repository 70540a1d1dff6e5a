"""The demo's incidents: one that is being dealt with, one that is over with its ポストモーテム, and a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.holidays import calendar_named
from service.core.values.times import DAY, at, local_date
from service.demo.files import Row, event, insert_trees, load
from service.demo.reservations.booking import MINUTE
from service.reservations.incidents import rules
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark
from service.reservations.incidents.rules import Level, Mark

_TEXTS = ("title", "level", "impact", "cause", "response", "prevention", "report")


def fill(db: Session, people: Sequence[Actor], now: datetime) -> None:
    listed = load("reservations_office")["incidents"]
    insert_trees(db, Incident, [_incident(db, incident, people[incident["by"]], now) for incident in listed])


def _detected_at(when: Mapping[str, Any], now: datetime) -> datetime:
    if "minutes" in when:
        return now - timedelta(minutes=when["minutes"])
    today = local_date(now)
    back = when.get("days", today.weekday() + 6)
    return at(today - back * DAY, when["at"])


def _incident(db: Session, data: Mapping[str, Any], by: Actor, now: datetime) -> Row:
    detected_at, level = _detected_at(data["when"], now), Level(data["level"])
    done = {Mark(mark): (detected_at + minutes * MINUTE, note) for mark, minutes, note in data["steps"]}
    row: Row = {name: data.get(name, "").lstrip() for name in _TEXTS}
    row |= {"detected_at": detected_at, "opened_at": detected_at, "opened_by": by.name}
    if "recovered" in data:
        row["recovered_at"] = detected_at + data["recovered"] * MINUTE
        row |= {"resolved_at": max(moment for moment, _ in done.values()), "resolved_by": by.name}
    marks, events = [], []
    calendar = calendar_named(db, rules.calendar_of(level))
    for due in rules.step_deadlines(level, detected_at, detected_at, calendar):
        mark: Row = {"mark": due.mark.value, "due_at": due.due_at, "notify_at": due.notify_at, "note": ""}
        is_notice, title = rules.FLOWS[level][due.mark].tells, rules.STEP_TITLES[due.mark]
        if is_notice and due.mark not in done and due.notify_at < now:
            mark["notified_at"] = due.notify_at
            done[due.mark] = (due.notify_at, "")
        if due.mark in done:
            mark["done_at"], mark["note"] = done[due.mark]
            events.append(event(mark["done_at"], "step_done", by, f"{title}\n{mark['note']}".rstrip()))
        elif due.mark is Mark.DETECTED:
            mark["done_at"] = detected_at
        if "done_at" in mark:
            mark["done_by"] = "システム" if is_notice else by.name
        marks.append(mark)
    events.sort(key=lambda row: row["at"])
    if "resolved_at" in row:
        events.append(event(row["resolved_at"], "resolved", by))
    opened = event(detected_at, "opened", by, level.label)
    return row | {IncidentMark: marks, IncidentEvent: [opened, *events]}
