"""What forms ask while somebody types."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.agencies.fields import rules, schemas
from service.core.auth import Actor, allow
from service.core.problems import RESPONSES
from service.core.texts import ONE_LINE

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
Name = Annotated[str, Query(min_length=1, max_length=200, pattern=ONE_LINE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=_REFUSALS)


@router.get("/kana")
def kana(actor: Annotated[Actor, allow("agencies:corporation:read")], name: Name) -> schemas.Reading:
    """How a name is read, to be proposed."""
    return schemas.Reading(kana=rules.proposed_kana(name))
