"""The demo's incidents: one that is being dealt with, one that is over with its ポストモーテム, and a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.holidays import calendar_named
from service.core.values.times import DAY, at, local_date
from service.demo.files import insert_rows, load
from service.demo.reservations.life import MINUTE
from service.reservations.incidents import rules
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark
from service.reservations.incidents.rules import Level, Mark

_TEXTS = ("title", "level", "impact", "cause", "response", "prevention", "report")


def fill(db: Session, people: Sequence[Actor], now: datetime) -> None:
    for told in load("reservations_office")["incidents"]:
        _incident(db, told, people[told["by"]], now)


def _detected_at(when: Mapping[str, Any], now: datetime) -> datetime:
    if "minutes" in when:
        return now - timedelta(minutes=when["minutes"])
    today = local_date(now)
    back = when.get("days", today.weekday() + 6)
    return at(today - back * DAY, when["at"])


def _incident(db: Session, told: Mapping[str, Any], by: Actor, now: datetime) -> None:
    detected_at, level = _detected_at(told["when"], now), Level(told["level"])
    done = {Mark(mark): (detected_at + minutes * MINUTE, note) for mark, minutes, note in told["steps"]}
    incident = Incident(
        **{name: told.get(name, "").lstrip() for name in _TEXTS},
        detected_at=detected_at,
        opened_at=detected_at,
        opened_by=by.name,
    )
    events: list[tuple[datetime, str, str | None]] = [(detected_at, "opened", rules.LEVEL_LABELS[level])]
    if "recovered" in told:
        incident.recovered_at = detected_at + told["recovered"] * MINUTE
        incident.resolved_at, incident.resolved_by = max(moment for moment, _ in done.values()), by.name
    db.add(incident)
    db.flush()
    done[Mark.DETECTED] = (detected_at, "")
    calendar = calendar_named(db, rules.calendar_of(level))
    for due in rules.step_deadlines(level, detected_at, detected_at, calendar):
        mark = IncidentMark(incident_id=incident.id, mark=due.mark.value, due_at=due.due_at, notify_at=due.notify_at)
        db.add(mark)
        is_told = rules.FLOWS[level][due.mark].tells
        if is_told and due.mark not in done and due.notify_at < now:
            mark.notified_at = due.notify_at
            done[due.mark] = (due.notify_at, "")
        if due.mark in done:
            mark.done_at, mark.note = done[due.mark]
            mark.done_by = "システム" if is_told else by.name
            if due.mark is not Mark.DETECTED:
                title = rules.STEP_TITLES[due.mark]
                events.append((mark.done_at, "step_done", f"{title}\n{mark.note}" if mark.note else title))
    if incident.resolved_at is not None:
        events.append((incident.resolved_at, "resolved", None))
    who = {"incident_id": incident.id, "by": by.name, "user_id": by.user_id}
    rows = [who | {"at": moment, "kind": kind, "text": text} for moment, kind, text in sorted(events, key=_moment)]
    insert_rows(db, IncidentEvent, rows)


def _moment(event: tuple[datetime, str, str | None]) -> datetime:
    return event[0]
