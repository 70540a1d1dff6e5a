"""Every read of requests for those who sell."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from service.agencies.requests import queries as requests
from service.agencies.requests.models import Image, Request
from service.agencies.requests.queries import READER
from service.agencies.rules import AREA, Status
from service.agencies.sales import schemas
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.files.records import File
from service.core.paging import Filter, Listing, when

_unread = requests.unread(READER, deficiencies=True)


_rows = requests.ROWS.add_columns(
    (Request.requested_by == READER).label("is_mine"),
    _unread.label("unread"),
    requests.unread(READER).label("unread_comments"),
)
_filters = {
    **requests.FILTERS,
    "mine": Filter(lambda _: Request.requested_by == READER, lambda given: given or None),
    "unread": when(_unread > 0),
}
REQUESTS = Listing(
    _rows,
    unique=Request.id,
    keys=requests.KEYS,
    default="-created_at",
    filters=_filters,
    total=requests.total_by(_filters),
)


def listed(db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.RequestFilters) -> dict[str, Any]:
    return REQUESTS.page(db, limit, cursor, filters.sort, asked={"reader": by.user_id}, **_cut(by, filters))


def to_take_along(by: Actor, filters: schemas.RequestFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    return REQUESTS.all(filters.sort, asked={"reader": by.user_id}, **_cut(by, filters))


def _cut(by: Actor, filters: schemas.RequestFilters) -> dict[str, Any]:
    given = filters.model_dump(exclude={"sort"}, exclude_none=True)
    agency = by.tenant_in(AREA.name)
    return {"mine": agency is not None, **given, "tenant": agency}


def _ours(by: Actor) -> ColumnElement[bool]:
    return requests.seen_by(by) if by.tenant_in(AREA.name) is None else Request.requested_by == by.user_id


def counts(db: Session, by: Actor) -> dict[str, Any]:
    wanted: dict[str, ColumnElement[Any]] = {
        status.value: func.count().filter(Request.status == status.value) for status in Status
    }
    # 残りなし is 対応中 by 4.2, and nobody works on it.
    wanted[Status.WORKING.value] = func.count().filter(Request.status == Status.WORKING.value, Request.is_open)
    wanted["oldest_deficient"] = func.min(Request.updated_at).filter(Request.status == Status.DEFICIENT.value)
    found = select(*(column.label(name) for name, column in wanted.items()))
    row = db.execute(found.where(requests.seen_by(by), _ours(by))).one()
    unread = requests.counted_unread(
        by,
        func.count(Request.id).label("unread"),
        func.count(Request.id).filter(Request.requested_by == by.user_id).label("waiting"),
        deficiencies=True,
    )
    told = db.execute(unread.where(_ours(by))).one()
    return {"as_of": app_now(db), **row._mapping, **told._mapping}


def detail(db: Session, by: Actor, request_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    request = requests.get_request(db, by, request_id)
    row = db.execute(_rows.where(Request.id == request.id), {"reader": by.user_id}).mappings().one()
    images = select(func.count(Image.id)).where(Image.request_id == request.id)
    return {
        **row,
        "remarks": request.remarks,
        "images": db.scalar(images) or 0,
        "cancelled_at": request.cancelled_at,
        "may_put_right": request.status == Status.DEFICIENT.value,
        "may_cancel": request.is_open and may_cancel(by, request),
    }


def may_cancel(by: Actor, request: Request) -> bool:
    """5: sales their own ones only."""
    return by.tenant_in(AREA.name) is None or request.requested_by == by.user_id


def images(db: Session, request: Request) -> list[dict[str, Any]]:
    """In the order in which they were sent."""
    rows = db.execute(
        select(
            Image.id,
            Image.file_id,
            Image.file_name,
            File.content_type,
            File.size,
            Image.site_id,
            Image.uploaded_at,
        )
        .join(File, File.id == Image.file_id)
        .where(Image.request_id == request.id)
        .order_by(Image.id)
    )
    return [dict(row) for row in rows.mappings()]


def sites(db: Session, request: Request) -> list[dict[str, Any]]:
    wrong = {one.site_id: one.message for one in requests.open_deficiencies(db, request)}
    return [
        {
            "id": site.id,
            "branch_name": site.power_branch_name,
            "service_type": site.service_type,
            "status": site.status,
            "deficiency": wrong.get(site.id, ""),
            "entered_at": site.entered_at,
        }
        for site in requests.sites(db, request)
    ]


def sent_before(db: Session, by: Actor, client_id: uuid.UUID) -> int | None:
    """The request that was sent under this id."""
    found = select(Request.id).where(Request.client_id == client_id, requests.seen_by(by))
    if by.tenant_in(AREA.name) is not None:
        found = found.where(Request.requested_by == by.user_id)
    return db.scalars(found.limit(1)).one_or_none()
