"""探す."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import SignedIn
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.core.search import queries
from service.core.search.schemas import SearchAnswer
from service.core.values.texts import NO_NUL

router = APIRouter(prefix="/api/search", tags=["search"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def search(
    actor: SignedIn,
    db: ReadDb,
    q: Annotated[str, Query(min_length=1, max_length=100, pattern=NO_NUL)],
) -> SearchAnswer:
    """What the user may see and is called so: by number, name, reading or telephone number, in any width, with hyphens
    or without. Names and other parts are searched from two characters on."""
    return queries.search(db, actor, q)
