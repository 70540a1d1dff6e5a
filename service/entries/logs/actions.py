"""Scans are stored once each; a wrong log is deleted, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, real_now
from service.core.problems import Conflict, Invalid, NotFound, Problem
from service.entries.logs import queries, rules, schemas
from service.entries.logs.models import EntryExitLog
from service.entries.logs.queries import Known
from service.entries.rules import AREA, EntryType
from service.entries.station.queries import Calling


@dataclass(frozen=True)
class Outcome:
    """`fresh`: it was stored now, and not known before."""

    recorded: schemas.Recorded
    fresh: bool


def store(db: Session, station: Calling, scans: Sequence[schemas.Scan]) -> list[Outcome | Problem]:
    """Each scan's log, in their order, or why there is none. One that was sent before is answered as then; one that
    repeats another within ten seconds is answered with that one, and nothing is stored."""
    now, real = app_now(db), real_now()
    numbers = [rules.parent_id(scan.parent_id) for scan in scans]
    parents = queries.lock_parents(db, station.nursery_id, sorted({number for number in numbers if number}))
    events = [scan.client_event_id for scan in scans if scan.client_event_id]
    sent_before = queries.by_event(db, station.nursery_id, events) if events else {}
    moments = [scan.scanned_at or now for scan in scans]
    logs = queries.around(db, station.nursery_id, list(parents), min(moments), max(moments)) if parents else []
    answers: list[tuple[EntryExitLog, Known, bool, bool] | Problem] = []
    for scan, number, moment in zip(scans, numbers, moments, strict=True):
        parent = parents.get(number) if number else None
        known = sent_before.get(scan.client_event_id) if scan.client_event_id else None
        if problem := _refused(station, scan, number, parent):
            answers.append(problem)
            continue
        assert parent is not None
        if known is None:
            same = {
                log.timestamp: log for log in logs if (log.parent_id, log.entry_type) == (parent.id, scan.entry_type)
            }
            earlier = rules.double(moment, same)
            if earlier is not None:
                answers.append((same[earlier], parent, False, True))
                continue
            known = _new(station, scan, parent, moment, real)
            db.add(known)
            logs.append(known)
            if scan.client_event_id:
                sent_before[scan.client_event_id] = known
            answers.append((known, parent, True, False))
        else:
            answers.append((known, parent, False, False))
    db.flush()
    return [answer if isinstance(answer, Problem) else _outcome(*answer) for answer in answers]


def _refused(station: Calling, scan: schemas.Scan, number: int | None, parent: Known | None) -> Problem | None:
    if scan.nursery_id not in (None, station.nursery_id):
        return Invalid(rules.OTHER_NURSERY, [("nurseryId", rules.OTHER_NURSERY)])
    if number is None and not str(scan.parent_id).startswith("0"):
        return Invalid(rules.NOT_A_NUMBER, [("parentId", rules.NOT_A_NUMBER)])
    # Unknown, archived and another nursery's alike.
    return NotFound(rules.UNKNOWN_PARENT) if parent is None else None


def _new(station: Calling, scan: schemas.Scan, parent: Known, moment: datetime, real: datetime) -> EntryExitLog:
    skew = round((scan.sent_at - real).total_seconds()) if scan.sent_at else None
    return EntryExitLog(
        parent_id=parent.id,
        nursery_id=station.nursery_id,
        entry_type=scan.entry_type,
        timestamp=moment,
        client_event_id=scan.client_event_id,
        station_id=station.station_id,
        was_offline=bool(scan.sent_at and scan.scanned_at and scan.sent_at - scan.scanned_at > rules.WAITED),
        skew_seconds=None if skew is None else max(-(2**31), min(2**31 - 1, skew)),
    )


def _outcome(log: EntryExitLog, parent: Known, fresh: bool, repeated: bool) -> Outcome:
    recorded = schemas.Recorded(
        id=log.id,
        parent_id=log.parent_id,
        parent_name=parent.name,
        nursery_id=log.nursery_id,
        entry_type=EntryType(log.entry_type),
        timestamp=log.timestamp,
        child_names=parent.child_names,
        already_recorded=repeated,
    )
    return Outcome(recorded, fresh)


def delete(db: Session, by: Actor, log_id: int, reason: str) -> None:
    """It counts no more, and stays to be read (SEC-006). To one that is deleted already nothing happens.

    Raises:
        NotFound: absent, or another nursery's.
    """
    log = queries.get_log(db, by, log_id)
    if log.deleted_at is not None:
        return
    log.deleted_at, log.deleted_by, log.delete_reason = app_now(db), by.name, reason
    db.flush()
    audit.record(db, by, "delete", AREA.name, "log", log.id, before=_facts(log), after={"reason": reason})


def purge(db: Session, by: Actor, log_id: int, reason: str) -> None:
    """For good; the trail keeps what it was.

    Raises:
        NotFound: absent, or another nursery's.
        Conflict: it has not been deleted before.
    """
    log = queries.get_log(db, by, log_id)
    if log.deleted_at is None:
        raise Conflict("完全に削除できるのは、すでに削除された入退ログだけです。先に一覧から削除してください。")
    before = _facts(log)
    db.delete(log)
    db.flush()
    audit.record(db, by, "delete", AREA.name, "log", log_id, before=before, after={"purged": True, "reason": reason})


def _facts(log: EntryExitLog) -> dict[str, Any]:
    return {
        "parent_id": log.parent_id,
        "nursery_id": log.nursery_id,
        "entry_type": log.entry_type,
        "timestamp": log.timestamp.isoformat(),
    }
