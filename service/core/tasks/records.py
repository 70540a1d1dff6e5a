"""The table of background tasks, and what users do with them: start, list, cancel, resume."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from service.core import audit
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.access.tenant_scope import in_bound_scope, in_scope, scope_parameters
from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.database.session import Base
from service.core.problems import Conflict, NotFound
from service.core.tasks.schemas import TaskAnswer, TaskFile

OPEN = ("waiting", "running")
# How many tasks of one user may wait or run, so that no user fills the queue for all others.
MAX_OPEN = 10


class Task(Base):
    """`done_count` of `total_count` (null: unknown); `message` and `error` are shown to users. `permission` is what the
    user who started it needs, also while it runs. `result` has `figures` and, if there is one, `file`."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="state"),
        CheckConstraint("(state = 'running') = (lease IS NOT NULL)", name="lease"),
        # The queue is the few open tasks; the many finished ones are not in its index.
        Index("ix_tasks_open", "created_at", "id", postgresql_where=text("state IN ('waiting', 'running')")),
        Index("ix_tasks_user_id", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    address: Mapped[str] = mapped_column(String(64))
    permission: Mapped[str] = mapped_column(String(64))
    is_resumable: Mapped[bool]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(16), server_default="waiting")
    done_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    total_count: Mapped[int | None] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(String(500), server_default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    started_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    lease: Mapped[uuid.UUID | None] = mapped_column(UUID)
    # On real time: a moved clock must not take a task from its worker.
    lease_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    attempts: Mapped[int] = mapped_column(server_default="0")

    user: Mapped[User] = relationship(lazy="raise")


@dataclass(frozen=True)
class Order:
    """What a task is to do. `resumable`: it can run again from the start without doing anything twice. `total` is the
    amount of work in the units of `Work.progress`, if it is known before the start; `message` tells users the same."""

    kind: str
    area: str
    title: str
    permission: str
    params: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = True
    total: int | None = None
    message: str = ""


def start(db: Session, by: Actor, order: Order) -> Task:
    """Adds the task; a worker starts it within a second or two.

    Raises:
        Conflict: the user has too many open tasks.
    """
    open_tasks = select(func.count()).where(Task.user_id == by.user_id, Task.state.in_(OPEN))
    if (db.scalar(open_tasks) or 0) >= MAX_OPEN:
        raise Conflict(
            f"実行待ち・実行中の処理が{MAX_OPEN}件あります。処理が終わるのを待つか、不要な処理を中止してください。"
        )
    task = Task(
        area=order.area,
        tenant_id=by.tenant_in(order.area),
        kind=order.kind,
        title=order.title[:200],
        user_id=by.user_id,
        address=by.address[:64],
        permission=order.permission,
        is_resumable=order.resumable,
        params=dict(order.params),
        total_count=order.total,
        message=order.message,
    )
    db.add(task)
    db.flush()  # for the id
    after = {"kind": order.kind, "title": task.title, "params": task.params}
    audit.record(db, by, "create", task.area, "task", task.id, after=after)
    return task


_ME = bindparam("me", type_=BigInteger)
_TASKS = Listing(
    select(Task, User.name.label("started_by"))
    .join(User, User.id == Task.user_id)
    .where(or_(Task.user_id == _ME, in_bound_scope(Task.area, Task.tenant_id))),
    model=TaskAnswer,
    unique=Task.id,
    keys={"id": Key(Task.id)},
    default="-id",
    filters={"user_id": equals(Task.user_id), "is_open": when_true(Task.state.in_(OPEN))},
)


def tasks(
    db: Session,
    by: Actor,
    limit: int,
    cursor: str | None,
    *,
    everybody: bool,
    only_open: bool,
) -> Page[TaskAnswer]:
    """The user's own tasks, newest first; with `everybody` also all tasks of the areas where the user may read them."""
    return _TASKS.read(
        db,
        limit,
        cursor,
        item=lambda row: _answer(SimpleNamespace(**row), row["started_by"], by),
        parameters={"me": by.user_id, **scope_parameters(by, "core:task:read")},
        user_id=None if everybody else by.user_id,
        is_open=only_open,
    )


def answer(task: Task, by: Actor) -> TaskAnswer:
    """A task that was read with its user."""
    return _answer(task, task.user.name, by)


def _answer(task: Any, started_by: str, by: Actor) -> TaskAnswer:
    """`task` is a Task, or a row with the same columns."""
    result = task.result or {}
    file = result.get("file") if task.user_id == by.user_id else None
    is_open = task.state in OPEN
    return TaskAnswer(
        id=task.id,
        area=task.area,
        kind=task.kind,
        title=task.title,
        state=task.state,
        started_by=started_by,
        percent=_percent(task),
        done_count=task.done_count,
        total_count=task.total_count,
        message=task.message,
        error=task.error,
        figures=result.get("figures") or {},
        file=TaskFile(**file) if file else None,
        result_url=f"/files/{file['id']}" if file else None,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        is_cancelling=is_open and task.cancel_requested_at is not None,
        can_cancel=is_open and task.cancel_requested_at is None,
        can_resume=task.state in ("failed", "cancelled") and task.is_resumable and task.user_id == by.user_id,
    )


def _percent(task: Any) -> int | None:
    if task.state == "done":
        return 100
    return min(99, 100 * task.done_count // task.total_count) if task.total_count else None


def get(db: Session, by: Actor, task_id: int, *, lock: bool = False) -> Task:
    """Raises NotFound, also for another user's task that this user may not read."""
    statement = select(Task).where(Task.id == task_id, _visible(by)).options(joinedload(Task.user, innerjoin=True))
    if lock:
        statement = statement.with_for_update(of=Task)
    task = db.scalars(statement).one_or_none()
    if task is None:
        raise NotFound("指定された処理は見つかりません。「処理状況」を開き直してください。")
    return task


def _visible(by: Actor) -> ColumnElement[bool]:
    return or_(Task.user_id == by.user_id, in_scope(by, "core:task:read", Task.area, Task.tenant_id))


def cancel(db: Session, by: Actor, task_id: int) -> Task:
    """Cancels a waiting task at once, a running one as soon as its worker notices; nothing of it is stored.

    Raises:
        Conflict: it has ended already.
    """
    task = get(db, by, task_id, lock=True)
    if task.state not in OPEN:
        raise Conflict("この処理はすでに終わっているため、中止できません。")
    if task.cancel_requested_at is None:
        before = task.state
        if task.state == "waiting":
            task.state, task.message, task.finished_at = "cancelled", "", app_now(db)
        task.cancel_requested_at = app_now(db)
        db.flush()
        audit.record(db, by, "cancel", task.area, "task", task.id, before={"state": before})
    return task


def resume(db: Session, by: Actor, task_id: int) -> Task:
    """Puts a failed or cancelled task back into the queue; it runs again from the start. Only the user who started it
    may resume it, because it runs with that user's permissions.

    Raises:
        Conflict: it has not ended, has succeeded, is not resumable, or another user started it.
    """
    task = get(db, by, task_id, lock=True)
    if task.user_id != by.user_id:
        raise Conflict("この処理を再開できるのは、処理を始めた方だけです。")
    if task.state not in ("failed", "cancelled") or not task.is_resumable:
        raise Conflict("この処理は再開できません。必要な場合は、最初からやり直してください。")
    audit.record(
        db, by, "status_change", task.area, "task", task.id, before={"state": task.state}, after={"state": "waiting"}
    )
    task.state, task.error, task.message, task.attempts, task.done_count = "waiting", None, "", 0, 0
    task.started_at = task.finished_at = task.cancel_requested_at = None
    db.flush()
    return task
