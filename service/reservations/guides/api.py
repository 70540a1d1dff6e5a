"""The guides' routes for people who are signed in: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.problems import RESPONSES
from service.core.reports.response import PDF_ANSWER, kept_pdf
from service.reservations.guides import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Name = Annotated[str, Path(min_length=1, max_length=40, pattern="^[a-z-]+$")]
Reader = Annotated[Actor, allow("reservations:guide:read")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=_REFUSALS)


@router.get("/guides")
def guides(actor: Reader) -> schemas.Guides:
    """All of them, those for operators included."""
    return schemas.Guides.model_validate(queries.listed())


@router.get("/guides/{name}.pdf", response_class=Response, responses=PDF_ANSWER | _ABSENT)
def printed(actor: Reader, db: Db, name: Name) -> Response:
    guide = queries.guide(name, public=False)
    return kept_pdf(queries.report(db, guide), f"{guide.title}.pdf")


@router.get("/guides/{name}", responses=_ABSENT)
def guide(actor: Reader, db: Db, name: Name) -> schemas.GuideInFull:
    return schemas.GuideInFull.model_validate(queries.in_full(db, queries.guide(name, public=False)))


@router.get("/shops/{shop_id}/manual", responses=_ABSENT)
def manual(actor: Annotated[Actor, allow("reservations:shop:read")], db: Db, shop_id: Id) -> schemas.Manual:
    """What became of the manual that the shop is sent."""
    return schemas.Manual.model_validate(queries.manual(db, shop_id))


@router.post("/shops/{shop_id}/manual", status_code=204, responses=_ABSENT | {409: RESPONSES[409]})
def send_again(
    actor: Annotated[Actor, allow("reservations:shop:update")], db: Db, shop_id: Id, asked: schemas.Sending
) -> None:
    """The manual once more, by mail."""
    actions.send_again(db, actor, shop_id, asked)
