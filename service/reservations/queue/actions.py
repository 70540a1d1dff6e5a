"""Operators' actions on a task of the queue, and warnings about tasks without an owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict, Stale
from service.core.values.times import format_local_datetime
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.operations.rules import Priority, due_soon_notice, on_call_sms, overdue_notice
from service.reservations.queue import queries, schemas
from service.reservations.roster import queries as roster
from service.reservations.rules import AREA
from service.reservations.state_machine.states import Task


def claim(db: Session, by: Actor, operation_id: int, new: edits.Edit) -> None:
    """The user becomes the owner; there are no more warnings about the task.

    Raises:
        Stale: another user has changed it (optimistic locking).
        Conflict: it is already resolved.
    """
    _set_owner(db, by, _lock_open(db, operation_id, new), by.user_id, "claimed", by.name)


def hand_over(db: Session, by: Actor, operation_id: int, new: schemas.HandOver) -> None:
    """Raises as `claim`, and Invalid for a user who cannot be its owner."""
    operation = _lock_open(db, operation_id, new)
    owner = roster.responder(db, new.user_id)
    _set_owner(db, by, operation, owner.id, "handed_over", owner.name)


def release(db: Session, by: Actor, operation_id: int, new: edits.Edit) -> None:
    """Removes the owner: warnings start again. Raises as `claim`."""
    _set_owner(db, by, _lock_open(db, operation_id, new), None, "released", None)


def note(db: Session, by: Actor, operation_id: int, new: schemas.NewNote) -> None:
    operation = queries.get(db, operation_id)
    operations.add_event(db, operation, "note", by, new.text)
    _audit(db, by, operation, None, {"note": new.text})


def resolve(db: Session, by: Actor, operation_id: int, new: schemas.Resolution) -> None:
    """Raises as `claim`, and Conflict while the reservation waits for one of its own actions."""
    operation = _lock_open(db, operation_id, new)
    if queries.is_reservation_blocked(db, operation):
        raise Conflict(
            "予約がこの対応を待って止まっています。画面のボタンで予約を進めると、この対応は自動で完了になります。"
        )
    operation.resolved_at, operation.resolved_by, operation.outcome = app_now(db), by.name[:100], new.outcome
    operation.version += 1
    operations.add_event(db, operation, "resolved", by, new.outcome)
    before, after = {"resolved": False}, {"resolved": True, "outcome": new.outcome}
    audit.record(db, by, "status_change", AREA.name, "operation", operation.id, before=before, after=after)


def notify_due_operations(db: Session, limit: int = 50) -> int:
    """Notifies about tasks without an owner that are due soon or overdue, each once. Returns how many."""
    now = app_now(db)
    rows = db.execute(queries.due_for_notice(now, limit)).all()
    for operation, code in rows:
        is_overdue = operation.due_at < now
        operation.warned_at = operation.warned_at or now
        operation.breached_at = now if is_overdue else None
        task, code_label = Task(operation.kind), code or "なし"
        text = (overdue_notice if is_overdue else due_soon_notice)(task, code_label, operation.due_at)
        operations.notify_slack(db, code_label, text, follows=operation.thread_key, broadcast=True)
        if operation.priority == Priority.URGENT:
            operations.notify_on_call(db, code_label, on_call_sms(task, code_label, operation.due_at))
        operations.add_event(db, operation, "breached" if is_overdue else "warned", None, None)
    db.flush()
    return len(rows)


def _lock_open(db: Session, operation_id: int, new: edits.Edit) -> Operation:
    operation = queries.get(db, operation_id, lock=True)
    if operation.resolved_at is not None:
        raise Conflict(
            f"この対応は{format_local_datetime(operation.resolved_at)}に{operation.resolved_by}が完了しました。画面を更新してください。"
        )
    if new.version != operation.version:
        current = queries.operation_detail(db, operation.id)
        raise Stale(
            "ほかの人が先にこの対応を更新しました。まだ保存されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current=current.model_dump(mode="json", include={"version", "owner", "claimed_at"}),
        )
    return operation


def _set_owner(db: Session, by: Actor, operation: Operation, user_id: int | None, kind: str, name: str | None) -> None:
    before = operation.owner_id
    if before == user_id:
        return
    operation.owner_id = user_id
    operation.claimed_at = app_now(db) if user_id is not None else None
    operation.version += 1
    operations.add_event(db, operation, kind, by, name)
    _audit(db, by, operation, {"owner_id": before}, {"owner_id": user_id})


def _audit(db: Session, by: Actor, operation: Operation, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    audit.record(db, by, "update", AREA.name, "operation", operation.id, before=before, after=after)
