"""Routes of devices."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.printing import labels
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import NO_NUL
from service.loaners.devices import actions, exports, queries, schemas
from service.loaners.rules import MAX_NUMBER_LENGTH, Kind

AliasParameter = Annotated[str, Query(min_length=1, max_length=MAX_NUMBER_LENGTH, pattern=NO_NUL)]
READ = "loaners:device:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("loaners:device:update")]
Worker = Annotated[Actor, allow("loaners:device:work")]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/devices/terminals", exports.MASTERS[Kind.TERMINAL])
routes.add_export_routes(router, "/devices/printers", exports.MASTERS[Kind.PRINTER])
routes.add_export_routes(router, "/devices/others", exports.MASTERS[Kind.OTHER])


@router.get("/devices")
def devices(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.DeviceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.DeviceItem]:
    """The three masters together."""
    return queries.devices(db, limit, cursor, filters)


@router.get("/devices/number", responses=refusals(404, 409))
def preview(actor: Editor, db: Db, request: Annotated[schemas.Wanted, Query()]) -> schemas.Preview:
    """The 拠点管理番号 that a device would get."""
    return actions.preview(db, request)


@router.get("/devices/labels.pdf", response_class=Response, responses={**PDF_ANSWER, **refusals(404)})
def device_labels(
    actor: Reader,
    db: Db,
    filters: Annotated[schemas.LabelFilters, Query()],
    layout: Literal["24", "44", "65"] = "24",
    start: Annotated[int, Query(ge=1, le=65)] = 1,
) -> Pdf:
    """Labels with a QR code of the device's form; `start` is the first free label of the sheet."""
    stock = labels.stock_for(layout, start)
    to_print = queries.labels_to_print(db, filters, exports.label_url())
    return Pdf(partial(labels.sheets, to_print, stock, app_now(db), start=start), "機器ラベル.pdf")


@router.post("/devices", status_code=201, responses=refusals(404, 409))
def register(actor: Editor, db: Db, new: schemas.NewDevice) -> schemas.Registered:
    device = actions.register(db, actor, new)
    return schemas.Registered(id=device.id, number=device.number)


@router.patch("/devices/{device_id}", status_code=204, responses=refusals(404, 409))
def change(actor: Editor, db: Db, device_id: PathId, new: schemas.DeviceChange) -> None:
    actions.change(db, actor, device_id, new)


@router.post("/devices/{device_id}/archive", status_code=204, responses=refusals(404, 409))
def archive(actor: Editor, db: Db, device_id: PathId, body: schemas.Why) -> None:
    actions.archive(db, actor, device_id, True, body.reason)


@router.post("/devices/{device_id}/restore", status_code=204, responses=refusals(404))
def restore(actor: Editor, db: Db, device_id: PathId, body: schemas.Why) -> None:
    actions.archive(db, actor, device_id, False, body.reason)


@router.post("/devices/{device_id}/aliases", status_code=204, responses=refusals(404, 409))
def add_alias(actor: Editor, db: Db, device_id: PathId, new: schemas.NewAlias) -> None:
    actions.add_alias(db, actor, device_id, new.alias)


@router.delete("/devices/{device_id}/aliases", status_code=204, responses=refusals(404))
def remove_alias(actor: Editor, db: Db, device_id: PathId, alias: AliasParameter) -> None:
    actions.remove_alias(db, actor, device_id, alias)


@router.post("/devices/{device_id}/transfer", status_code=204, responses=refusals(404, 409))
def transfer(actor: Worker, db: Db, device_id: PathId, new: schemas.Transfer) -> None:
    actions.transfer(db, actor, device_id, new)
