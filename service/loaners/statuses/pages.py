"""What a label leads to: `/d/<number>` opens the status form on the dashboards, after signing in if need be."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse

from service.core.settings import settings
from service.core.texts import NO_NUL
from service.loaners.history.rules import LABEL_PATH

router = APIRouter(include_in_schema=False)


@router.get(f"{LABEL_PATH}{{number}}")
def label(number: Annotated[str, Path(max_length=300, pattern=NO_NUL)]) -> RedirectResponse:
    """Nothing is looked up: whoever is not signed in is not even told whether there is such a number."""
    page = f"{settings().public_base_url.rstrip('/')}/status-form?{urlencode({'number': number.strip()})}"
    return RedirectResponse(page, 302, {"Cache-Control": "no-store"})
