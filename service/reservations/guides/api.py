"""HTTP routes of guides for signed-in users."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.reports.response import PDF_ANSWER, cached_pdf_response
from service.core.resources import PathId
from service.core.values.messages import described
from service.reservations.guides import actions, queries, schemas

Name = Annotated[
    str,
    Path(
        min_length=1,
        max_length=40,
        pattern=described("^[a-z-]+$", "半角の小文字の英字・ハイフンで指定してください（例: first-steps）。"),
    ),
]
Reader = Annotated[Actor, allow("reservations:guide:read")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/guides")
def guides(actor: Reader) -> schemas.Guides:
    """All guides, including those for operators."""
    return queries.guide_list()


@router.get("/guides/{name}.pdf", response_class=Response, responses=PDF_ANSWER | refusals(404))
def printed(actor: Reader, db: Db, name: Name) -> Response:
    guide = queries.get_guide(name, public=False)
    return cached_pdf_response(queries.guide_report(db, guide), f"{guide.title}.pdf")


@router.get("/guides/{name}", responses=refusals(404))
def guide(actor: Reader, db: Db, name: Name) -> schemas.GuideInFull:
    return queries.guide_detail(db, queries.get_guide(name, public=False))


@router.get("/shops/{shop_id}/manual", responses=refusals(404))
def manual(actor: Annotated[Actor, allow("reservations:shop:read")], db: Db, shop_id: PathId) -> schemas.Manual:
    """The delivery state of the shop's manual."""
    return queries.manual(db, shop_id)


@router.post("/shops/{shop_id}/manual", status_code=204, responses=refusals(404, 409))
def send_again(
    actor: Annotated[Actor, allow("reservations:shop:update")], db: Db, shop_id: PathId, new: schemas.Sending
) -> None:
    """Mails the manual again."""
    actions.send_again(db, actor, shop_id, new)
