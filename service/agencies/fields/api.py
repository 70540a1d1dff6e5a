"""Routes that forms call while the user types."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.agencies.fields import rules, schemas
from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import RESPONSES
from service.core.values.texts import ONE_LINE

_ERRORS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
Name = Annotated[str, Query(min_length=1, max_length=200, pattern=ONE_LINE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=_ERRORS)


@router.get("/kana")
def kana(actor: Annotated[Actor, allow("agencies:corporation:read")], name: Name) -> schemas.Reading:
    """Proposes the kana reading of a name."""
    return schemas.Reading(kana=rules.proposed_kana(name))
