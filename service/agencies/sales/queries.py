"""Queries of requests, for sales."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session

from service.agencies.models import Request
from service.agencies.requests import queries as requests
from service.agencies.requests.models import Image
from service.agencies.requests.queries import READER
from service.agencies.rules import AREA, Service, Status
from service.agencies.sales import schemas
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.database.paging import Filter, Listing, Page, when_true

_unread = requests.unread(READER, deficiencies=True)


_rows = requests.ROWS.add_columns(
    (Request.requested_by == READER).label("is_mine"),
    _unread.label("unread"),
    requests.unread(READER).label("unread_comments"),
)
_filters = {
    **requests.FILTERS,
    "mine": Filter(lambda _: Request.requested_by == READER, lambda value: value or None),
    "unread": when_true(_unread > 0),
}
REQUESTS = Listing(
    _rows,
    model=schemas.RequestItem,
    unique=Request.id,
    keys=requests.KEYS,
    default="-created_at",
    filters=_filters,
    total=requests.total_by(_filters),
)


def listed(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.RequestFilters
) -> Page[schemas.RequestItem]:
    return REQUESTS.read(
        db, limit, cursor, filters.sort, parameters={"reader": by.user_id}, **_filter_values(by, filters)
    )


# By 4.2 a mixture of 投入済 and キャンセル is 対応中, although no work remains.
NOTHING_REMAINING = "done"


def requests_export(by: Actor, filters: schemas.RequestFilters) -> Select[*tuple[Any, ...]]:
    """All requests in the order of the list. Raises Invalid for an unknown sort order."""
    shown_status = case(
        (and_(Request.status == Status.WORKING.value, ~Request.is_open), NOTHING_REMAINING),
        else_=Request.status,
    )
    rows = REQUESTS.all(filters.sort, parameters={"reader": by.user_id}, **_filter_values(by, filters))
    return rows.add_columns(shown_status.label("shown_status"))


def _filter_values(by: Actor, filters: schemas.RequestFilters) -> dict[str, Any]:
    values = filters.model_dump(exclude={"sort"}, exclude_none=True)
    agency = by.tenant_in(AREA.name)
    return {"mine": agency is not None, **values, "tenant": agency}


def _own_requests(by: Actor) -> ColumnElement[bool]:
    return requests.visible_to(by) if by.tenant_in(AREA.name) is None else Request.requested_by == by.user_id


def counts(db: Session, by: Actor) -> schemas.Counts:
    columns: dict[str, ColumnElement[Any]] = {
        status.value: func.count().filter(Request.status == status.value) for status in Status
    }
    # 残りなし is 対応中 by 4.2, but is not counted: no work remains.
    columns[Status.WORKING.value] = func.count().filter(Request.status == Status.WORKING.value, Request.is_open)
    columns["oldest_deficient"] = func.min(Request.updated_at).filter(Request.status == Status.DEFICIENT.value)
    statement = select(*(column.label(name) for name, column in columns.items()))
    totals = db.execute(statement.where(requests.visible_to(by), _own_requests(by))).one()
    unread = requests.unread_request_counts(
        by,
        func.count(Request.id).label("unread"),
        func.count(Request.id).filter(Request.requested_by == by.user_id).label("waiting"),
        deficiencies=True,
    )
    unread_counts = db.execute(unread.where(_own_requests(by))).one()
    return schemas.Counts(as_of=app_now(db), **totals._mapping, **unread_counts._mapping)


def detail(db: Session, by: Actor, request_id: int) -> schemas.RequestDetail:
    """Raises NotFound."""
    request = requests.get_request(db, by, request_id)
    row = db.execute(_rows.where(Request.id == request.id), {"reader": by.user_id}).mappings().one()
    images = select(func.count(Image.id)).where(Image.request_id == request.id)
    return schemas.RequestDetail(
        **row,
        remarks=request.remarks,
        images=db.scalar(images) or 0,
        cancelled_at=request.cancelled_at,
        may_put_right=request.status == Status.DEFICIENT.value,
        may_cancel=request.is_open and may_cancel(by, request),
    )


def may_cancel(by: Actor, request: Request) -> bool:
    """Section 5: sales may cancel only their own requests."""
    return by.tenant_in(AREA.name) is None or request.requested_by == by.user_id


def images(db: Session, request: Request) -> list[schemas.ImageItem]:
    """In the order in which they were uploaded."""
    return [schemas.ImageItem(**row) for row in requests.image_rows(db, request)]


def sites(db: Session, request: Request) -> list[schemas.SiteItem]:
    reasons = {comment.site_id: comment.message for comment in requests.open_deficiencies(db, request)}
    return [
        schemas.SiteItem(
            id=site.id,
            branch_name=site.power_branch_name,
            service_type=Service(site.service_type),
            status=Status(site.status),
            deficiency=reasons.get(site.id, ""),
            entered_at=site.entered_at,
        )
        for site in requests.sites(db, request)
    ]


def find_by_client_id(db: Session, by: Actor, client_id: uuid.UUID) -> int | None:
    """The id of the user's request with this idempotency key."""
    statement = select(Request.id).where(Request.client_id == client_id, requests.visible_to(by))
    if by.tenant_in(AREA.name) is not None:
        statement = statement.where(Request.requested_by == by.user_id)
    return db.scalars(statement.limit(1)).one_or_none()
