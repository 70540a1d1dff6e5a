"""The routes of ホーム and of the menu."""

from __future__ import annotations

from fastapi import APIRouter

from service.core.access.auth import SignedIn
from service.core.home import queries, schemas
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb

router = APIRouter(prefix="/api", tags=["core"], responses=refusals(400, 401, 403, 503))


@router.get("/home")
def home(actor: SignedIn, db: ReadDb) -> schemas.Home:
    """The user's areas: their state, what is due, or the week's figures. Each entry has a permission of its own."""
    return queries.home(db, actor)


@router.get("/me/counts")
def counts(actor: SignedIn, db: ReadDb) -> schemas.MenuCounts:
    """The numbers of the menu; each has the permission of its page."""
    return queries.counts(db, actor)
