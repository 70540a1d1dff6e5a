"""What a label leads to: `/d/<number>` opens the status form on the dashboards, after signing in if need be."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse

from service.core.db import Db, Scopes, set_scopes
from service.core.settings import settings
from service.core.texts import NO_NUL
from service.loaners.history.queries import get_device
from service.loaners.history.rules import LABEL_PATH
from service.loaners.rules import AREA

router = APIRouter(include_in_schema=False)


@router.get(f"{LABEL_PATH}{{number}}")
def label(db: Db, number: Annotated[str, Path(max_length=300, pattern=NO_NUL)]) -> RedirectResponse:
    """Nothing but the number itself is told to whoever is not signed in."""
    set_scopes(db, Scopes(frozenset({AREA.name})))
    known = get_device(db, number).number
    page = f"{settings().public_base_url.rstrip('/')}/status-form?{urlencode({'number': known})}"
    return RedirectResponse(page, 302, {"Cache-Control": "no-store"})
