"""Queries of sites and of the images from which they are typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.agencies.masters.models import Choice
from service.agencies.models import Request, Site
from service.agencies.requests import queries as requests
from service.agencies.requests.models import Comment, Image
from service.agencies.rules import SITE_FIELDS, Status
from service.agencies.sites import rules, schemas

CANCELLED = Status.CANCELLED.value
ABSENT_IMAGE = "指定された明細画像は見つかりません。案件を開き直してください。"


def values(site: Site) -> dict[str, Any]:
    """The values that operators type, by field."""
    return {name: getattr(site, name) for name in SITE_FIELDS}


def site_items(db: Session, request: Request, sites: Sequence[Site]) -> list[schemas.SiteItem]:
    """Sites of the request, each with its required and missing fields, its deficiency and its twins."""
    deficiencies: dict[int | None, Comment] = {
        comment.site_id: comment for comment in requests.open_deficiencies(db, request)
    }
    same_number = _count_by_location(db, sites)
    return [
        schemas.SiteItem(
            **values(site),
            id=site.id,
            version=site.version,
            status=Status(site.status),
            required=rules.required(values(site)),
            missing=rules.missing(values(site)),
            deficiency=deficiencies[site.id].message if site.id in deficiencies else "",
            # The site itself is not counted.
            twins=max(0, same_number.get(site.power_customer_location_number, 0) - (site.status != CANCELLED)),
            entered_at=site.entered_at,
            created_at=site.created_at,
            updated_at=site.updated_at,
        )
        for site in sites
    ]


def _count_by_location(db: Session, sites: Sequence[Site]) -> Mapping[str, int]:
    numbers = {site.power_customer_location_number for site in sites} - {""}
    if not numbers:
        return {}
    statement = (
        select(Site.power_customer_location_number, func.count())
        .where(
            Site.power_customer_location_number.in_(numbers),
            Site.power_customer_location_number != "",
            Site.status != CANCELLED,
        )
        .group_by(Site.power_customer_location_number)
    )
    return {row[0]: row[1] for row in db.execute(statement)}


def images(db: Session, request: Request) -> list[schemas.ImageItem]:
    """In the order in which they were uploaded."""
    return [schemas.ImageItem(**row) for row in requests.image_rows(db, request)]


def get_image(db: Session, request: Request, image_id: int) -> Image:
    """Raises NotFound."""
    return requests.get_part(db, request, Image, image_id, ABSENT_IMAGE)


def images_of(db: Session, site: Site) -> Sequence[Image]:
    return db.scalars(select(Image).where(Image.site_id == site.id).order_by(Image.id)).all()


def has_comments(db: Session, site: Site) -> bool:
    return db.scalar(select(Comment.id).where(Comment.site_id == site.id).limit(1)) is not None


def pps_name(db: Session, code: str) -> str | None:
    return db.scalar(select(Choice.name).where(Choice.list == rules.LISTS["pps_business_number"], Choice.code == code))
