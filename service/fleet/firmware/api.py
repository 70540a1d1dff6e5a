"""HTTP routes of firmware and roll-outs. Agents download the image, authenticated by their token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, BearerToken, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import NO_SCOPES, Db
from service.core.files import answers
from service.core.files.records import File
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.routing.short_transactions import short_transaction
from service.fleet.agents.api import authenticate_agent
from service.fleet.firmware import actions, queries, schemas
from service.fleet.firmware.rules import RolloutState, TaskState
from service.fleet.schemas import Created

router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _BYTES,
    206: {"description": "The part asked for"} | _BYTES,
    304: {"description": "Not changed"},
    **refusals(404, 416),
}
Operator = Annotated[Actor, allow("fleet:rollout:operate")]
Reader = Annotated[Actor, allow("fleet:firmware:read")]


@router.get("/firmwares")
def firmwares(actor: Reader, db: Db, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.FirmwareItem]:
    """The newest first, withdrawn ones included."""
    return queries.firmwares(db, limit, cursor)


@router.post("/firmwares", status_code=201, responses=refusals(404, 409))
def register(actor: Annotated[Actor, allow("fleet:firmware:create")], db: Db, new: schemas.NewFirmware) -> Created:
    """Registers an uploaded image (`PUT /api/core/files?purpose=fleet.firmware`) if its signature is valid."""
    return Created(id=actions.register(db, actor, new).id)


@router.post("/firmwares/{firmware_id}/withdraw", status_code=204, responses=refusals(404))
def withdraw(actor: Annotated[Actor, allow("fleet:firmware:withdraw")], db: Db, firmware_id: PathId) -> None:
    """The firmware is not installed any more; its roll-outs are aborted."""
    actions.withdraw(db, actor, firmware_id)


@router.get("/rollouts")
def rollouts(
    actor: Reader,
    db: Db,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: RolloutState | None = None,
) -> Page[schemas.RolloutItem]:
    """The newest first."""
    return queries.rollouts(db, limit, cursor, state)


@router.post("/rollouts", status_code=201, responses=refusals(404, 409))
def create(actor: Annotated[Actor, allow("fleet:rollout:create")], db: Db, new: schemas.NewRollout) -> Created:
    """Creates a draft, which has to be started."""
    return Created(id=actions.create(db, actor, new).id)


@router.post("/rollouts/preview", responses=refusals(404))
def preview(
    actor: Annotated[Actor, allow("fleet:rollout:create")], db: Db, body: schemas.Preview
) -> schemas.PreviewAnswer:
    """How many terminals a roll-out would reach, wave by wave."""
    return queries.preview(db, body)


@router.get("/rollouts/overview")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    return queries.overview(db)


@router.get("/rollouts/choices")
def choices(actor: Reader, db: Db) -> schemas.Choices:
    """Tags and versions that roll-outs can target, in addition to customers."""
    return queries.choices(db)


@router.get("/rollouts/{rollout_id}", responses=refusals(404))
def rollout(actor: Reader, db: Db, rollout_id: PathId) -> schemas.RolloutDetail:
    return queries.rollout(db, rollout_id)


@router.get("/rollouts/{rollout_id}/tasks", responses=refusals(404))
def tasks(
    actor: Reader,
    db: ReadDb,
    rollout_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: TaskState | None = None,
) -> Page[schemas.TaskItem]:
    """The update of each terminal, by wave."""
    return queries.tasks(db, rollout_id, limit, cursor, state)


@router.post("/rollouts/{rollout_id}/start", status_code=204, responses=refusals(404, 409))
def start(actor: Operator, db: Db, rollout_id: PathId) -> None:
    actions.start(db, actor, rollout_id)


@router.post("/rollouts/{rollout_id}/pause", status_code=204, responses=refusals(404, 409))
def pause(actor: Operator, db: Db, rollout_id: PathId, body: schemas.Reason) -> None:
    """No further terminal is offered the firmware; updates under way go on."""
    actions.pause(db, actor, rollout_id, body.reason)


@router.post("/rollouts/{rollout_id}/resume", status_code=204, responses=refusals(404, 409))
def resume(actor: Operator, db: Db, rollout_id: PathId) -> None:
    """Resumes it; the failures so far do not pause it again."""
    actions.resume(db, actor, rollout_id)


@router.post("/rollouts/{rollout_id}/abort", status_code=204, responses=refusals(404, 409))
def abort(actor: Operator, db: Db, rollout_id: PathId, body: schemas.Reason) -> None:
    """Ends it for good; updates under way stop at their next safe point."""
    actions.abort(db, actor, rollout_id, body.reason)


@router.post("/rollouts/{rollout_id}/retry", responses=refusals(404, 409))
def retry(actor: Operator, db: Db, rollout_id: PathId) -> schemas.Retried:
    """Offers it to the failed terminals again."""
    return schemas.Retried(terminals=actions.retry(db, actor, rollout_id))


@router.post("/rollouts/{rollout_id}/roll-back", status_code=201, responses=refusals(404, 409))
def roll_back(actor: Operator, db: Db, rollout_id: PathId) -> schemas.Undone:
    """Returns every updated terminal to the version it had before."""
    return actions.roll_back(db, actor, rollout_id)


@router.get("/agent/firmware/{task_id}", response_class=Response, responses=_IMAGE_RESPONSES)
async def download(request: Request, token: BearerToken, task_id: PathId) -> Response:
    """For agents: the image of the terminal's update under way. Supports Range and If-Range."""

    def find_file(db: Session) -> File:
        return queries.download(db, authenticate_agent(request, db, token).terminal_id, task_id)

    file = await short_transaction(request, NO_SCOPES, find_file)
    return await answers.answer(
        request.headers,
        key=file.storage_key,
        size=file.size,
        etag=file.sha256.hex(),
        content_type=file.content_type,
        name=file.name,
        inline=False,
    )
