"""A task on loan to one worker. A worker that dies loses it when the lease runs out; the lease's random id fences off
one that was only slow: whatever it writes after its lease was taken over is rolled back."""

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
# A task that takes its worker down each time must not do so for ever.
MOST_ATTEMPTS = 3
DIED = "処理していたプログラムが途中で停止しました。途中までの変更は保存されていません。"
AGAIN = "「再開する」を押すと、もう一度実行します。続く場合は管理者に連絡してください。"
RESTART = "お手数ですが、最初からやり直してください。"
CANCELLED = "中止しました。途中までの変更は保存されていません。"


@dataclass(frozen=True)
class Claimed:
    """A task on loan to one worker."""

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
    """Seconds that the task due longest has been waiting for a worker; None when none is due."""
    waited: float | None = db.scalar(
        select(func.extract("epoch", func.max(func.app_now() - Task.created_at))).where(_DUE)
    )
    return None if waited is None else float(waited)


def claim(db: Session) -> Claimed | None:
    """The task due longest, on loan for `LEASE`; commit before working on it. Tasks whose workers died and that may
    not run again end here, with words that say so."""
    due = select(Task).where(_DUE).order_by(Task.created_at, Task.id).limit(1).with_for_update(skip_locked=True)
    while (task := db.scalars(due).one_or_none()) is not None:
        if task.state == "running" and _is_given_up(task):
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


def _is_given_up(task: Task) -> bool:
    """Ends a task whose worker died, unless it may run once more."""
    if task.cancel_requested_at is not None:
        task.state, task.message = "cancelled", CANCELLED
    elif not task.is_resumable or task.attempts >= MOST_ATTEMPTS:
        task.state, task.error = "failed", DIED + (AGAIN if task.is_resumable else RESTART)
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
    """Whether the task shall be cancelled; None when the lease has passed to another worker."""
    values: dict[str, Any] = {"lease_until": func.now() + LEASE}
    if progress:
        values |= {"done_count": progress.done, "total_count": progress.total, "message": progress.message[:500]}
    held = update(Task).where(Task.id == task.id, Task.lease == task.lease).values(**values)
    row = db.execute(held.returning(Task.cancel_requested_at)).one_or_none()
    return None if row is None else row[0] is not None


def hold(db: Session, task: Claimed) -> bool | None:
    """As `renew`, and keeps the lease from changing hands until this transaction ends."""
    held = select(Task.cancel_requested_at).where(Task.id == task.id, Task.lease == task.lease).with_for_update()
    row = db.execute(held).one_or_none()
    return None if row is None else row[0] is not None


def settle(db: Session, task: Claimed, state: str, **values: Any) -> bool:
    """Ends the loan. False when it had passed to another worker, or when a task that went well was to be cancelled."""
    mine = [Task.id == task.id, Task.lease == task.lease]
    if state == "done":
        mine.append(Task.cancel_requested_at.is_(None))
    if state != "waiting":
        values["finished_at"] = func.app_now()
    ended = update(Task).where(*mine).values(state=state, lease=None, lease_until=None, **values)
    return cast("CursorResult[Any]", db.execute(ended)).rowcount == 1


def give_back(db: Session, task: Claimed) -> bool:
    """As if this attempt had not been: the worker has to stop, the task has not failed."""
    return settle(db, task, "waiting", attempts=Task.attempts - 1)
