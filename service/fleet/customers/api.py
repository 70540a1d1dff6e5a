"""HTTP routes of a customer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.fleet.customers import actions, queries, schemas

router = APIRouter(prefix="/api/fleet/customers", tags=["fleet"], responses=refusals(400, 401, 403, 404, 422, 503))
Reader = Annotated[Actor, allow("fleet:customer:read")]
Editor = Annotated[Actor, allow("fleet:customer:update")]


@router.get("/choices")
def choices(actor: Reader, db: ReadDb) -> list[schemas.CustomerChoice]:
    """The customers in use by name, for a select box: at most 1,000."""
    return queries.choices(db)


@router.get("/{customer_id}")
def customer(actor: Reader, db: Db, customer_id: PathId) -> schemas.CustomerDetail:
    return queries.customer(db, customer_id)


@router.patch("/{customer_id}", responses=refusals(409))
def change(actor: Editor, db: Db, customer_id: PathId, new: schemas.CustomerChange) -> schemas.CustomerDetail:
    actions.change(db, actor, customer_id, new)
    return _detail(db, customer_id)


@router.post("/{customer_id}/archive", responses=refusals(409))
def archive(actor: Editor, db: Db, customer_id: PathId) -> schemas.CustomerDetail:
    """An archived customer is left out of the lists and keeps its history. All its terminals must be archived first."""
    actions.archive(db, actor, customer_id)
    return _detail(db, customer_id)


@router.post("/{customer_id}/restore")
def restore(actor: Editor, db: Db, customer_id: PathId) -> schemas.CustomerDetail:
    actions.restore(db, actor, customer_id)
    return _detail(db, customer_id)


def _detail(db: Db, customer_id: int) -> schemas.CustomerDetail:
    db.flush()
    return queries.customer(db, customer_id)
