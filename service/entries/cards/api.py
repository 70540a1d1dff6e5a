"""Cards' routes: those of the staff, and the one that opens a card, where the link is the key."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from service.core import bar_cards
from service.core.auth import Actor, allow, client_address
from service.core.brief import brief
from service.core.clock import app_now
from service.core.db import Db, Scopes
from service.core.problems import RESPONSES, Problem
from service.core.reports.response import PDF_ANSWER, Pdf
from service.entries.cards import actions, queries, schemas
from service.entries.rules import AREA

# A link is looked up before anybody is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
_OPEN: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 404, 422, 429, 503)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Issuing = Annotated[Actor, allow("entries:card:issue")]
router = APIRouter(prefix="/api/entries", tags=["entries"])


@router.get("/parents/{parent_id}/card", responses=_REFUSALS)
def card(actor: Issuing, db: Db, parent_id: Id) -> schemas.CardLink:
    """The link that is in force."""
    return schemas.CardLink.model_validate(queries.of_parent(db, actor, parent_id))


@router.post("/parents/{parent_id}/card/revoke", status_code=204, responses=_REFUSALS)
def revoke(actor: Issuing, db: Db, parent_id: Id) -> None:
    """The link opens nothing any more; a phone that has the card shows it until it is online again."""
    actions.revoke(db, actor, parent_id)


@router.post("/cards/issue", responses=_REFUSALS)
def issue(actor: Issuing, db: Db, wanted: schemas.Selection) -> schemas.Issued:
    """Links for those who have none."""
    return actions.issue(db, actor, wanted)


@router.post("/cards/mail", responses={**_REFUSALS, 409: RESPONSES[409]})
def mail(actor: Issuing, db: Db, wanted: schemas.Selection) -> schemas.Mailed:
    """Their links to those whose address is known."""
    return actions.mail(db, actor, wanted)


@router.get("/cards/sheet.pdf", response_class=Response, responses={**PDF_ANSWER, **_REFUSALS})
def sheet(actor: Issuing, db: Db, wanted: Annotated[schemas.Selection, Query()]) -> Pdf:
    """Cards to cut out, six on a page."""
    cards = queries.to_print(db, actor, wanted)
    actions.printed(db, actor, wanted, len(cards))
    return Pdf(partial(bar_cards.sheets, cards, app_now(db)), "保護者カード.pdf")


@router.post("/cards/open", responses=_OPEN)
async def open_card(asked: schemas.Opening, request: Request) -> schemas.Opened:
    """What the page /parent-card shows."""
    address = client_address(request)
    outcome = await brief(request, WHOLE_AREA, lambda db: actions.open_card(db, asked.token, address))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome
