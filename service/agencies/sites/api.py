"""Routes of the sites and images of a case."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.agencies.models import Request, Site
from service.agencies.requests import queries as requests
from service.agencies.sites import actions, queries, schemas
from service.core.access.auth import Actor, allow
from service.core.database.paging import Page, single_page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId

Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(
    prefix="/api/agencies/cases/{case_id}", tags=["agencies"], responses=refusals(400, 401, 403, 404, 422, 503)
)


@router.get("/sites")
def sites(actor: Annotated[Actor, allow("agencies:case:read")], db: Db, case_id: PathId) -> Page[schemas.SiteItem]:
    request = requests.get_request(db, actor, case_id)
    return single_page(queries.site_items(db, request, requests.sites(db, request)))


@router.post("/sites", status_code=201, responses=refusals(409))
def add(actor: Writer, db: Db, case_id: PathId, new: schemas.NewSite) -> schemas.SiteItem:
    request = requests.get_request(db, actor, case_id, lock=True)
    return _site_item(db, request, actions.add(db, actor, request, new))


@router.patch("/sites/{site_id}", responses=refusals(409))
def change(actor: Writer, db: Db, case_id: PathId, site_id: PathId, new: schemas.SiteChange) -> schemas.SiteItem:
    request, site = _lock(db, actor, case_id, site_id)
    actions.change(db, actor, site, new)
    return _site_item(db, request, site)


@router.post("/sites/{site_id}/status", responses=refusals(409))
def set_status(actor: Writer, db: Db, case_id: PathId, site_id: PathId, new: schemas.NewStatus) -> schemas.SiteItem:
    request, site = _lock(db, actor, case_id, site_id)
    actions.set_status(db, actor, request, site, new)
    return _site_item(db, request, site)


@router.delete("/sites/{site_id}", status_code=204, responses=refusals(409))
def remove(actor: Writer, db: Db, case_id: PathId, site_id: PathId, read: schemas.Read) -> None:
    """Deletes a site that was added by mistake."""
    request, site = _lock(db, actor, case_id, site_id)
    actions.remove(db, actor, request, site, read.version)


@router.get("/images")
def images(actor: Annotated[Actor, allow("agencies:case:read")], db: Db, case_id: PathId) -> Page[schemas.ImageItem]:
    return single_page(queries.images(db, requests.get_request(db, actor, case_id)))


@router.patch("/images/{image_id}", status_code=204, responses=refusals(409))
def link(actor: Writer, db: Db, case_id: PathId, image_id: PathId, new: schemas.Link) -> None:
    request = requests.get_request(db, actor, case_id, lock=True)
    image = queries.get_image(db, request, image_id)
    site = requests.get_site(db, request, new.site_id) if new.site_id is not None else None
    actions.change_link(db, actor, image, site, new.before)


def _lock(db: Session, by: Actor, case_id: int, site_id: int) -> tuple[Request, Site]:
    request = requests.get_request(db, by, case_id, lock=True)
    return request, requests.get_site(db, request, site_id)


def _site_item(db: Session, request: Request, site: Site) -> schemas.SiteItem:
    db.flush()
    db.refresh(site)
    return queries.site_items(db, request, [site])[0]
