"""Firmware's routes: permission, one call, answer. The image itself goes to agents, by their terminal's token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.orm import Session

from service.core.auth import Actor, BearerToken, allow
from service.core.brief import brief
from service.core.db import NOBODY, Db
from service.core.files import answers
from service.core.files.records import File
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.fleet.agents.api import known_agent
from service.fleet.firmware import actions, queries, schemas
from service.fleet.firmware.rules import RolloutState, TaskState
from service.fleet.schemas import Created

router = APIRouter(
    prefix="/api/fleet",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]
ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_IMAGE: dict[int | str, dict[str, Any]] = {
    200: _BYTES,
    206: {"description": "The part asked for"} | _BYTES,
    304: {"description": "Not changed"},
    404: RESPONSES[404],
    416: RESPONSES[416],
}
Operator = Annotated[Actor, allow("fleet:rollout:operate")]
Reader = Annotated[Actor, allow("fleet:firmware:read")]


@router.get("/firmwares", response_model=Page[schemas.FirmwareItem])
async def firmwares(
    asking: Annotated[Asking, lists("fleet:firmware:read")], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first, withdrawn ones included."""
    return await asking.page(lambda db, _: queries.firmwares(db, limit, cursor))


@router.post("/firmwares", status_code=201, responses=ABSENT_OR_CONFLICT)
def register(actor: Annotated[Actor, allow("fleet:firmware:create")], db: Db, new: schemas.NewFirmware) -> Created:
    """Takes an uploaded image (`PUT /api/core/files?purpose=fleet.firmware`) into use, if its signature is right."""
    return Created(id=actions.register(db, actor, new).id)


@router.post("/firmwares/{firmware_id}/withdraw", status_code=204, responses=ABSENT)
def withdraw(actor: Annotated[Actor, allow("fleet:firmware:withdraw")], db: Db, firmware_id: Id) -> None:
    """It is not installed any more; roll-outs of it end."""
    actions.withdraw(db, actor, firmware_id)


@router.get("/rollouts", response_model=Page[schemas.RolloutItem])
async def rollouts(
    asking: Annotated[Asking, lists("fleet:firmware:read")],
    limit: Limit = 50,
    cursor: Cursor = None,
    state: RolloutState | None = None,
) -> Response:
    """The newest first."""
    return await asking.page(lambda db, _: queries.rollouts(db, limit, cursor, state))


@router.post("/rollouts", status_code=201, responses=ABSENT_OR_CONFLICT)
def create(actor: Annotated[Actor, allow("fleet:rollout:create")], db: Db, new: schemas.NewRollout) -> Created:
    """A draft; it begins with its start."""
    return Created(id=actions.create(db, actor, new).id)


@router.post("/rollouts/preview", responses=ABSENT)
def preview(
    actor: Annotated[Actor, allow("fleet:rollout:create")], db: Db, asked: schemas.Preview
) -> schemas.PreviewAnswer:
    """How many terminals a roll-out would reach, wave by wave."""
    return schemas.PreviewAnswer.model_validate(queries.preview(db, asked))


@router.get("/rollouts/overview")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    return schemas.Overview.model_validate(queries.overview(db))


@router.get("/rollouts/choices")
def choices(actor: Reader, db: Db) -> schemas.Choices:
    """What roll-outs can be aimed at, beside customers."""
    return schemas.Choices.model_validate(queries.choices(db))


@router.get("/rollouts/{rollout_id}", responses=ABSENT)
def rollout(actor: Reader, db: Db, rollout_id: Id) -> schemas.RolloutDetail:
    return schemas.RolloutDetail.model_validate(queries.rollout(db, rollout_id))


@router.get("/rollouts/{rollout_id}/tasks", responses=ABSENT, response_model=Page[schemas.TaskItem])
async def tasks(
    asking: Annotated[Asking, lists("fleet:firmware:read", may_lag=True)],
    rollout_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: TaskState | None = None,
) -> Response:
    """Each terminal's share, wave by wave."""
    return await asking.page(lambda db, _: queries.tasks(db, rollout_id, limit, cursor, state))


@router.post("/rollouts/{rollout_id}/start", status_code=204, responses=ABSENT_OR_CONFLICT)
def start(actor: Operator, db: Db, rollout_id: Id) -> None:
    actions.start(db, actor, rollout_id)


@router.post("/rollouts/{rollout_id}/pause", status_code=204, responses=ABSENT_OR_CONFLICT)
def pause(actor: Operator, db: Db, rollout_id: Id, why: schemas.Reason) -> None:
    """Nobody new is offered the firmware; who has begun goes on."""
    actions.pause(db, actor, rollout_id, why.reason)


@router.post("/rollouts/{rollout_id}/resume", status_code=204, responses=ABSENT_OR_CONFLICT)
def resume(actor: Operator, db: Db, rollout_id: Id) -> None:
    """Goes on; the failures so far stop it no more."""
    actions.resume(db, actor, rollout_id)


@router.post("/rollouts/{rollout_id}/abort", status_code=204, responses=ABSENT_OR_CONFLICT)
def abort(actor: Operator, db: Db, rollout_id: Id, why: schemas.Reason) -> None:
    """For good; who has begun stops where it safely can."""
    actions.abort(db, actor, rollout_id, why.reason)


@router.post("/rollouts/{rollout_id}/retry", responses=ABSENT_OR_CONFLICT)
def retry(actor: Operator, db: Db, rollout_id: Id) -> schemas.Retried:
    """The failed terminals are offered it once more."""
    return schemas.Retried(terminals=actions.retry(db, actor, rollout_id))


@router.post("/rollouts/{rollout_id}/roll-back", status_code=201, responses=ABSENT_OR_CONFLICT)
def roll_back(actor: Operator, db: Db, rollout_id: Id) -> schemas.Undone:
    """Every terminal that took it gets the version it had before."""
    return schemas.Undone.model_validate(actions.roll_back(db, actor, rollout_id))


@router.get("/agent/firmware/{task_id}", response_class=Response, responses=_IMAGE)
async def download(request: Request, token: BearerToken, task_id: Id) -> Response:
    """For agents: the image of an update that their terminal is at. Understands Range and If-Range."""

    def found(db: Session) -> File:
        return queries.download(db, known_agent(request, db, token).terminal_id, task_id)

    file = await brief(request, NOBODY, found)
    return await answers.answer(
        request.headers,
        key=file.storage_key,
        size=file.size,
        etag=file.sha256.hex(),
        content_type=file.content_type,
        name=file.name,
        inline=False,
    )
