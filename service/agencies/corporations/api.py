"""The corporations' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from service.agencies.cards import actions as cards
from service.agencies.cards import queries as card_queries
from service.agencies.cards.schemas import Intake, NewCard, Removal, Revealed, Why
from service.agencies.corporations import actions, exports, queries, schemas
from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import NO_SCOPES, Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.routing.short_transactions import allow_without_transaction, short_transaction

READ, UPDATE = "agencies:corporation:read", "agencies:corporation:update"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/corporations", exports.CORPORATIONS)
resources.add_routes(
    router,
    "/corporations",
    actions.CORPORATIONS,
    resources.Permissions.of(READ, UPDATE),
    resources.Reads(schemas.CorporationItem, schemas.CorporationFilters, queries.corporations, may_lag=True),
)


@router.get("/card-intake")
def card_intake(actor: Reader) -> Intake:
    """Whether cards can be stored here, and why not."""
    return card_queries.intake()


@router.post("/corporations/duplicates")
def duplicates(actor: Reader, db: Db, sought: schemas.Sought) -> schemas.Duplicates:
    """Possible duplicates of a corporation, checked before it is registered."""
    return schemas.Duplicates(items=queries.duplicates(db, actor, sought))


@router.get("/corporations/{corporation_id}", responses=refusals(404))
def corporation(actor: Reader, db: Db, corporation_id: PathId) -> schemas.CorporationDetail:
    """The corporation; of its card only the summary."""
    return queries.detail(db, actor, corporation_id)


@router.get("/corporations/{corporation_id}/requests", responses=refusals(404))
def requests_of(
    by: Reader,
    db: ReadDb,
    corporation_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.RequestOf]:
    return queries.requests_of(db, by, corporation_id, limit, cursor)


@router.put("/corporations/{corporation_id}/card", status_code=204, responses=refusals(404, 409))
def replace_card(actor: Editor, db: Db, corporation_id: PathId, card: NewCard) -> None:
    """Replaces the card. Only `reveal` returns it again."""
    actions.replace_card(db, actor, corporation_id, card)


@router.delete("/corporations/{corporation_id}/card", status_code=204, responses=refusals(404, 409))
def remove_card(actor: Editor, db: Db, corporation_id: PathId, why: Removal) -> None:
    actions.remove_card(db, actor, corporation_id, why)


@router.post("/corporations/{corporation_id}/card/reveal", responses=refusals(404, 409, 429))
async def reveal(
    actor: Annotated[Actor, allow_without_transaction("agencies:card:reveal")],
    request: Request,
    response: Response,
    corporation_id: PathId,
    why: Why,
) -> Revealed:
    """The unmasked card. Separate transactions: the attempt is counted for the rate limit, the audit log records who
    reads it and why, and only after that was committed the card is unsealed."""

    def record(db: Db) -> None:
        queries.get(db, actor, corporation_id)
        cards.record_reveal(db, actor, corporation_id, why.reason)

    await short_transaction(request, actor.scopes, lambda db: queries.check_card_revealable(db, actor, corporation_id))
    if too_many := await short_transaction(request, NO_SCOPES, lambda db: cards.count_reveal(db, actor)):
        raise too_many
    await short_transaction(request, actor.scopes, record)
    response.headers["Cache-Control"] = "no-store"
    return await short_transaction(request, actor.scopes, lambda db: card_queries.revealed(db, corporation_id))
