"""Agents' routes: those of people who look after them, and their own, where the terminal's token is the key."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy.orm import Session

from service.core.auth import Actor, BearerToken, allow, client_address
from service.core.brief import brief
from service.core.db import NOBODY, Db, Scopes, set_scopes
from service.core.files import incoming
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.fleet.agents import actions, queries, schemas
from service.fleet.agents.queries import Agent
from service.fleet.rules import AREA, BUNDLE
from service.fleet.schemas import Created

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
_UPLOAD: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (404, 408, 409, 413, 415)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
SCOPES = Scopes(frozenset({AREA.name}))
router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=_REFUSALS)


def known_agent(request: Request, db: Session, token: str) -> Agent:
    """The agent whose token this is; the transaction sees the fleet from here on. Raises Unauthorized."""
    set_scopes(db, SCOPES)
    return queries.agent(db, token, client_address(request))


def _calling(request: Request, db: Db, token: BearerToken) -> Agent:
    return known_agent(request, db, token)


CallingAgent = Annotated[Agent, Depends(_calling)]


@router.get("/enrolment-codes", response_model=Page[schemas.EnrolmentCodeItem])
async def enrolment_codes(
    asking: Annotated[Asking, lists("fleet:enrolment:read")], limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first. The codes themselves are not kept."""
    return await asking.page(lambda db, _: queries.codes(db, limit, cursor))


@router.post("/enrolment-codes", status_code=201, responses=_ABSENT)
def issue_enrolment_code(
    actor: Annotated[Actor, allow("fleet:enrolment:create")], db: Db, new: schemas.NewEnrolmentCode
) -> schemas.EnrolmentCodeAnswer:
    row, code = actions.issue_enrolment_code(db, actor, new)
    return schemas.EnrolmentCodeAnswer(id=row.id, code=code, expires_at=row.expires_at, maximum_uses=row.maximum_uses)


@router.delete("/enrolment-codes/{code_id}", status_code=204, responses=_ABSENT)
def revoke_enrolment_code(actor: Annotated[Actor, allow("fleet:enrolment:revoke")], db: Db, code_id: Id) -> None:
    """It opens nothing from now on; agents that used it stay enrolled."""
    actions.revoke_enrolment_code(db, actor, code_id)


@router.get("/terminals/{terminal_id}/token", responses=_ABSENT)
def token(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: Id) -> schemas.TokenAnswer:
    return schemas.TokenAnswer.model_validate(queries.token(db, terminal_id))


@router.delete("/terminals/{terminal_id}/token", status_code=204, responses=_ABSENT)
def revoke_token(actor: Annotated[Actor, allow("fleet:token:revoke")], db: Db, terminal_id: Id) -> None:
    """The terminal's agent is not let in any more, until it is enrolled again."""
    actions.revoke_token(db, actor, terminal_id)


@router.post("/terminals/{terminal_id}/token/rotation", status_code=201, responses=_ABSENT_OR_CONFLICT)
def rotate_token(actor: Annotated[Actor, allow("fleet:token:rotate")], db: Db, terminal_id: Id) -> Created:
    """Asks the agent to make itself a new token; the answer is the command's id."""
    return Created(id=actions.rotate_token(db, actor, terminal_id).id)


@router.get("/terminals/{terminal_id}/commands", responses=_ABSENT, response_model=Page[schemas.CommandItem])
async def commands(
    asking: Annotated[Asking, lists("fleet:terminal:read")],
    terminal_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What the terminal's agent was asked to do and how that stands, the newest first."""
    return await asking.page(lambda db, _: queries.commands(db, terminal_id, limit, cursor))


@router.post("/terminals/{terminal_id}/commands", status_code=201, responses=_ABSENT_OR_CONFLICT)
def order(
    actor: Annotated[Actor, allow("fleet:terminal:diagnose")], db: Db, terminal_id: Id, new: schemas.NewCommand
) -> Created:
    """The agent is told with its next heartbeat."""
    return Created(id=actions.order(db, actor, terminal_id, new.name).id)


@router.post("/terminals/{terminal_id}/commands/{command_id}/cancel", status_code=204, responses=_ABSENT_OR_CONFLICT)
def cancel(actor: Annotated[Actor, allow("fleet:terminal:diagnose")], db: Db, terminal_id: Id, command_id: Id) -> None:
    actions.cancel(db, actor, terminal_id, command_id)


@router.get("/terminals/{terminal_id}/devices", responses=_ABSENT)
def devices(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: Id) -> schemas.Devices:
    """The machines that stood at the terminal's place, the present one first."""
    return schemas.Devices.model_validate(queries.devices(db, terminal_id))


@router.post("/terminals/{terminal_id}/swap", responses=_ABSENT_OR_CONFLICT)
def swap(
    actor: Annotated[Actor, allow("fleet:terminal:swap")], db: Db, terminal_id: Id, new: schemas.Swap
) -> schemas.Swapped:
    """Another machine at the terminal's place: history kept, token revoked, a code for the new machine, all in one."""
    row, code = actions.swap(db, actor, terminal_id, new)
    return schemas.Swapped(
        terminal_id=terminal_id,
        version=new.version + 1,
        serial_number=new.serial_number,
        code=code,
        expires_at=row.expires_at,
    )


@router.post("/enrolments", status_code=201, responses={409: RESPONSES[409]})
def enrol(request: Request, db: Db, new: schemas.NewEnrolment) -> schemas.Enrolment:
    """For agents: the enrolment code is the key."""
    set_scopes(db, SCOPES)
    terminal_id, token = actions.enrol(db, new, client_address(request))
    return schemas.Enrolment(terminal_id=terminal_id, token=token)


@router.put("/agent/token", status_code=204, responses={409: RESPONSES[409]})
def renew_token(agent: CallingAgent, db: Db, new: schemas.NewToken) -> None:
    """For agents: the new token, of which only the hash is sent, takes the place of the one that was shown."""
    actions.renew_token(db, agent, new)


@router.post("/agent/commands/{command_id}", responses=_ABSENT)
def report(agent: CallingAgent, db: Db, command_id: Id, said: schemas.Report) -> schemas.ReportAnswer:
    """For agents: how far a command has come. Repeats are harmless."""
    return schemas.ReportAnswer(go_on=actions.report(db, agent, command_id, said))


@router.put(
    "/agent/commands/{command_id}/bundle",
    status_code=201,
    responses=_UPLOAD,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def send_bundle(request: Request, token: BearerToken, command_id: Id) -> schemas.BundleAnswer:
    """For agents: the diagnostic bundle that a command asked for, as a zip."""

    def asked(db: Session) -> Agent:
        agent = known_agent(request, db, token)
        actions.refuse_bundle(db, agent, command_id)
        return agent

    agent = await brief(request, NOBODY, asked)
    made = await incoming.deposited(request, BUNDLE, f"診断_{agent.serial_number}.zip")
    add = partial(actions.add_bundle, by=agent, command_id=command_id, deposit=made)
    file = await incoming.kept(request, SCOPES, made, add)
    return schemas.BundleAnswer(file_id=file.id)
