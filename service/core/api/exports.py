"""Lists of any length as a file that a worker writes. Short ones are downloads of their own area's routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.core.api.tasks import TaskAnswer, described
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports.declared import list_for, read_filters
from service.core.problems import RESPONSES
from service.core.tasks import records
from service.core.tasks.records import Order

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: RESPONSES[status] for status in (400, 401, 403, 404, 409, 422, 503)
}
router = APIRouter(prefix="/api/core/exports", tags=["exports"], responses=_REFUSALS)


class NewExport(BaseModel):
    """`list` is a list's key (fleet.terminals), `filters` are those of that list's own route."""

    model_config = ConfigDict(extra="forbid")

    list: Annotated[str, Field(max_length=64)]
    format: Literal["csv", "xlsx"] = "xlsx"
    filters: dict[str, str | int | bool | None] = {}


@router.post("", status_code=202)
def start_export(actor: Annotated[Actor, allow("core:task:create")], db: Db, new: NewExport) -> TaskAnswer:
    """Starts the task; its result is the file. The list's own permission decides."""
    listed = list_for(actor, new.list)
    filters = read_filters(listed, new.filters).model_dump(mode="json", exclude_defaults=True)
    order = Order(
        kind="core.export",
        area=listed.area,
        title=f"{listed.title}の出力（{'Excel' if new.format == 'xlsx' else 'CSV'}）",
        permission=listed.permission,
        params={"list": listed.key, "format": new.format, "filters": filters},
    )
    task = records.start(db, actor, order)
    return described(records.get(db, actor, task.id), actor)
