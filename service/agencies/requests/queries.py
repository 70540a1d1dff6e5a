"""What the people who work on a request read of it. Every question is cut to the asker's agency first, and row-level
security says the same a second time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, select, true
from sqlalchemy.orm import Session, aliased

from service.agencies import queries as agencies
from service.agencies.corporations.models import Corporation
from service.agencies.models import Agency
from service.agencies.requests.models import Comment, Image, Read, Request, Site, Viewer
from service.agencies.rules import AREA, CommentType, Status
from service.core.auth import Actor
from service.core.identity import Membership, User
from service.core.paging import Filter, Key, at_least, before, contains, equals, when
from service.core.problems import NotFound
from service.core.times import day_bounds

ABSENT = "指定された投入依頼は見つかりません。一覧を開き直してください。"
ABSENT_SITE = "指定された地点は見つかりません。案件を開き直してください。"
# Who said nothing for so long has closed the page.
GONE_AFTER = timedelta(seconds=75)


def seen_by(by: Actor) -> ColumnElement[bool]:
    """Requests that the person may see: of their own agency, or all."""
    return agencies.seen_by(by, Request.agency_id)


def get_request(db: Session, by: Actor, request_id: int, *, lock: bool = False) -> Request:
    """Raises NotFound for one that is absent or another agency's."""
    found = select(Request).where(Request.id == request_id, seen_by(by))
    if lock:
        found = found.with_for_update().execution_options(populate_existing=True)
    request = db.scalars(found).one_or_none()
    if request is None:
        raise NotFound(ABSENT)
    return request


def get_site(db: Session, request: Request, site_id: int) -> Site:
    """Its row is safe once the request is locked: whoever changes a site locks the request first."""
    found = select(Site).where(Site.id == site_id, Site.request_id == request.id)
    site = db.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if site is None:
        raise NotFound(ABSENT_SITE)
    return site


def sites(db: Session, request: Request) -> Sequence[Site]:
    return db.scalars(
        select(Site).where(Site.request_id == request.id).order_by(Site.id).execution_options(populate_existing=True)
    ).all()


def images(db: Session, request: Request) -> Sequence[Image]:
    return db.scalars(select(Image).where(Image.request_id == request.id).order_by(Image.id)).all()


def site_names(db: Session, request: Request) -> dict[int, str]:
    """By id, as those who sell read them."""
    return {site.id: site.power_branch_name or f"地点{place}" for place, site in enumerate(sites(db, request), 1)}


def statuses(sites: Iterable[Site]) -> list[Status]:
    return [Status(site.status) for site in sites]


def open_deficiencies(db: Session, request: Request, site: Site | None = None) -> Sequence[Comment]:
    """Those of the request itself and of its sites, or of one site; the oldest first."""
    found = select(Comment).where(
        Comment.request_id == request.id,
        Comment.type == CommentType.DEFICIENCY.value,
        Comment.resolved_at.is_(None),
    )
    if site is not None:
        found = found.where(Comment.site_id == site.id)
    return db.scalars(found.order_by(Comment.id)).all()


def is_sales_of(db: Session, user_id: int, agency_id: int) -> bool:
    """Whether the person sells for the agency, which is in use."""
    bound = (
        Membership.user_id == user_id,
        Membership.area == AREA.name,
        Membership.tenant_id == agency_id,
        ~Membership.is_suspended,
        User.is_active,
        Agency.archived_at.is_(None),
    )
    found = select(Membership.id).join(User, User.id == Membership.user_id)
    return db.scalar(found.join(Agency, Agency.id == Membership.tenant_id).where(*bound)) is not None


def comments(db: Session, by: Actor, request: Request) -> list[dict[str, Any]]:
    """All that was said, the newest first. `is_unread`: by somebody else, after what the reader has read; `is_open`: a
    不備通知 that nobody has put right."""
    mark = select(Read.comment_id).where(Read.request_id == request.id, Read.user_id == by.user_id)
    read = db.scalar(mark) or 0
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
        {
            **one,
            "site_name": names.get(one["site_id"], ""),
            "is_open": one["type"] == CommentType.DEFICIENCY.value and one["resolved_at"] is None,
            "is_unread": one["id"] > read and one["author_id"] != by.user_id,
        }
        for one in rows.mappings()
    ]


def unread(reader: ColumnElement[Any] | int, *, deficiencies: bool = False) -> ColumnElement[int]:
    """How many comments of others on a request the reader has not read yet, of rows of Request."""
    read = aliased(Read)
    mark = (
        select(read.comment_id)
        .where(read.request_id == Request.id, read.user_id == reader)
        .correlate(Request)
        .scalar_subquery()
    )
    told = and_(Comment.request_id == Request.id, Comment.author_id != reader, Comment.id > func.coalesce(mark, 0))
    if deficiencies:
        told = and_(told, Comment.type == CommentType.DEFICIENCY.value)
    return select(func.count(Comment.id)).where(told).correlate(Request).scalar_subquery()


def counted_unread(by: Actor, *counts: ColumnElement[int], deficiencies: bool = False) -> Select[*tuple[Any, ...]]:
    """Counts of requests for which `unread` is not 0. They are found by what was said, of which there is much less than
    there are requests."""
    found = (
        select(Comment.request_id)
        .outerjoin(Read, and_(Read.request_id == Comment.request_id, Read.user_id == by.user_id))
        .where(Comment.author_id != by.user_id, Comment.id > func.coalesce(Read.comment_id, 0))
    )
    if deficiencies:
        found = found.where(Comment.type == CommentType.DEFICIENCY.value)
    return select(*counts).where(Request.id.in_(found), seen_by(by))


def viewers(db: Session, by: Actor, request: Request) -> list[str]:
    """Names of those who have it open just now, the asker left out."""
    return list(
        db.scalars(
            select(User.name)
            .join(Viewer, Viewer.user_id == User.id)
            .where(
                Viewer.request_id == request.id, Viewer.user_id != by.user_id, Viewer.seen_at > func.now() - GONE_AFTER
            )
            .order_by(User.name)
        )
    )


def get_corporation_of(db: Session, request: Request) -> Corporation:
    return db.get_one(Corporation, request.corporation_id)


READER: ColumnElement[int] = bindparam("reader", type_=BigInteger)
_Sales = aliased(User)


def number_of_sites(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """Of rows of Request."""
    found = select(func.count(Site.id)).where(Site.request_id == Request.id, *conditions)
    return found.correlate(Request).scalar_subquery()


# What every list of requests says of one, for the `READER`.
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
# `tenant` is the asker's own agency.
FILTERS: Mapping[str, Filter] = {
    "tenant": equals(Request.agency_id),
    "status": equals(Request.status),
    "open": when(Request.is_open == true()),
    "q": contains(Corporation.name, Corporation.kana),
    "agency_id": equals(Request.agency_id),
    "since": at_least(Request.created_at, lambda day: day_bounds(day)[0]),
    "until": before(Request.created_at, lambda day: day_bounds(day)[1]),
}


def total_by(filters: Mapping[str, Filter]) -> Callable[[frozenset[str]], Select[int] | None]:
    """For a `Listing` of `ROWS`: each request has a corporation, an agency and a sales person, so that nothing has to
    be joined to count those that are cut by what is their own."""

    def total(names: frozenset[str]) -> Select[int] | None:
        if "q" in names:
            return None
        return select(func.count(Request.id)).where(*(filters[name].condition(name) for name in sorted(names)))

    return total
