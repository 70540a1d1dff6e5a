"""A background task as its user and the area's administrators see it."""

from __future__ import annotations

import uuid
from datetime import datetime

from pydantic import BaseModel

from service.core.values.states import TaskState


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
