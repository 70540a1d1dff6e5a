"""HTTP routes for learned opening hours."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.fleet.hours import actions, queries, schemas

router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/terminals/{terminal_id}/hours")
def of_terminal(
    actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: PathId
) -> schemas.TerminalHours:
    """The terminal's opening hours, learned from the last weeks."""
    return queries.of_terminal(db, terminal_id)


@router.put("/terminals/{terminal_id}/hours")
def switch_terminal(
    actor: Annotated[Actor, allow("fleet:terminal:update")], db: Db, terminal_id: PathId, new: schemas.Switch
) -> schemas.TerminalHours:
    actions.switch_terminal(db, actor, terminal_id, new.learned_hours)
    return queries.of_terminal(db, terminal_id)


@router.get("/customers/{customer_id}/hours")
def of_customer(
    actor: Annotated[Actor, allow("fleet:customer:read")], db: Db, customer_id: PathId
) -> schemas.CustomerHours:
    return queries.of_customer(db, customer_id)


@router.put("/customers/{customer_id}/hours")
def switch_customer(
    actor: Annotated[Actor, allow("fleet:customer:update")], db: Db, customer_id: PathId, new: schemas.Switch
) -> schemas.CustomerHours:
    """For all terminals of the customer; each terminal also has its own switch."""
    actions.switch_customer(db, actor, customer_id, new.learned_hours)
    return queries.of_customer(db, customer_id)
