"""Routes that forms call while the user types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.agencies.fields import rules, schemas
from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import refusals
from service.core.values.texts import ONE_LINE

Name = Annotated[str, Query(min_length=1, max_length=200, pattern=ONE_LINE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/kana")
def kana(actor: Annotated[Actor, allow("agencies:corporation:read")], name: Name) -> schemas.Reading:
    """Proposes the kana reading of a name."""
    return schemas.Reading(kana=rules.proposed_kana(name))
