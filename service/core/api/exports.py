"""Exports of lists of any length as background tasks. Short lists are downloads of their area's own routes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports.declared import export_list_for, read_filters
from service.core.http.problem_responses import refusals
from service.core.tasks import records
from service.core.tasks.records import Order
from service.core.tasks.schemas import TaskAnswer

router = APIRouter(prefix="/api/core/exports", tags=["exports"], responses=refusals(400, 401, 403, 404, 409, 422, 503))


class NewExport(BaseModel):
    """`list` is a list's key (fleet.terminals), `filters` are those of that list's own route."""

    model_config = ConfigDict(extra="forbid")

    list: Annotated[str, Field(max_length=64)]
    format: Literal["csv", "xlsx"] = "xlsx"
    filters: dict[str, str | int | bool | None] = {}


@router.post("", status_code=202)
def start_export(actor: Annotated[Actor, allow("core:task:create")], db: Db, new_export: NewExport) -> TaskAnswer:
    """Starts the task; its result is the file. The list's own permission is needed, too."""
    export_list = export_list_for(actor, new_export.list)
    filters = read_filters(export_list, new_export.filters).model_dump(mode="json", exclude_defaults=True)
    order = Order(
        kind="core.export",
        area=export_list.area,
        title=f"{export_list.title}の出力（{'Excel' if new_export.format == 'xlsx' else 'CSV'}）",
        permission=export_list.permission,
        params={"list": export_list.key, "format": new_export.format, "filters": filters},
    )
    task = records.start(db, actor, order)
    return records.answer(records.get(db, actor, task.id), actor)
