"""Queries of the figures. Only users who see all agencies may read them; row-level security enforces the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.figures import rules, schemas
from service.agencies.figures.rules import Cancelled
from service.agencies.models import Agency, Request, Site
from service.agencies.rules import Status
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, equals
from service.core.problems import Invalid
from service.core.values.times import day_bounds, local_date, month_of

OLDEST_SHOWN = 5
NUMBERS = ("requests", "deficient", "working", "entered", "cancelled", "acquired_sites")


def _timestamp(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=TIMESTAMP(timezone=True))


def _count_of_status(status: Status) -> ColumnElement[int]:
    return func.count().filter(Request.status == status.value)


def _requested() -> CTE:
    return (
        select(
            Request.agency_id,
            func.count().label("requests"),
            *(_count_of_status(status).label(status.value) for status in Status),
        )
        .where(
            Request.created_at >= _timestamp("first"),
            Request.created_at < _timestamp("last"),
            or_(
                bindparam("cancelled", type_=String) == Cancelled.INCLUDED.value,
                Request.status != Status.CANCELLED.value,
            ),
        )
        .group_by(Request.agency_id)
        .cte("requested")
    )


def _acquired() -> CTE:
    return (
        select(Site.agency_id, func.count().label("acquired_sites"))
        .where(Site.entered_at >= _timestamp("first"), Site.entered_at < _timestamp("last"))
        .group_by(Site.agency_id)
        .cte("got")
    )


def _or_zero(column: ColumnElement[int], name: str) -> ColumnElement[int]:
    return func.coalesce(column, 0).label(name)


REQUESTED, ACQUIRED = _requested(), _acquired()
_REQUESTS: ColumnElement[int] = func.coalesce(REQUESTED.c.requests, 0)
_SITES: ColumnElement[int] = func.coalesce(ACQUIRED.c.acquired_sites, 0)
# As `rules.rate`.
_RATE: ColumnElement[int] = cast(
    (REQUESTED.c.deficient * 200 + REQUESTED.c.requests) // (REQUESTED.c.requests * 2), Integer
)
FIGURES = Listing(
    select(
        Agency.id,
        Agency.name,
        Agency.code,
        Agency.archived_at.is_(None).label("is_active"),
        _REQUESTS.label("requests"),
        *(_or_zero(REQUESTED.c[status.value], status.value) for status in Status),
        _SITES.label("acquired_sites"),
        _RATE.label("rate"),
    )
    .outerjoin(REQUESTED, REQUESTED.c.agency_id == Agency.id)
    .outerjoin(ACQUIRED, ACQUIRED.c.agency_id == Agency.id)
    # An agency that is 無効 is shown when it has numbers.
    .where(or_(Agency.archived_at.is_(None), _REQUESTS > 0, _SITES > 0)),
    model=schemas.Figure,
    unique=Agency.id,
    keys={
        "name": Key(Agency.name),
        "requests": Key(_REQUESTS),
        "acquired_sites": Key(_SITES),
        "rate": Key(_RATE, nullable=True),
    },
    default="-requests",
    filters={"agency_id": equals(Agency.id)},
)


def _parameters(filters: schemas.PeriodFilters) -> dict[str, Any]:
    first, last = rules.period(filters.month, filters.since, filters.until)
    return {"first": first, "last": last, "cancelled": filters.cancelled.value}


def figures(db: Session, limit: int, cursor: str | None, filters: schemas.FigureFilters) -> schemas.FiguresPage:
    """3.6: a page of agencies, and the sum of all agencies."""
    page = FIGURES.read(db, limit, cursor, filters.sort, parameters=_parameters(filters), agency_id=filters.agency_id)
    if page.total <= len(page.items):
        whole = {name: sum(getattr(item, name) for item in page.items) for name in NUMBERS}
    else:
        whole = _whole(db, filters)
    rate = rules.rate(whole["deficient"], whole["requests"])
    return schemas.FiguresPage(**dict(page), whole=schemas.Numbers(**whole, rate=rate), as_of=app_now(db))


def _whole(db: Session, filters: schemas.FigureFilters) -> dict[str, int]:
    """The sum of all agencies, when one page does not have all of them."""
    rows = (
        FIGURES.all(filters.sort, parameters=_parameters(filters), agency_id=filters.agency_id)
        .order_by(None)
        .subquery()
    )
    sums = select(*(cast(func.coalesce(func.sum(rows.c[name]), 0), Integer).label(name) for name in NUMBERS))
    return dict(db.execute(sums).mappings().one())


def figures_export(filters: schemas.FigureFilters) -> Select[*tuple[Any, ...]]:
    statement = FIGURES.all(filters.sort, parameters=_parameters(filters), agency_id=filters.agency_id)
    shown_rate = case((_RATE.is_(None), ""), else_=func.concat(_RATE, "%"))
    return statement.add_columns(shown_rate.label("shown_rate"))


def series(db: Session, filters: schemas.SeriesFilters) -> schemas.Series:
    """Raises Invalid when the period has more points than a chart shows."""
    until = filters.until or max(local_date(app_now(db)), filters.since or local_date(app_now(db)))
    since = filters.since or rules.default_since(filters.by, until)
    limit = rules.MAX_POINTS[filters.by.value]
    if rules.count_points(filters.by, since, until) > limit:
        unit = "か月" if filters.by is rules.By.MONTH else "日間"
        raise Invalid("期間が長すぎます。", [("since", f"{limit}{unit}までの期間を指定してください。")])
    points = rules.points(filters.by, since, until)
    return schemas.Series(points=_count_points(db, points, filters.agency_id) if points else [])


def _count_points(
    db: Session, points: list[tuple[Any, datetime, datetime]], agency_id: int | None = None
) -> list[schemas.Point]:
    """Requests and acquired sites of each point. Each count is a range of an index; the bounds are parameters, so that
    the database needs no calendar."""
    days, firsts, lasts = (list(column) for column in zip(*points, strict=True))
    timestamps = ARRAY(TIMESTAMP(timezone=True))
    periods = (
        func.unnest(cast(days, ARRAY(Date)), cast(firsts, timestamps), cast(lasts, timestamps))
        .table_valued("day", "first", "last")
        .render_derived("points")
    )
    requested = select(func.count()).where(Request.created_at >= periods.c.first, Request.created_at < periods.c.last)
    acquired = select(func.count()).where(Site.entered_at >= periods.c.first, Site.entered_at < periods.c.last)
    if agency_id is not None:
        requested, acquired = (
            requested.where(Request.agency_id == agency_id),
            acquired.where(Site.agency_id == agency_id),
        )
    rows = db.execute(
        select(
            periods.c.day.label("first"),
            requested.select_from(Request).correlate(periods).scalar_subquery().label("requests"),
            acquired.select_from(Site).correlate(periods).scalar_subquery().label("acquired_sites"),
        ).order_by(periods.c.first)
    )
    return [schemas.Point(**row) for row in rows.mappings()]


def dashboard(db: Session) -> schemas.Dashboard:
    now = app_now(db)
    today = local_date(now)
    periods = {
        "today": day_bounds(today),
        "month": month_of(now).bounds(),
        "before": rules.previous_month_so_far(now),
    }
    points = {name: _count_points(db, [(today, *bounds)])[0] for name, bounds in periods.items()}
    counts = {name: schemas.Period.model_validate(point, from_attributes=True) for name, point in points.items()}
    working = Request.status == Status.WORKING.value
    open_counts = db.execute(
        select(
            func.count().filter(Request.status == Status.DEFICIENT.value).label("deficient"),
            func.count().filter(working).label("working"),
            func.count().filter(working, Request.claimed_by.is_(None)).label("unclaimed"),
        ).where(Request.is_open)
    )
    return schemas.Dashboard(as_of=now, **open_counts.mappings().one(), oldest=_oldest_open(db), **counts)


def _oldest_open(db: Session) -> list[schemas.Waiting]:
    rows = db.execute(
        select(
            Request.id,
            Corporation.name.label("corporation_name"),
            Agency.name.label("agency_name"),
            Request.status,
            User.name.label("claimed_by_name"),
            Request.created_at,
        )
        .join(Corporation, Corporation.id == Request.corporation_id)
        .join(Agency, Agency.id == Request.agency_id)
        .outerjoin(User, User.id == Request.claimed_by)
        .where(Request.is_open)
        .order_by(Request.created_at, Request.id)
        .limit(OLDEST_SHOWN)
    )
    return [schemas.Waiting(**row) for row in rows.mappings()]
