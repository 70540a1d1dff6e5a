"""The corporations' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from service.agencies.cards import actions as cards
from service.agencies.cards import queries as card_queries
from service.agencies.cards.schemas import Intake, NewCard, Removal, Revealed, Why
from service.agencies.corporations import actions, exports, queries, schemas
from service.core.auth import Actor, allow
from service.core.brief import allow_briefly, brief
from service.core.db import NOBODY, Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
_TOO_MANY: dict[int | str, dict[str, Any]] = {429: RESPONSES[429]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "agencies:corporation:read"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow("agencies:corporation:update")]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=_REFUSALS)

doors.add(router, "/corporations", exports.CORPORATIONS)


@router.get("/corporations", response_model=Page[schemas.CorporationItem])
async def corporations(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.CorporationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, by: queries.corporations(db, by, limit, cursor, filters))


@router.get("/card-intake")
def card_intake(actor: Reader) -> Intake:
    """Whether cards can be stored here, and why not."""
    return card_queries.intake()


@router.post("/corporations/duplicates")
def duplicates(actor: Reader, db: Db, sought: schemas.Sought) -> schemas.Duplicates:
    """Corporations that may be the same, asked before another one is registered."""
    return schemas.Duplicates(items=queries.duplicates(db, actor, sought))


@router.get("/corporations/{corporation_id}", responses=_ABSENT)
def corporation(actor: Reader, db: Db, corporation_id: Id) -> schemas.CorporationDetail:
    """All of it; of its card only what everybody may read."""
    return schemas.CorporationDetail.model_validate(queries.detail(db, actor, corporation_id))


@router.get("/corporations/{corporation_id}/requests", response_model=Page[schemas.RequestOf], responses=_ABSENT)
async def requests_of(
    asking: Annotated[Asking, lists(READ, may_lag=True)], corporation_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    return await asking.page(lambda db, by: queries.requests_of(db, by, corporation_id, limit, cursor))


@router.patch("/corporations/{corporation_id}", status_code=204, responses=_CONFLICT)
def change(actor: Keeper, db: Db, corporation_id: Id, new: schemas.CorporationChange) -> None:
    actions.change(db, actor, corporation_id, new)


@router.put("/corporations/{corporation_id}/card", status_code=204, responses=_CONFLICT)
def replace_card(actor: Keeper, db: Db, corporation_id: Id, card: NewCard) -> None:
    """In place of the card that is there. Nothing gives it back but `reveal`."""
    actions.replace_card(db, actor, corporation_id, card)


@router.delete("/corporations/{corporation_id}/card", status_code=204, responses=_CONFLICT)
def remove_card(actor: Keeper, db: Db, corporation_id: Id, why: Removal) -> None:
    actions.remove_card(db, actor, corporation_id, why)


@router.post("/corporations/{corporation_id}/card/reveal", responses=_CONFLICT | _TOO_MANY)
async def reveal(
    actor: Annotated[Actor, allow_briefly("agencies:card:reveal")],
    request: Request,
    response: Response,
    corporation_id: Id,
    why: Why,
) -> Revealed:
    """The plain card. Three transactions: the attempt is counted, then it is noted who reads it and why, and only when
    that has been committed anything is opened."""

    def note(db: Db) -> None:
        queries.get(db, actor, corporation_id)
        cards.note_reveal(db, actor, corporation_id, why.reason)

    await brief(request, actor.scopes, lambda db: queries.card_to_reveal(db, actor, corporation_id))
    if refusal := await brief(request, NOBODY, lambda db: cards.count_reveal(db, actor)):
        raise refusal
    await brief(request, actor.scopes, note)
    response.headers["Cache-Control"] = "no-store"
    return await brief(request, actor.scopes, lambda db: card_queries.revealed(db, corporation_id))
