"""What people do with a task of the queue, and what the clocks say while nobody does."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.problems import Conflict, Invalid, Stale
from service.reservations.events.rules import Task
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import Priority, breach, call_out, warning
from service.reservations.queue import queries, schemas
from service.reservations.roster import queries as roster
from service.reservations.rules import AREA


def claim(db: Session, by: Actor, operation_id: int, new: schemas.Edit) -> None:
    """It is mine from now on; nobody is warned about it any more.

    Raises:
        Stale: somebody was faster.
        Conflict: it is done.
    """
    _give(db, by, _open(db, operation_id, new), by.user_id, "claimed", by.name)


def hand_over(db: Session, by: Actor, operation_id: int, new: schemas.HandOver) -> None:
    """Raises as `claim`, and Invalid for somebody who cannot have it."""
    operation = _open(db, operation_id, new)
    names = {person["id"]: person["name"] for person in roster.responders(db)}
    if new.user_id not in names:
        message = "運営担当者か予約運用管理者の中から選んでください。"
        raise Invalid(message, [("user_id", message)])
    _give(db, by, operation, new.user_id, "handed_over", names[new.user_id])


def release(db: Session, by: Actor, operation_id: int, new: schemas.Edit) -> None:
    """Nobody has it: the clocks speak up again. Raises as `claim`."""
    _give(db, by, _open(db, operation_id, new), None, "released", None)


def note(db: Session, by: Actor, operation_id: int, new: schemas.NewNote) -> None:
    operation = queries.get(db, operation_id)
    _event(db, operation, "note", by, new.text)
    _record(db, by, operation, None, {"note": new.text})


def resolve(db: Session, by: Actor, operation_id: int, new: schemas.Resolution) -> None:
    """Raises as `claim`, and Conflict while the reservation stands still until one of its actions decides."""
    operation = _open(db, operation_id, new)
    if queries.stands_still(db, operation):
        raise Conflict(
            "予約がこの対応を待って止まっています。画面のボタンで予約を進めると、この対応は自動で完了になります。"
        )
    operation.resolved_at, operation.resolved_by, operation.outcome = app_now(db), by.name[:100], new.outcome
    operation.version += 1
    _event(db, operation, "resolved", by, new.outcome)
    before, after = {"resolved": False}, {"resolved": True, "outcome": new.outcome}
    audit.record(db, by, "status_change", AREA.name, "operation", operation.id, before=before, after=after)


def watch(db: Session, limit: int = 50) -> int:
    """Tells people of what nobody has and will soon be late, or is: each once. How many that were."""
    now = app_now(db)
    found = db.execute(queries.due_to_be_told(now, limit)).all()
    for operation, code in found:
        is_late = operation.due_at < now
        operation.warned_at = operation.warned_at or now
        operation.breached_at = now if is_late else None
        task, name = Task(operation.kind), code or "なし"
        text = (breach if is_late else warning)(task, name, operation.due_at)
        operations.tell(db, name, text, follows=operation.thread_key, broadcast=True)
        if operation.priority == Priority.URGENT:
            operations.ring(db, name, call_out(task, name, operation.due_at))
        _event(db, operation, "breached" if is_late else "warned", None, None)
    db.flush()
    return len(found)


def _open(db: Session, operation_id: int, new: schemas.Edit) -> Operation:
    operation = queries.get(db, operation_id, lock=True)
    if operation.resolved_at is not None:
        raise Conflict(
            f"この対応は{in_words(operation.resolved_at)}に{operation.resolved_by}が完了しました。画面を更新してください。"
        )
    if new.version != operation.version:
        current = schemas.OperationDetail.model_validate(queries.operation_in_full(db, operation.id))
        raise Stale(
            "ほかの人が先にこの対応を更新しました。まだ保存されていません。最新の内容を確認してください。",
            yours=new.model_dump(mode="json", exclude={"version"}),
            current=current.model_dump(mode="json", include={"version", "owner", "claimed_at"}),
        )
    return operation


def _give(db: Session, by: Actor, operation: Operation, user_id: int | None, kind: str, name: str | None) -> None:
    before = operation.owner_id
    if before == user_id:
        return
    operation.owner_id = user_id
    operation.claimed_at = app_now(db) if user_id is not None else None
    operation.version += 1
    _event(db, operation, kind, by, name)
    _record(db, by, operation, {"owner_id": before}, {"owner_id": user_id})


def _event(db: Session, operation: Operation, kind: str, by: Actor | None, text: str | None) -> None:
    db.add(
        OperationEvent(
            operation_id=operation.id,
            at=app_now(db),
            kind=kind,
            by=by.name[:100] if by else "システム",
            user_id=by.user_id if by else None,
            text=text,
        )
    )


def _record(db: Session, by: Actor, operation: Operation, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    audit.record(db, by, "update", AREA.name, "operation", operation.id, before=before, after=after)
