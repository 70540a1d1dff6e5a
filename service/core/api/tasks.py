"""Background tasks, for the user who started them and the area's administrators."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter

from service.core.access.auth import Actor, SignedIn, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.tasks import records
from service.core.tasks.schemas import TaskAnswer

router = APIRouter(prefix="/api/core/tasks", tags=["tasks"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def own_tasks(
    actor: SignedIn,
    db: Db,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["open", "all"] = "all",
) -> Page[TaskAnswer]:
    """The user's own tasks, newest first."""
    return records.tasks(db, actor, limit, cursor, everybody=False, only_open=state == "open")


@router.get("/everybody")
def everybodys_tasks(
    actor: Annotated[Actor, allow("core:task:read")],
    db: Db,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["open", "all"] = "all",
) -> Page[TaskAnswer]:
    """All tasks of the areas that the user administers, and the user's own."""
    return records.tasks(db, actor, limit, cursor, everybody=True, only_open=state == "open")


@router.get("/{task_id}", responses=refusals(404))
def task(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    return records.answer(records.get(db, actor, task_id), actor)


@router.post("/{task_id}/cancel", responses=refusals(404, 409))
def cancel(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    """A running task ends within seconds; nothing of it is stored."""
    return records.answer(records.cancel(db, actor, task_id), actor)


@router.post("/{task_id}/resume", responses=refusals(404, 409))
def resume(actor: SignedIn, db: Db, task_id: PathId) -> TaskAnswer:
    return records.answer(records.resume(db, actor, task_id), actor)
