"""Leases a task to one worker. When the worker dies, another one takes the task over after the lease has expired. The
lease has a random id: what a slow worker writes after its lease was taken over is rolled back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, and_, func, or_, select, update
from sqlalchemy.orm import Session

from service.core.tasks.records import Task

LEASE = timedelta(seconds=20)
# A task that crashes its worker each time must not do so for ever.
MAX_ATTEMPTS = 3
WORKER_DIED = "処理していたプログラムが途中で停止しました。途中までの変更は保存されていません。"
RESUME_ADVICE = "「再開する」を押すと、もう一度実行します。続く場合は管理者に連絡してください。"
RESTART_ADVICE = "お手数ですが、最初からやり直してください。"
CANCELLED = "中止しました。途中までの変更は保存されていません。"


@dataclass(frozen=True)
class Claimed:
    """A task that a worker has leased."""

    id: int
    area: str
    kind: str
    title: str
    user_id: int
    address: str
    permission: str
    params: Mapping[str, Any]
    lease: uuid.UUID
    attempt: int


_DUE = or_(Task.state == "waiting", and_(Task.state == "running", Task.lease_until < func.now()))


def longest_wait(db: Session) -> float | None:
    """Seconds that the oldest due task has been waiting for a worker; None when none is due."""
    waited: float | None = db.scalar(
        select(func.extract("epoch", func.max(func.app_now() - Task.created_at))).where(_DUE)
    )
    return None if waited is None else float(waited)


def claim(db: Session) -> Claimed | None:
    """Claims the oldest due task, with a lease of `LEASE`; commit before working on it. Tasks whose workers died and
    that may not run again are ended here, with a message for the user."""
    due = select(Task).where(_DUE).order_by(Task.created_at, Task.id).limit(1).with_for_update(skip_locked=True)
    while (task := db.scalars(due).one_or_none()) is not None:
        if task.state == "running" and _end_if_given_up(task):
            db.flush()  # so that it is no longer found
            continue
        task.state, task.lease, task.attempts = "running", uuid.uuid4(), task.attempts + 1
        task.started_at = task.started_at or func.app_now()
        task.lease_until = func.now() + LEASE
        db.flush()
        return Claimed(
            id=task.id,
            area=task.area,
            kind=task.kind,
            title=task.title,
            user_id=task.user_id,
            address=task.address,
            permission=task.permission,
            params=task.params,
            lease=task.lease,
            attempt=task.attempts,
        )
    return None


def _end_if_given_up(task: Task) -> bool:
    """Ends a task whose worker died, unless it may run once more; returns whether it ended."""
    if task.cancel_requested_at is not None:
        task.state, task.message = "cancelled", CANCELLED
    elif not task.is_resumable or task.attempts >= MAX_ATTEMPTS:
        task.state, task.error = "failed", WORKER_DIED + (RESUME_ADVICE if task.is_resumable else RESTART_ADVICE)
    else:
        return False
    task.lease, task.lease_until, task.finished_at = None, None, func.app_now()
    return True


@dataclass(frozen=True)
class Progress:
    done: int = 0
    total: int | None = None
    message: str = ""


def renew(db: Session, task: Claimed, progress: Progress | None) -> bool | None:
    """Renews the lease. Returns whether the task is to be cancelled, None when another worker has the lease."""
    values: dict[str, Any] = {"lease_until": func.now() + LEASE}
    if progress:
        values |= {"done_count": progress.done, "total_count": progress.total, "message": progress.message[:500]}
    statement = update(Task).where(Task.id == task.id, Task.lease == task.lease).values(**values)
    row = db.execute(statement.returning(Task.cancel_requested_at)).one_or_none()
    return None if row is None else row[0] is not None


def lock_lease(db: Session, task: Claimed) -> bool | None:
    """Locks the lease until this transaction ends. Returns as `renew`."""
    statement = select(Task.cancel_requested_at).where(Task.id == task.id, Task.lease == task.lease).with_for_update()
    row = db.execute(statement).one_or_none()
    return None if row is None else row[0] is not None


def settle(db: Session, task: Claimed, state: str, **values: Any) -> bool:
    """Ends the lease. False when another worker has it, or when a task that succeeded is to be cancelled."""
    conditions = [Task.id == task.id, Task.lease == task.lease]
    if state == "done":
        conditions.append(Task.cancel_requested_at.is_(None))
    if state != "waiting":
        values["finished_at"] = func.app_now()
    statement = update(Task).where(*conditions).values(state=state, lease=None, lease_until=None, **values)
    return cast("CursorResult[Any]", db.execute(statement)).rowcount == 1


def requeue(db: Session, task: Claimed) -> bool:
    """Puts the task back without counting this attempt: the worker has to stop, the task has not failed."""
    return settle(db, task, "waiting", attempts=Task.attempts - 1)
