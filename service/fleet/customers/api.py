"""HTTP routes of a customer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.core.routing.replica_reads import ReadDb
from service.fleet.customers import actions, queries, schemas

router = APIRouter(
    prefix="/api/fleet/customers",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}


@router.get("/choices")
def choices(actor: Annotated[Actor, allow("fleet:customer:read")], db: ReadDb) -> list[schemas.CustomerChoice]:
    """The customers in use by name, for a select box: at most 1,000."""
    return queries.choices(db)


@router.get("/{customer_id}")
def customer(actor: Annotated[Actor, allow("fleet:customer:read")], db: Db, customer_id: Id) -> schemas.CustomerDetail:
    return queries.customer(db, customer_id)


@router.patch("/{customer_id}", responses=_CONFLICT)
def change(
    actor: Annotated[Actor, allow("fleet:customer:update")], db: Db, customer_id: Id, new: schemas.CustomerChange
) -> schemas.CustomerDetail:
    actions.change(db, actor, customer_id, new)
    return _detail(db, customer_id)


@router.post("/{customer_id}/archive", responses=_CONFLICT)
def archive(actor: Annotated[Actor, allow("fleet:customer:update")], db: Db, customer_id: Id) -> schemas.CustomerDetail:
    """An archived customer is left out of the lists and keeps its history. All its terminals must be archived first."""
    actions.archive(db, actor, customer_id)
    return _detail(db, customer_id)


@router.post("/{customer_id}/restore")
def restore(actor: Annotated[Actor, allow("fleet:customer:update")], db: Db, customer_id: Id) -> schemas.CustomerDetail:
    actions.restore(db, actor, customer_id)
    return _detail(db, customer_id)


def _detail(db: Db, customer_id: int) -> schemas.CustomerDetail:
    db.flush()
    return queries.customer(db, customer_id)
