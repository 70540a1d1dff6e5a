"""Scheduled rotation and checks, and the decisions of users about findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict
from service.loaners.history import actions as history
from service.loaners.history import queries as past
from service.loaners.rules import AREA
from service.loaners.upkeep import queries, rules
from service.loaners.upkeep.models import Dismissal, UpkeepRun
from service.loaners.upkeep.rules import Job

OpenSession = Callable[[], AbstractContextManager[Session]]
# Events in one transaction: a few seconds of work.
BATCH_SIZE = 2_000


def rotate_if_due(open_session: OpenSession) -> dict[str, Any] | None:
    """Archives events that are older than three years and not needed any more (8.2.1), a batch in each transaction. The
    next run continues an interrupted one. Returns the report; None when it is not due."""
    with open_session() as db:
        if not _is_due(db, Job.ROTATION):
            return None
        plan = queries.rotation_plan(db)
    total = 0
    while True:
        with open_session() as db:
            archived = archive_events(db, BATCH_SIZE)
        total += archived
        if archived < BATCH_SIZE:
            break
    with open_session() as db:
        audit_values = {"events": total, "devices": plan.devices}
        return _finish(db, Job.ROTATION, audit_values | {"by_kind": plan.by_kind}, audit_values)


def archive_events(db: Session, limit: int) -> int:
    """Archives up to `limit` events and returns their number. Archived events still count for the projection."""
    cutoff = queries.archive_cutoff(db)
    statement = queries.archivable_events().limit(limit)
    ids = [event_id for event_id, _ in db.execute(statement, {"before": cutoff})]
    if not ids:
        return 0
    moved: int = db.execute(select(func.loaners_put_away(ids))).scalar_one()
    return moved


def check_if_due(open_session: OpenSession) -> dict[str, Any] | None:
    """The monthly check (8.3): counts findings, and compares the projection with the history."""
    with open_session() as db:
        if not _is_due(db, Job.CHECKS):
            return None
        counts = Counter(finding.check.value for finding in queries.findings(db))
        report: dict[str, Any] = {
            "findings": counts,
            "different": past.find_mismatches(db),
            "storage": queries.storage(db),
        }
    with open_session() as db:
        audit_values = {"findings": sum(counts.values()), "different": len(report["different"])}
        return _finish(db, Job.CHECKS, report, audit_values)


def _is_due(db: Session, job: Job) -> bool:
    last = queries.last_run(db, job)
    return rules.is_due(job, last.at if last else None, app_now(db))


def _finish(db: Session, job: Job, report: dict[str, Any], audit_values: dict[str, int]) -> dict[str, Any]:
    """`audit_values` go into the audit log."""
    run = UpkeepRun(job=job, report=report)
    db.add(run)
    db.flush()
    audit.record(db, f"loaners.{job}", "create", AREA.name, "upkeep", run.id, after=audit_values)
    return report


def remove(db: Session, by: Actor, finding: str, reason: str) -> None:
    """除去: marks the event of the finding. Raises NotFound, and Conflict when the finding has no event, or the event
    cannot be marked."""
    details = queries.get_finding(db, finding)
    if details.removable is None:
        raise Conflict("この指摘には、除去できる履歴がありません。機器の内容を確認してください。")
    history.mark(db, by, details.removable, reason)


def dismiss(db: Session, by: Actor, finding: str, reason: str) -> None:
    """問題なし: dismisses the finding. Raises NotFound."""
    _lock_findings(db)
    number = queries.get_finding(db, finding).number
    db.add(Dismissal(finding=finding, reason=reason, dismissed_by=by.name))
    db.flush()
    after = {"number": number, "dismissed": True, "reason": reason}
    audit.record(db, by, "status_change", AREA.name, "finding", finding, after=after)


def reconsider(db: Session, by: Actor, finding: str) -> None:
    """Undoes a dismissal. Raises NotFound."""
    _lock_findings(db)
    db.delete(queries.get_dismissal(db, finding))
    db.flush()
    # Of a finding that is corrected meanwhile only the id is left.
    numbers = [found.number for found in queries.findings(db, finding=finding)]
    after = {"number": numbers[0] if numbers else None, "dismissed": False}
    audit.record(db, by, "status_change", AREA.name, "finding", finding, after=after)


def _lock_findings(db: Session) -> None:
    """Serializes decisions: of two concurrent ones, the second sees the result of the first."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('loaners findings'))"))
