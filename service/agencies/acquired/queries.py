"""Reads of what was entered. Whatever is asked for cuts the sites; a corporation stands there while one is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from service.agencies.acquired import schemas
from service.agencies.corporations.models import Corporation
from service.agencies.models import Agency
from service.agencies.requests.models import Request, Site
from service.agencies.rules import AREA
from service.core.auth import Actor
from service.core.paging import Filter, Key, Listing, at_least, before, contains, equals
from service.core.times import day_bounds

# Of somebody who belongs to no agency and does not see all of them.
NOBODYS = 0
# Of each corporation on a page; the export has all of them.
SITES = 50


def _named(name: str) -> ColumnElement[bool]:
    """法人名 or 店舗名. The corporations are found first: theirs is another table."""
    corporations = select(Corporation.id).where(contains(Corporation.name).condition(name))
    return or_(Site.corporation_id.in_(corporations), contains(Site.power_branch_name).condition(name))


CONDITIONS: Mapping[str, Filter] = {
    "own": equals(Site.agency_id),
    "agency_id": equals(Site.agency_id),
    "q": Filter(_named, contains().value),
    "since": at_least(Site.entered_at, lambda day: day_bounds(day)[0]),
    "until": before(Site.entered_at, lambda day: day_bounds(day)[1]),
    "requested_by": Filter(
        lambda name: Site.request_id.in_(select(Request.id).where(Request.requested_by == bindparam(name)))
    ),
}


def asked(by: Actor, filters: schemas.AcquiredFilters) -> dict[str, Any]:
    """Parameters of the conditions that hold, by their names. Sales see their own agency's and no other's."""
    own = by.tenant_in(AREA.name)
    if own is None and AREA.name not in by.scopes.whole:
        own = NOBODYS
    mine = own is not None if filters.mine is None else filters.mine
    given = {
        "own": own,
        "agency_id": filters.agency_id,
        "q": filters.q,
        "since": filters.since,
        "until": filters.until,
        "requested_by": by.user_id if mine else None,
    }
    values = {name: CONDITIONS[name].value(value) for name, value in given.items() if value is not None}
    return {name: value for name, value in values.items() if value is not None}


def _wanted(names: frozenset[str]) -> list[ColumnElement[bool]]:
    return [Site.entered_at.is_not(None), *(CONDITIONS[name].condition(name) for name in sorted(names))]


def _grouped(names: frozenset[str]) -> CTE:
    return (
        select(
            Site.corporation_id,
            func.count().label("sites_count"),
            func.max(Site.entered_at).label("last_entered_at"),
        )
        .where(*_wanted(names))
        .group_by(Site.corporation_id)
        .cte("grouped")
    )


@lru_cache(maxsize=128)
def _listing(names: frozenset[str]) -> Listing:
    """One for each set of conditions: they stand inside the groups, where a filter of the list would be outside."""
    grouped = _grouped(names)
    corporation: Any = grouped.c.corporation_id
    return Listing(
        select(corporation.label("id"), grouped.c.sites_count, grouped.c.last_entered_at),
        unique=corporation,
        keys={
            "last_entered_at": Key(grouped.c.last_entered_at),
            "sites_count": Key(grouped.c.sites_count),
        },
        default="-last_entered_at",
        total=lambda _: select(func.count()).select_from(grouped),
    )


def acquired(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.AcquiredFilters
) -> dict[str, Any]:
    """A page of corporations, what was entered last first, each with the newest of its sites in that order."""
    values = asked(by, filters)
    names = frozenset(values)
    page = _listing(names).page(db, limit, cursor, filters.sort, asked=values)
    ids = [item["id"] for item in page["items"]]
    sites: dict[int, list[dict[str, Any]]] = {key: [] for key in ids}
    newest = (Site.entered_at.desc(), Site.id.desc())
    place = func.row_number().over(partition_by=Site.corporation_id, order_by=newest).label("place")
    found = _sites().add_columns(place).where(*_wanted(names), Site.corporation_id.in_(ids)).subquery()
    for row in db.execute(select(found).where(found.c.place <= SITES).order_by(found.c.place), values).mappings():
        sites[row["corporation_id"]].append(dict(row))
    named = _named_corporations(db, ids)
    return page | {"items": [item | named[item["id"]] | {"sites": sites[item["id"]]} for item in page["items"]]}


def _named_corporations(db: Session, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = db.execute(
        select(
            Corporation.id,
            Corporation.name.label("corporation_name"),
            Corporation.agency_id,
            Agency.name.label("agency_name"),
        )
        .join(Agency, Agency.id == Corporation.agency_id)
        .where(Corporation.id.in_(ids))
    )
    return {row["id"]: dict(row) for row in rows.mappings()}


def _sites() -> Select[*tuple[Any, ...]]:
    return select(
        Site.id,
        Site.corporation_id,
        Site.request_id,
        Site.power_branch_name.label("branch_name"),
        Site.service_type,
        Site.status,
        Site.power_plan_name,
        Site.power_customer_location_number.label("location_number"),
        Site.entered_at,
    )


def counts(db: Session, by: Actor, filters: schemas.AcquiredFilters) -> dict[str, Any]:
    values = asked(by, filters)
    grouped = _grouped(frozenset(values))
    row = db.execute(
        select(
            func.count().label("corporations"),
            func.coalesce(func.sum(grouped.c.sites_count), 0).label("sites"),
            func.max(grouped.c.last_entered_at).label("last_entered_at"),
        ).select_from(grouped),
        values,
    )
    return dict(row.mappings().one())


def all_sites(by: Actor, filters: schemas.AcquiredFilters) -> Select[*tuple[Any, ...]]:
    """Every site of the groups, in the order of the page. Raises Invalid for an order that is none of ours."""
    values = asked(by, filters)
    names = frozenset(values)
    _listing(names).all(filters.sort)
    orders: dict[str, Any] = {
        "last_entered_at": func.max(Site.entered_at).over(partition_by=Site.corporation_id),
        "sites_count": func.count().over(partition_by=Site.corporation_id),
    }
    order = orders[filters.sort.removeprefix("-")]
    turned = filters.sort.startswith("-")
    corporation = Site.corporation_id.desc() if turned else Site.corporation_id.asc()
    return (
        _sites()
        .add_columns(Corporation.name.label("corporation_name"), Agency.name.label("agency_name"))
        .join(Corporation, Corporation.id == Site.corporation_id)
        .join(Agency, Agency.id == Site.agency_id)
        .where(*_wanted(names))
        .order_by(order.desc() if turned else order.asc(), corporation, Site.entered_at.desc(), Site.id.desc())
        .params(**values)
    )
