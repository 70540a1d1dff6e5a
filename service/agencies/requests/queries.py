"""Queries of requests that sales and operators share. Each is filtered by the user's agency, and row-level security
enforces the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import BigInteger, ColumnElement, RowMapping, Select, and_, bindparam, func, select, true
from sqlalchemy.orm import Session, aliased

from service.agencies import queries as agencies
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.queries import SOUGHT
from service.agencies.models import Agency, Request, Site
from service.agencies.requests.models import Comment, Image, Read, Viewer
from service.agencies.requests.schemas import CommentItem
from service.agencies.rules import AREA, CommentType, Status
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.database.paging import Filter, Key, at_least, before, equals, when_true
from service.core.files.records import File
from service.core.problems import NotFound
from service.core.values.times import day_bounds

ABSENT = "指定された投入依頼は見つかりません。一覧を開き直してください。"
ABSENT_SITE = "指定された地点は見つかりません。案件を開き直してください。"
# A viewer whose page has not polled for so long has closed it.
VIEWER_TIMEOUT = timedelta(seconds=75)


def visible_to(by: Actor) -> ColumnElement[bool]:
    """The condition for requests that the user may see: of the own agency, or all."""
    return agencies.visible_to(by, Request.agency_id)


def get_request(db: Session, by: Actor, request_id: int, *, lock: bool = False) -> Request:
    """Raises NotFound when it does not exist or belongs to another agency."""
    return agencies.get_visible(db, by, Request, request_id, ABSENT, lock=lock)


class _Part(Protocol):
    id: Any
    request_id: Any


Part = TypeVar("Part", bound=_Part)


def get_part(db: Session, request: Request, model: type[Part], key: int, absent: str) -> Part:
    """A site, an image or a reading of the request; it is protected by the request's lock, because every change of one
    locks the request first. Raises NotFound with the message `absent`, also for one of another request."""
    statement = select(model).where(model.id == key, model.request_id == request.id)
    part = db.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if part is None:
        raise NotFound(absent)
    return part


def get_site(db: Session, request: Request, site_id: int) -> Site:
    """Raises NotFound."""
    return get_part(db, request, Site, site_id, ABSENT_SITE)


def sites(db: Session, request: Request) -> Sequence[Site]:
    return db.scalars(
        select(Site).where(Site.request_id == request.id).order_by(Site.id).execution_options(populate_existing=True)
    ).all()


def images(db: Session, request: Request) -> Sequence[Image]:
    return db.scalars(select(Image).where(Image.request_id == request.id).order_by(Image.id)).all()


def image_rows(db: Session, request: Request) -> Sequence[RowMapping]:
    """The images with their files, in the order in which they were uploaded."""
    rows = select(
        Image.id,
        Image.site_id,
        Image.file_id,
        Image.file_name,
        File.content_type,
        File.size,
        File.width,
        File.height,
        Image.uploaded_at,
    ).join(File, File.id == Image.file_id)
    return db.execute(rows.where(Image.request_id == request.id).order_by(Image.id)).mappings().all()


def site_names(db: Session, request: Request) -> dict[int, str]:
    """The names of the sites by id, as sales see them."""
    return {site.id: site.power_branch_name or f"地点{number}" for number, site in enumerate(sites(db, request), 1)}


def statuses(sites: Iterable[Site]) -> list[Status]:
    return [Status(site.status) for site in sites]


def open_deficiencies(db: Session, request: Request, site: Site | None = None) -> Sequence[Comment]:
    """Open deficiencies of the request and its sites, or of one site; the oldest first."""
    statement = select(Comment).where(
        Comment.request_id == request.id,
        Comment.type == CommentType.DEFICIENCY.value,
        Comment.resolved_at.is_(None),
    )
    if site is not None:
        statement = statement.where(Comment.site_id == site.id)
    return db.scalars(statement.order_by(Comment.id)).all()


def is_sales_of(db: Session, user_id: int, agency_id: int) -> bool:
    """Whether the user is an active sales user of the agency, and the agency is active."""
    conditions = (
        Membership.user_id == user_id,
        Membership.area == AREA.name,
        Membership.tenant_id == agency_id,
        ~Membership.is_suspended,
        User.is_active,
        Agency.archived_at.is_(None),
    )
    statement = select(Membership.id).join(User, User.id == Membership.user_id)
    return db.scalar(statement.join(Agency, Agency.id == Membership.tenant_id).where(*conditions)) is not None


def comments(db: Session, by: Actor, request: Request) -> list[CommentItem]:
    """All comments, the newest first. `is_unread`: by another user, after the reader's read mark; `is_open`: an
    unresolved 不備通知."""
    read_mark = select(Read.comment_id).where(Read.request_id == request.id, Read.user_id == by.user_id)
    last_read = db.scalar(read_mark) or 0
    names = site_names(db, request)
    rows = db.execute(
        select(
            Comment.id,
            Comment.site_id,
            Comment.type,
            Comment.message,
            Comment.author_id,
            User.name.label("author_name"),
            Comment.created_at,
            Comment.resolved_at,
        )
        .join(User, User.id == Comment.author_id)
        .where(Comment.request_id == request.id)
        .order_by(Comment.id.desc())
    )
    return [
        CommentItem(
            **comment._mapping,
            site_name=names.get(comment.site_id, ""),
            is_open=comment.type == CommentType.DEFICIENCY.value and comment.resolved_at is None,
            is_unread=comment.id > last_read and comment.author_id != by.user_id,
        )
        for comment in rows
    ]


def unread(reader: ColumnElement[Any] | int, *, deficiencies: bool = False) -> ColumnElement[int]:
    """A column for rows of Request: how many comments of others the reader has not read yet."""
    read = aliased(Read)
    last_read = (
        select(read.comment_id)
        .where(read.request_id == Request.id, read.user_id == reader)
        .correlate(Request)
        .scalar_subquery()
    )
    conditions = and_(
        Comment.request_id == Request.id, Comment.author_id != reader, Comment.id > func.coalesce(last_read, 0)
    )
    if deficiencies:
        conditions = and_(conditions, Comment.type == CommentType.DEFICIENCY.value)
    return select(func.count(Comment.id)).where(conditions).correlate(Request).scalar_subquery()


def unread_request_counts(
    by: Actor, *counts: ColumnElement[int], deficiencies: bool = False
) -> Select[*tuple[Any, ...]]:
    """Counts of requests for which `unread` is not 0. The requests are found by unread comments, which are far fewer
    than requests."""
    unread_requests = (
        select(Comment.request_id)
        .outerjoin(Read, and_(Read.request_id == Comment.request_id, Read.user_id == by.user_id))
        .where(Comment.author_id != by.user_id, Comment.id > func.coalesce(Read.comment_id, 0))
    )
    if deficiencies:
        unread_requests = unread_requests.where(Comment.type == CommentType.DEFICIENCY.value)
    return select(*counts).where(Request.id.in_(unread_requests), visible_to(by))


def viewers(db: Session, by: Actor, request: Request) -> list[str]:
    """The names of the other users who have the request open now."""
    return list(
        db.scalars(
            select(User.name)
            .join(Viewer, Viewer.user_id == User.id)
            .where(
                Viewer.request_id == request.id,
                Viewer.user_id != by.user_id,
                Viewer.seen_at > func.now() - VIEWER_TIMEOUT,
            )
            .order_by(User.name)
        )
    )


def get_corporation(db: Session, request: Request) -> Corporation:
    return db.get_one(Corporation, request.corporation_id)


READER: ColumnElement[int] = bindparam("reader", type_=BigInteger)
_Sales = aliased(User)


def number_of_sites(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """A column for rows of Request: how many of its sites match the conditions."""
    statement = select(func.count(Site.id)).where(Site.request_id == Request.id, *conditions)
    return statement.correlate(Request).scalar_subquery()


# The columns of every list of requests; `READER` is the user who reads it.
ROWS = (
    select(
        Request.id,
        Request.version,
        Request.status,
        Request.is_open,
        Request.corporation_id,
        Corporation.name.label("corporation_name"),
        Request.agency_id,
        Agency.name.label("agency_name"),
        number_of_sites(Site.status == Status.ENTERED.value).label("entered_sites"),
        number_of_sites(Site.status != Status.CANCELLED.value).label("sites"),
        Request.site_count,
        Request.requested_by.label("requested_by_id"),
        _Sales.name.label("requested_by_name"),
        Request.created_at,
        Request.updated_at,
    )
    .join(Corporation, Corporation.id == Request.corporation_id)
    .join(Agency, Agency.id == Request.agency_id)
    .join(_Sales, _Sales.id == Request.requested_by)
)
KEYS: Mapping[str, Key] = {
    "created_at": Key(Request.created_at),
    "updated_at": Key(Request.updated_at),
    "corporation": Key(Corporation.reading),
    "id": Key(Request.id),
}
# `tenant` is the user's own agency.
FILTERS: Mapping[str, Filter] = {
    "tenant": equals(Request.agency_id),
    "status": equals(Request.status),
    "open": when_true(Request.is_open == true()),
    "q": SOUGHT,
    "agency_id": equals(Request.agency_id),
    "since": at_least(Request.created_at, lambda day: day_bounds(day)[0]),
    "until": before(Request.created_at, lambda day: day_bounds(day)[1]),
}


def total_by(filters: Mapping[str, Filter]) -> Callable[[frozenset[str]], Select[int] | None]:
    """The total of a `Listing` of `ROWS`: each request has a corporation, an agency and a sales user, so that requests
    can be counted without joins when only columns of Request filter them."""

    def total(filter_names: frozenset[str]) -> Select[int] | None:
        if "q" in filter_names:
            return None
        return select(func.count(Request.id)).where(*(filters[name].condition(name) for name in sorted(filter_names)))

    return total
