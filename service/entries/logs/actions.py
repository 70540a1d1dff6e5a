"""Scans are stored once each. A wrong log is deleted, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now, real_now
from service.core.database.session import violates
from service.core.problems import Conflict, Invalid, NotFound, Problem
from service.core.values.times import clock_skew
from service.entries.logs import queries, rules, schemas
from service.entries.logs.queries import ParentData
from service.entries.models import EntryExitLog
from service.entries.rules import AREA, EntryType
from service.entries.station.queries import AuthenticatedStation


@dataclass(frozen=True)
class Outcome:
    """`is_new`: stored now, not known before."""

    recorded: schemas.Recorded
    is_new: bool


@dataclass(frozen=True)
class _Decision:
    log: EntryExitLog
    is_new: bool = False
    is_repeat: bool = False


def store(db: Session, station: AuthenticatedStation, scans: Sequence[schemas.Scan]) -> list[Outcome | Problem]:
    """Each scan's log, in the order of the scans, or the Problem. A scan that was sent before (same
    `client_event_id`) gets the stored log; a scan that repeats another within ten seconds gets the earlier log, and
    nothing is stored."""
    try:
        with db.begin_nested():
            return _store(db, station, scans)
    except IntegrityError as error:
        if not violates(error, "uq_entries_logs_client_event_id"):
            raise
        # The same scan came by another connection at the same time; now it is found as stored.
        return _store(db, station, scans)


def _store(db: Session, station: AuthenticatedStation, scans: Sequence[schemas.Scan]) -> list[Outcome | Problem]:
    processor = _ScanProcessor(db, station, scans)
    decisions = [processor(scan) for scan in scans]
    db.add_all(decision.log for decision in decisions if isinstance(decision, _Decision) and decision.is_new)
    db.flush()
    return [decision if isinstance(decision, Problem) else processor.outcome(decision) for decision in decisions]


class _ScanProcessor:
    """Loads what these scans are compared with, and decides on one scan after the other."""

    def __init__(self, db: Session, station: AuthenticatedStation, scans: Sequence[schemas.Scan]) -> None:
        self.station, self.now, self.real_now = station, app_now(db), real_now()
        numbers = {number for scan in scans if (number := rules.parse_parent_id(scan.parent_id))}
        self.parents = queries.lock_parents(db, station.nursery_id, sorted(numbers))
        # Read after the parents are locked: a transaction that held the lock has committed by now.
        event_ids = [scan.client_event_id for scan in scans if scan.client_event_id]
        self.sent_before = queries.logs_by_event_id(db, station.nursery_id, event_ids) if event_ids else {}
        missing = {log.parent_id for log in self.sent_before.values()} - self.parents.keys()
        self.archived = queries.parents_by_id(db, station.nursery_id, missing) if missing else {}
        scanned = [
            (number, self._scanned_at(scan)) for scan in scans if (number := rules.parse_parent_id(scan.parent_id))
        ]
        self.logs = queries.possible_repeats(db, station.nursery_id, scanned) if scanned else []

    def __call__(self, scan: schemas.Scan) -> _Decision | Problem:
        if scan.nursery_id not in (None, self.station.nursery_id):
            return Invalid(rules.OTHER_NURSERY, [("nurseryId", rules.OTHER_NURSERY)])
        if scan.client_event_id in self.sent_before:
            return _Decision(self.sent_before[scan.client_event_id])
        number = rules.parse_parent_id(scan.parent_id)
        if number is None and not str(scan.parent_id).startswith("0"):
            return Invalid(rules.NOT_A_NUMBER, [("parentId", rules.NOT_A_NUMBER)])
        if number not in self.parents:
            # The same answer for an unknown parent, an archived one, and one of another nursery.
            return NotFound(rules.UNKNOWN_PARENT)
        candidates = {
            log.timestamp: log for log in self.logs if (log.parent_id, log.entry_type) == (number, scan.entry_type)
        }
        earlier = rules.repeated_scan(self._scanned_at(scan), candidates)
        return self._new(scan, number) if earlier is None else _Decision(candidates[earlier], is_repeat=True)

    def outcome(self, decision: _Decision) -> Outcome:
        log = decision.log
        parent = self._parent(log.parent_id)
        recorded = schemas.Recorded(
            id=log.id,
            parent_id=log.parent_id,
            parent_name=parent.name,
            nursery_id=log.nursery_id,
            entry_type=EntryType(log.entry_type),
            timestamp=log.timestamp,
            child_names=parent.child_names,
            already_recorded=decision.is_repeat,
        )
        return Outcome(recorded, decision.is_new)

    def _scanned_at(self, scan: schemas.Scan) -> datetime:
        return scan.scanned_at or self.now

    def _parent(self, number: int) -> ParentData:
        return self.parents.get(number) or self.archived[number]

    def _new(self, scan: schemas.Scan, number: int) -> _Decision:
        log = EntryExitLog(
            parent_id=number,
            nursery_id=self.station.nursery_id,
            entry_type=scan.entry_type,
            timestamp=self._scanned_at(scan),
            client_event_id=scan.client_event_id,
            station_id=self.station.station_id,
            was_offline=bool(scan.sent_at and scan.scanned_at and scan.sent_at - scan.scanned_at > rules.OFFLINE_AFTER),
            skew_seconds=clock_skew(scan.sent_at, self.real_now) if scan.sent_at else None,
        )
        self.logs.append(log)
        if scan.client_event_id:
            self.sent_before[scan.client_event_id] = log
        return _Decision(log, is_new=True)


def delete(db: Session, by: Actor, log_id: int, reason: str) -> None:
    """Marks the log as deleted; it does not count any more, but can still be read (SEC-006). Does nothing when it is
    already deleted.

    Raises:
        NotFound: no such log, or a log of another nursery.
    """
    log = queries.get_log(db, by, log_id)
    if log.deleted_at is not None:
        return
    log.deleted_at, log.deleted_by, log.delete_reason = app_now(db), by.name, reason
    db.flush()
    audit.record(db, by, "delete", AREA.name, "log", log.id, before=_audit_values(log), after={"reason": reason})


def purge(db: Session, by: Actor, log_id: int, reason: str) -> None:
    """Deletes the log permanently; the audit log keeps its values.

    Raises:
        NotFound: no such log, or a log of another nursery.
        Conflict: it has not been marked as deleted before.
    """
    log = queries.get_log(db, by, log_id)
    if log.deleted_at is None:
        raise Conflict("完全に削除できるのは、すでに削除された入退ログだけです。先に一覧から削除してください。")
    before = _audit_values(log)
    db.delete(log)
    db.flush()
    audit.record(db, by, "delete", AREA.name, "log", log_id, before=before, after={"purged": True, "reason": reason})


def _audit_values(log: EntryExitLog) -> dict[str, Any]:
    return {
        "parent_id": log.parent_id,
        "nursery_id": log.nursery_id,
        "entry_type": log.entry_type,
        "timestamp": log.timestamp.isoformat(),
    }
