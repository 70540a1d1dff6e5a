"""Background tasks, for the user who started them and the area's administrators."""

from __future__ import annotations

import uuid
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, SignedIn
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.core.tasks import records
from service.core.tasks.records import OPEN, Task
from service.core.values.states import TaskState

router = APIRouter(prefix="/api/core/tasks", tags=["tasks"], responses=refusals(400, 401, 403, 422, 503))


class TaskFile(BaseModel):
    """A result file, only for the user who started the task; downloaded by GET /api/core/files/{id}."""

    id: uuid.UUID
    name: str
    size: int


class TaskAnswer(BaseModel):
    """`percent` is null while the total is unknown. `figures` maps titles (by kind of task) to numbers. `result_url` is
    the file's path on the dashboards' origin."""

    id: int
    area: str
    kind: str
    title: str
    state: TaskState
    started_by: str
    percent: int | None
    done_count: int
    total_count: int | None
    message: str
    error: str | None
    figures: dict[str, int]
    file: TaskFile | None
    result_url: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_cancelling: bool
    can_cancel: bool
    can_resume: bool


def task_answer(task: Task, by: Actor) -> TaskAnswer:
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


def _task_page(
    db: Session, by: Actor, limit: int, cursor: str | None, state: str, *, everybody: bool
) -> dict[str, Any]:
    page = records.tasks(db, by, limit, cursor, everybody=everybody, only_open=state == "open")
    return page | {"items": [_answer(SimpleNamespace(**row), row["started_by"], by) for row in page["items"]]}


@router.get("", response_model=Page[TaskAnswer])
async def own_tasks(
    requested: Annotated[ListRequest, list_request(None)],
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["open", "all"] = "all",
) -> Response:
    """The user's own tasks, newest first."""
    return await requested.page(lambda db, actor: _task_page(db, actor, limit, cursor, state, everybody=False))


@router.get("/everybody", response_model=Page[TaskAnswer])
async def everybodys_tasks(
    requested: Annotated[ListRequest, list_request("core:task:read")],
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["open", "all"] = "all",
) -> Response:
    """All tasks of the areas that the user administers, and the user's own."""
    return await requested.page(lambda db, actor: _task_page(db, actor, limit, cursor, state, everybody=True))


@router.get("/{task_id}", responses=refusals(404))
def task(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    return task_answer(records.get(db, actor, task_id), actor)


@router.post("/{task_id}/cancel", responses=refusals(404, 409))
def cancel(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    """A running task ends within seconds; nothing of it is stored."""
    return task_answer(records.cancel(db, actor, task_id), actor)


@router.post("/{task_id}/resume", responses=refusals(404, 409))
def resume(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    return task_answer(records.resume(db, actor, task_id), actor)
