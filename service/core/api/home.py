"""The routes of ホーム and of the menu."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from service.core.home import queries, schemas
from service.core.http.problem_responses import refusals
from service.core.routing.lists import ListRequest, list_request

router = APIRouter(prefix="/api", tags=["core"], responses=refusals(400, 401, 403, 503))


@router.get("/home", response_model=schemas.Home)
async def home(requested: Annotated[ListRequest, list_request(None, may_lag=True)]) -> Response:
    """The user's areas: their state, what is due, or the week's figures. Each entry has a permission of its own."""
    return await requested.page(queries.home)


@router.get("/me/counts", response_model=schemas.MenuCounts)
async def counts(requested: Annotated[ListRequest, list_request(None, may_lag=True)]) -> Response:
    """The numbers of the menu; each has the permission of its page."""
    return await requested.page(queries.counts)
