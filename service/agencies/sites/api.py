"""Sites of a case, and its images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from service.agencies.requests import queries as requests
from service.agencies.requests.models import Request, Site
from service.agencies.sites import actions, queries, schemas
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Page, whole
from service.core.problems import RESPONSES

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(prefix="/api/agencies/cases/{case_id}", tags=["agencies"], responses=_REFUSALS)


@router.get("/sites", response_model=Page[schemas.SiteItem])
async def sites(asking: Annotated[Asking, lists("agencies:case:read")], case_id: Id) -> Response:
    def found(db: Session, actor: Actor) -> dict[str, Any]:
        request = requests.get_request(db, actor, case_id)
        return whole(queries.described(db, request, requests.sites(db, request)))

    return await asking.page(found)


@router.post("/sites", status_code=201, responses=_CONFLICT)
def add(actor: Writer, db: Db, case_id: Id, new: schemas.NewSite) -> schemas.SiteItem:
    request = requests.get_request(db, actor, case_id, lock=True)
    return _described(db, request, actions.add(db, actor, request, new))


@router.patch("/sites/{site_id}", responses=_CONFLICT)
def change(actor: Writer, db: Db, case_id: Id, site_id: Id, new: schemas.SiteChange) -> schemas.SiteItem:
    request, site = _locked(db, actor, case_id, site_id)
    actions.change(db, actor, site, new)
    return _described(db, request, site)


@router.post("/sites/{site_id}/status", responses=_CONFLICT)
def set_status(actor: Writer, db: Db, case_id: Id, site_id: Id, new: schemas.NewStatus) -> schemas.SiteItem:
    request, site = _locked(db, actor, case_id, site_id)
    actions.set_status(db, actor, request, site, new)
    return _described(db, request, site)


@router.delete("/sites/{site_id}", status_code=204, responses=_CONFLICT)
def remove(actor: Writer, db: Db, case_id: Id, site_id: Id, read: schemas.Read) -> None:
    """A site that was added by mistake."""
    request, site = _locked(db, actor, case_id, site_id)
    actions.remove(db, actor, request, site, read.version)


@router.get("/images", response_model=Page[schemas.ImageItem])
async def images(asking: Annotated[Asking, lists("agencies:case:read")], case_id: Id) -> Response:
    return await asking.page(lambda db, actor: whole(queries.images(db, requests.get_request(db, actor, case_id))))


@router.patch("/images/{image_id}", status_code=204, responses=_CONFLICT)
def link(actor: Writer, db: Db, case_id: Id, image_id: Id, new: schemas.Link) -> None:
    request = requests.get_request(db, actor, case_id, lock=True)
    image = queries.get_image(db, request, image_id)
    site = requests.get_site(db, request, new.site_id) if new.site_id is not None else None
    actions.link_as_read(db, actor, image, site, new.before)


def _locked(db: Session, by: Actor, case_id: int, site_id: int) -> tuple[Request, Site]:
    request = requests.get_request(db, by, case_id, lock=True)
    return request, requests.get_site(db, request, site_id)


def _described(db: Session, request: Request, site: Site) -> schemas.SiteItem:
    db.flush()
    db.refresh(site)
    return schemas.SiteItem.model_validate(queries.described(db, request, [site])[0])
