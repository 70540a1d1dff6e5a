"""HTTP routes of agents: for the users who manage them, and for the agents, which authenticate with their token."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, BearerToken, allow, client_address
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import NO_SCOPES, Db, Scopes, set_scopes
from service.core.files import incoming
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.short_transactions import short_transaction
from service.fleet.agents import actions, queries, schemas
from service.fleet.agents.queries import Agent
from service.fleet.rules import AREA, BUNDLE
from service.fleet.schemas import Created

SCOPES = Scopes(frozenset({AREA.name}))
router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))


def authenticate_agent(request: Request, db: Session, token: str) -> Agent:
    """Authenticates the agent by its token and opens the fleet's scope for the transaction (row-level security).
    Raises Unauthorized."""
    set_scopes(db, SCOPES)
    return queries.agent_by_token(db, token, client_address(request))


def _calling_agent(request: Request, db: Db, token: BearerToken) -> Agent:
    return authenticate_agent(request, db, token)


CallingAgent = Annotated[Agent, Depends(_calling_agent)]


@router.get("/enrolment-codes")
def enrolment_codes(
    actor: Annotated[Actor, allow("fleet:enrolment:read")], db: Db, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.EnrolmentCodeItem]:
    """The newest first. The codes themselves are not stored."""
    return queries.codes(db, limit, cursor)


@router.post("/enrolment-codes", status_code=201, responses=refusals(404))
def issue_enrolment_code(
    actor: Annotated[Actor, allow("fleet:enrolment:create")], db: Db, new: schemas.NewEnrolmentCode
) -> schemas.EnrolmentCodeAnswer:
    row, code = actions.issue_enrolment_code(db, actor, new)
    return schemas.EnrolmentCodeAnswer(id=row.id, code=code, expires_at=row.expires_at, maximum_uses=row.maximum_uses)


@router.delete("/enrolment-codes/{code_id}", status_code=204, responses=refusals(404))
def revoke_enrolment_code(actor: Annotated[Actor, allow("fleet:enrolment:revoke")], db: Db, code_id: PathId) -> None:
    """The code no longer enrols an agent; agents that used it stay enrolled."""
    actions.revoke_enrolment_code(db, actor, code_id)


@router.get("/terminals/{terminal_id}/token", responses=refusals(404))
def token(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: PathId) -> schemas.TokenAnswer:
    return queries.token(db, terminal_id)


@router.delete("/terminals/{terminal_id}/token", status_code=204, responses=refusals(404))
def revoke_token(actor: Annotated[Actor, allow("fleet:token:revoke")], db: Db, terminal_id: PathId) -> None:
    """The terminal's agent cannot authenticate until it is enrolled again."""
    actions.revoke_token(db, actor, terminal_id)


@router.post("/terminals/{terminal_id}/token/rotation", status_code=201, responses=refusals(404, 409))
def rotate_token(actor: Annotated[Actor, allow("fleet:token:rotate")], db: Db, terminal_id: PathId) -> Created:
    """Asks the agent to renew its token; returns the command's id."""
    return Created(id=actions.rotate_token(db, actor, terminal_id).id)


@router.get("/terminals/{terminal_id}/commands", responses=refusals(404))
def commands(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: Db,
    terminal_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.CommandItem]:
    """The commands for the terminal's agent and their states, the newest first."""
    return queries.commands(db, terminal_id, limit, cursor)


@router.post("/terminals/{terminal_id}/commands", status_code=201, responses=refusals(404, 409))
def order(
    actor: Annotated[Actor, allow("fleet:terminal:diagnose")], db: Db, terminal_id: PathId, new: schemas.NewCommand
) -> Created:
    """The agent gets the command with the answer to its next heartbeat."""
    return Created(id=actions.send_command(db, actor, terminal_id, new.name).id)


@router.post("/terminals/{terminal_id}/commands/{command_id}/cancel", status_code=204, responses=refusals(404, 409))
def cancel(
    actor: Annotated[Actor, allow("fleet:terminal:diagnose")], db: Db, terminal_id: PathId, command_id: PathId
) -> None:
    actions.cancel(db, actor, terminal_id, command_id)


@router.get("/terminals/{terminal_id}/devices", responses=refusals(404))
def devices(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: PathId) -> schemas.Devices:
    """The terminal's machines, the present one first."""
    return queries.devices(db, terminal_id)


@router.post("/terminals/{terminal_id}/swap", responses=refusals(404, 409))
def swap(
    actor: Annotated[Actor, allow("fleet:terminal:swap")], db: Db, terminal_id: PathId, new: schemas.Swap
) -> schemas.Swapped:
    """Replaces the terminal's machine: keeps the history, revokes the token and issues a code for the new machine."""
    row, code = actions.swap(db, actor, terminal_id, new)
    return schemas.Swapped(
        terminal_id=terminal_id,
        version=new.version + 1,
        serial_number=new.serial_number,
        code=code,
        expires_at=row.expires_at,
    )


@router.post("/enrolments", status_code=201, responses=refusals(409))
def enrol(request: Request, db: Db, new: schemas.NewEnrolment) -> schemas.Enrolment:
    """For agents: authenticated by the enrolment code."""
    set_scopes(db, SCOPES)
    terminal_id, token = actions.enrol(db, new, client_address(request))
    return schemas.Enrolment(terminal_id=terminal_id, token=token)


@router.put("/agent/token", status_code=204, responses=refusals(409))
def renew_token(agent: CallingAgent, db: Db, new: schemas.NewToken) -> None:
    """For agents: replaces the token of this request by a new one, of which only the hash is sent."""
    actions.renew_token(db, agent, new)


@router.post("/agent/commands/{command_id}", responses=refusals(404))
def report(agent: CallingAgent, db: Db, command_id: PathId, progress: schemas.Report) -> schemas.ReportAnswer:
    """For agents: the progress of a command. Idempotent."""
    return schemas.ReportAnswer(go_on=actions.record_report(db, agent, command_id, progress))


@router.put(
    "/agent/commands/{command_id}/bundle",
    status_code=201,
    responses=refusals(404, 408, 409, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def send_bundle(request: Request, token: BearerToken, command_id: PathId) -> schemas.BundleAnswer:
    """For agents: uploads the diagnostic bundle that a command asked for, as a zip file."""

    def authenticate(db: Session) -> Agent:
        agent = authenticate_agent(request, db, token)
        actions.require_bundle_command(db, agent, command_id)
        return agent

    agent = await short_transaction(request, NO_SCOPES, authenticate)
    deposit = await incoming.receive_and_store(request, BUNDLE, f"診断_{agent.serial_number}.zip")
    add = partial(actions.add_bundle, by=agent, command_id=command_id, deposit=deposit)
    file = await incoming.save_file_row(request, SCOPES, deposit, add)
    return schemas.BundleAnswer(file_id=file.id)
