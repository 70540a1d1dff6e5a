"""Rotation and checks by the clock, and what people decide about findings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Conflict
from service.loaners.history import actions as history
from service.loaners.history import queries as past
from service.loaners.rules import AREA
from service.loaners.upkeep import queries, rules
from service.loaners.upkeep.models import Dismissal, UpkeepRun
from service.loaners.upkeep.rules import Job

Opened = Callable[[], AbstractContextManager[Session]]
# Of one transaction: a few seconds' work.
AT_ONCE = 2_000


def rotate_if_due(opened: Opened) -> dict[str, Any] | None:
    """Puts away what three years ago has nothing to do with any more (8.2.1), some thousands of events in each
    transaction; what is left of an interrupted run is the next one's. The report; None: it is not due."""
    with opened() as db:
        if not _is_due(db, Job.ROTATION):
            return None
        plan = queries.rotation_plan(db)
    moved = 0
    while True:
        with opened() as db:
            some = put_away(db, AT_ONCE)
        moved += some
        if some < AT_ONCE:
            break
    with opened() as db:
        told = {"events": moved, "devices": plan["devices"]}
        return _finish(db, Job.ROTATION, told | {"by_kind": plan["by_kind"]}, told)


def put_away(db: Session, most: int) -> int:
    """How many were moved to the archive; they still count for what follows from the history."""
    cut = queries.before(db)
    rows = queries.expendable().limit(most)
    ids = [event_id for event_id, _ in db.execute(rows, {"before": cut})]
    if not ids:
        return 0
    moved: int = db.execute(select(func.loaners_put_away(ids))).scalar_one()
    return moved


def check_if_due(opened: Opened) -> dict[str, Any] | None:
    """The month's check (8.3): how much there is to act on, and whether the tables say what the history says."""
    with opened() as db:
        if not _is_due(db, Job.CHECKS):
            return None
        counts: dict[str, int] = {}
        for one in queries.findings(db):
            counts[one["kind"]] = counts.get(one["kind"], 0) + 1
        report: dict[str, Any] = {"findings": counts, "different": past.compare(db), "storage": queries.storage(db)}
    with opened() as db:
        told = {"findings": sum(counts.values()), "different": len(report["different"])}
        return _finish(db, Job.CHECKS, report, told)


def _is_due(db: Session, job: Job) -> bool:
    last = queries.last_run(db, job)
    return rules.is_due(job, last.at if last else None, app_now(db))


def _finish(db: Session, job: Job, report: dict[str, Any], told: dict[str, int]) -> dict[str, Any]:
    """`told` is what the trail says of it."""
    run = UpkeepRun(job=job, report=report)
    db.add(run)
    db.flush()
    audit.record(db, f"loaners.{job}", "create", AREA.name, "upkeep", run.id, after=told)
    return report


def remove(db: Session, by: Actor, finding: str, reason: str) -> None:
    """除去: the event that the finding is about counts no more. Raises NotFound, and Conflict when it is about none, or
    when what is left would be no history."""
    found = queries.get_finding(db, finding)
    if found["removable"] is None:
        raise Conflict("この指摘には、除去できる履歴がありません。機器の内容を確認してください。")
    history.mark(db, by, found["removable"], reason)


def dismiss(db: Session, by: Actor, finding: str, reason: str) -> None:
    """問題なし. Raises NotFound."""
    _one_after_the_other(db)
    queries.get_finding(db, finding)
    db.add(Dismissal(finding=finding, reason=reason, dismissed_by=by.name))
    db.flush()
    audit.record(db, by, "status_change", AREA.name, "finding", finding, after={"dismissed": True, "reason": reason})


def reconsider(db: Session, by: Actor, finding: str) -> None:
    """It is a finding again. Raises NotFound."""
    _one_after_the_other(db)
    db.delete(queries.get_dismissal(db, finding))
    audit.record(db, by, "status_change", AREA.name, "finding", finding, after={"dismissed": False})


def _one_after_the_other(db: Session) -> None:
    """Of two who decide at once, the second one sees what the first has decided."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('loaners findings'))"))
