"""Scans are stored once each; a wrong log is deleted, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, real_now
from service.core.db import violates
from service.core.problems import Conflict, Invalid, NotFound, Problem
from service.core.times import clock_skew
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


@dataclass(frozen=True)
class _Judged:
    log: EntryExitLog
    fresh: bool = False
    repeated: bool = False


def store(db: Session, station: Calling, scans: Sequence[schemas.Scan]) -> list[Outcome | Problem]:
    """Each scan's log, in their order, or why there is none. One that was sent before is answered as then; one that
    repeats another within ten seconds is answered with that one, and nothing is stored."""
    try:
        with db.begin_nested():
            return _store(db, station, scans)
    except IntegrityError as error:
        if not violates(error, "uq_entries_logs_client_event_id"):
            raise
        # The same scan came by another connection at the same moment: by now it has been sent before.
        return _store(db, station, scans)


def _store(db: Session, station: Calling, scans: Sequence[schemas.Scan]) -> list[Outcome | Problem]:
    judge = _Judge(db, station, scans)
    judged = [judge(scan) for scan in scans]
    db.add_all(found.log for found in judged if isinstance(found, _Judged) and found.fresh)
    db.flush()
    return [found if isinstance(found, Problem) else judge.outcome(found) for found in judged]


class _Judge:
    """What is known before the first of these scans, and with each of them what is known to the next."""

    def __init__(self, db: Session, station: Calling, scans: Sequence[schemas.Scan]) -> None:
        self.station, self.now, self.real = station, app_now(db), real_now()
        asked = {number for scan in scans if (number := rules.parent_id(scan.parent_id))}
        self.parents = queries.lock_parents(db, station.nursery_id, sorted(asked))
        # Looked up once the parents are locked: whoever held them has committed by now.
        events = [scan.client_event_id for scan in scans if scan.client_event_id]
        self.sent_before = queries.by_event(db, station.nursery_id, events) if events else {}
        gone = {log.parent_id for log in self.sent_before.values()} - self.parents.keys()
        self.archived = queries.parents_of(db, station.nursery_id, gone) if gone else {}
        moments = [(number, self._moment(scan)) for scan in scans if (number := rules.parent_id(scan.parent_id))]
        self.logs = queries.around(db, station.nursery_id, moments) if moments else []

    def __call__(self, scan: schemas.Scan) -> _Judged | Problem:
        if scan.nursery_id not in (None, self.station.nursery_id):
            return Invalid(rules.OTHER_NURSERY, [("nurseryId", rules.OTHER_NURSERY)])
        if scan.client_event_id in self.sent_before:
            return _Judged(self.sent_before[scan.client_event_id])
        number = rules.parent_id(scan.parent_id)
        if number is None and not str(scan.parent_id).startswith("0"):
            return Invalid(rules.NOT_A_NUMBER, [("parentId", rules.NOT_A_NUMBER)])
        if number not in self.parents:
            # Unknown, archived and another nursery's alike.
            return NotFound(rules.UNKNOWN_PARENT)
        same = {log.timestamp: log for log in self.logs if (log.parent_id, log.entry_type) == (number, scan.entry_type)}
        earlier = rules.double(self._moment(scan), same)
        return self._new(scan, number) if earlier is None else _Judged(same[earlier], repeated=True)

    def outcome(self, judged: _Judged) -> Outcome:
        log = judged.log
        parent = self._parent(log.parent_id)
        recorded = schemas.Recorded(
            id=log.id,
            parent_id=log.parent_id,
            parent_name=parent.name,
            nursery_id=log.nursery_id,
            entry_type=EntryType(log.entry_type),
            timestamp=log.timestamp,
            child_names=parent.child_names,
            already_recorded=judged.repeated,
        )
        return Outcome(recorded, judged.fresh)

    def _moment(self, scan: schemas.Scan) -> datetime:
        return scan.scanned_at or self.now

    def _parent(self, number: int) -> Known:
        return self.parents.get(number) or self.archived[number]

    def _new(self, scan: schemas.Scan, number: int) -> _Judged:
        log = EntryExitLog(
            parent_id=number,
            nursery_id=self.station.nursery_id,
            entry_type=scan.entry_type,
            timestamp=self._moment(scan),
            client_event_id=scan.client_event_id,
            station_id=self.station.station_id,
            was_offline=bool(scan.sent_at and scan.scanned_at and scan.sent_at - scan.scanned_at > rules.WAITED),
            skew_seconds=clock_skew(scan.sent_at, self.real) if scan.sent_at else None,
        )
        self.logs.append(log)
        if scan.client_event_id:
            self.sent_before[scan.client_event_id] = log
        return _Judged(log, fresh=True)


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
