"""The URL of a label: `/d/<number>` redirects to the status form on the dashboards, after a sign-in if needed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse

from service.core.settings import settings
from service.core.values.texts import NO_NUL
from service.loaners.history.rules import LABEL_PATH

router = APIRouter(include_in_schema=False)


@router.get(f"{LABEL_PATH}{{number}}")
def label(number: Annotated[str, Path(max_length=300, pattern=NO_NUL)]) -> RedirectResponse:
    """No lookup: a caller who is not signed in does not learn whether the number exists."""
    page = settings().page_url(f"/status-form?{urlencode({'number': number.strip()})}")
    return RedirectResponse(page, 302, {"Cache-Control": "no-store"})
