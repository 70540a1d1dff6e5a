"""The postal codes' route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service.agencies.postal import queries, schemas
from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import refusals
from service.core.values.messages import described

ZipCode = Annotated[
    str,
    Path(pattern=described("^[0-9]{7}$", "郵便番号を、ハイフンなしの半角の数字7桁で指定してください（例: 1600022）。")),
]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/postal-codes/{zip_code}")
def postal_code(actor: Annotated[Actor, allow("agencies:corporation:read")], zip_code: ZipCode) -> schemas.PostalCode:
    """The addresses of a code of seven digits, to choose one from."""
    return queries.addresses(zip_code)
