"""Queries of entered sites. Filters apply to sites; a corporation is listed when any of its sites matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from service.agencies.acquired import schemas
from service.agencies.corporations.models import Corporation
from service.agencies.models import Agency, Request, Site
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.database.paging import Filter, Key, Listing, Page, at_least, before, contains, equals
from service.core.values.times import day_bounds

# The agency id of a user who belongs to no agency and does not see all; it matches no row.
NO_AGENCY = 0
# The most sites of each corporation on a page; the export has all.
SITES = 50


def _name_matches(name: str) -> ColumnElement[bool]:
    """The condition for 法人名 or 店舗名. Corporations are found by a subquery, because they are in another table."""
    corporations = select(Corporation.id).where(contains(Corporation.name).condition(name))
    return or_(Site.corporation_id.in_(corporations), contains(Site.power_branch_name).condition(name))


CONDITIONS: Mapping[str, Filter] = {
    "own": equals(Site.agency_id),
    "agency_id": equals(Site.agency_id),
    "q": Filter(_name_matches, contains().value),
    "since": at_least(Site.entered_at, lambda day: day_bounds(day)[0]),
    "until": before(Site.entered_at, lambda day: day_bounds(day)[1]),
    "requested_by": Filter(
        lambda name: Site.request_id.in_(select(Request.id).where(Request.requested_by == bindparam(name)))
    ),
}


def _parameters(by: Actor, filters: schemas.AcquiredFilters) -> dict[str, Any]:
    """The parameters of the conditions that apply, by name. Sales see only their own agency's sites."""
    own_agency = by.tenant_in(AREA.name)
    if own_agency is None and AREA.name not in by.scopes.whole:
        own_agency = NO_AGENCY
    only_own = own_agency is not None if filters.mine is None else filters.mine
    filter_values = {
        "own": own_agency,
        "agency_id": filters.agency_id,
        "q": filters.q,
        "since": filters.since,
        "until": filters.until,
        "requested_by": by.user_id if only_own else None,
    }
    values = {name: CONDITIONS[name].value(value) for name, value in filter_values.items() if value is not None}
    return {name: value for name, value in values.items() if value is not None}


def _conditions(names: frozenset[str]) -> list[ColumnElement[bool]]:
    return [Site.entered_at.is_not(None), *(CONDITIONS[name].condition(name) for name in sorted(names))]


def _grouped(names: frozenset[str]) -> CTE:
    return (
        select(
            Site.corporation_id,
            func.count().label("sites_count"),
            func.max(Site.entered_at).label("last_entered_at"),
        )
        .where(*_conditions(names))
        .group_by(Site.corporation_id)
        .cte("grouped")
    )


@lru_cache(maxsize=128)
def _listing(names: frozenset[str]) -> Listing:
    """A list for each set of conditions: the conditions apply inside the groups, while filters of a list would apply
    to the groups."""
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
) -> Page[schemas.AcquiredItem]:
    """A page of corporations, the last entered first, each with its newest sites in the same order."""
    values = _parameters(by, filters)
    names = frozenset(values)
    page = _listing(names).read_rows(db, limit, cursor, filters.sort, parameters=values)
    ids = [item["id"] for item in page["items"]]
    sites: dict[int, list[schemas.AcquiredSite]] = {key: [] for key in ids}
    newest = (Site.entered_at.desc(), Site.id.desc())
    rank = func.row_number().over(partition_by=Site.corporation_id, order_by=newest).label("place")
    ranked = _sites().add_columns(rank).where(*_conditions(names), Site.corporation_id.in_(ids)).subquery()
    for row in db.execute(select(ranked).where(ranked.c.place <= SITES).order_by(ranked.c.place), values).mappings():
        sites[row["corporation_id"]].append(schemas.AcquiredSite(**row))
    corporations = _corporations(db, ids)
    items = [
        schemas.AcquiredItem(**item, **corporations[item["id"]], sites=sites[item["id"]]) for item in page["items"]
    ]
    return Page[schemas.AcquiredItem](items=items, total=page["total"], next_cursor=page["next_cursor"])


def _corporations(db: Session, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What a page shows of the corporations besides their sites, by id."""
    rows = db.execute(
        select(Corporation.id, Corporation.name, Corporation.agency_id, Agency.name)
        .join(Agency, Agency.id == Corporation.agency_id)
        .where(Corporation.id.in_(ids))
    )
    return {
        key: {"corporation_name": name, "agency_id": agency_id, "agency_name": agency_name}
        for key, name, agency_id, agency_name in rows
    }


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


def counts(db: Session, by: Actor, filters: schemas.AcquiredFilters) -> schemas.AcquiredCounts:
    values = _parameters(by, filters)
    grouped = _grouped(frozenset(values))
    row = db.execute(
        select(
            func.count().label("corporations"),
            func.coalesce(func.sum(grouped.c.sites_count), 0).label("sites"),
            func.max(grouped.c.last_entered_at).label("last_entered_at"),
        ).select_from(grouped),
        values,
    )
    return schemas.AcquiredCounts(**row.mappings().one())


# As on a statement and on the page: two digits, then groups of four. Numbers of gas stay as they are.
_GROUPS = "^([0-9]{2})" + 5 * "([0-9]{4})" + "$", r"\1-\2-\3-\4-\5-\6"


def acquired_export(by: Actor, filters: schemas.AcquiredFilters) -> Select[*tuple[Any, ...]]:
    """Every matching site, in the order of the page. Raises Invalid for an unknown sort order."""
    values = _parameters(by, filters)
    names = frozenset(values)
    _listing(names).all(filters.sort)
    orders: dict[str, Any] = {
        "last_entered_at": func.max(Site.entered_at).over(partition_by=Site.corporation_id),
        "sites_count": func.count().over(partition_by=Site.corporation_id),
    }
    order = orders[filters.sort.removeprefix("-")]
    descending = filters.sort.startswith("-")
    corporation = Site.corporation_id.desc() if descending else Site.corporation_id.asc()
    return (
        _sites()
        .add_columns(
            Corporation.name.label("corporation_name"),
            Agency.name.label("agency_name"),
            func.regexp_replace(Site.power_customer_location_number, *_GROUPS).label("grouped_number"),
        )
        .join(Corporation, Corporation.id == Site.corporation_id)
        .join(Agency, Agency.id == Site.agency_id)
        .where(*_conditions(names))
        .order_by(order.desc() if descending else order.asc(), corporation, Site.entered_at.desc(), Site.id.desc())
        .params(**values)
    )
