"""Card routes: for staff, and the one that opens a card, where the link is the credential."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.core.access.auth import Actor, allow, client_address
from service.core.database.clock import app_now
from service.core.database.session import Db, Scopes
from service.core.http.problem_responses import refusals
from service.core.printing import bar_cards
from service.core.problems import Problem
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.resources import PathId
from service.core.routing.short_transactions import short_transaction
from service.entries.cards import actions, queries, schemas
from service.entries.rules import AREA

# A link is looked up before the caller is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
_REFUSALS = refusals(400, 401, 403, 404, 422, 503)
Issuer = Annotated[Actor, allow("entries:card:issue")]
router = APIRouter(prefix="/api/entries", tags=["entries"])


@router.get("/parents/{parent_id}/card", responses=_REFUSALS)
def card(actor: Issuer, db: Db, parent_id: PathId) -> schemas.CardLink:
    """The active link."""
    return queries.parent_card_link(db, actor, parent_id)


@router.post("/parents/{parent_id}/card/revoke", status_code=204, responses=_REFUSALS)
def revoke(actor: Issuer, db: Db, parent_id: PathId) -> None:
    """The link stops working. A phone that has stored the card shows it until it is online again."""
    actions.revoke(db, actor, parent_id)


@router.post("/cards/issue", responses=_REFUSALS)
def issue(actor: Issuer, db: Db, selection: schemas.Selection) -> schemas.Issued:
    """Issues links for parents who have none."""
    return actions.issue(db, actor, selection)


@router.post("/cards/mail", responses=_REFUSALS | refusals(409))
def mail(actor: Issuer, db: Db, selection: schemas.Selection) -> schemas.Mailed:
    """Mails links to the parents whose mail address is known."""
    return actions.mail(db, actor, selection)


@router.get("/cards/sheet.pdf", response_class=Response, responses=PDF_ANSWER | _REFUSALS)
def sheet(actor: Issuer, db: Db, selection: Annotated[schemas.Selection, Query()]) -> Pdf:
    """Cards to cut out, six on a page."""
    cards = queries.printable_cards(db, actor, selection)
    actions.record_print(db, actor, selection, len(cards))
    return Pdf(partial(bar_cards.sheets, cards, app_now(db)), "保護者カード.pdf")


@router.post("/cards/open", responses=refusals(400, 404, 422, 429, 503))
async def open_card(opening: schemas.Opening, request: Request) -> schemas.Opened:
    """What the page /parent-card shows."""
    address = client_address(request)
    outcome = await short_transaction(request, WHOLE_AREA, lambda db: actions.open_card(db, opening.token, address))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome
