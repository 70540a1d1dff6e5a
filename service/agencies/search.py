"""What 探す finds of 申込投入: within the own agency, where a role is bound to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.agencies import queries
from service.agencies.cases import queries as cases
from service.agencies.corporations import queries as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.models import Request, Site
from service.agencies.rules import AREA, Service, Status
from service.agencies.sales import queries as sales
from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, equals
from service.core.search.sources import Hit, Related, Row, Source, State, address, detail

OPERATORS = "agencies:case:read"
# Sites have no list of their own: these are the sites of the requests that the user may see.
SITES = Listing(
    select(
        Site.id,
        Site.request_id,
        Site.status,
        Site.service_type,
        Site.power_branch_name,
        Site.power_customer_location_number,
        Corporation.name.label("corporation_name"),
    ).join(Corporation, Corporation.id == Site.corporation_id),
    unique=Site.id,
    keys={"id": Key(Site.id)},
    default="id",
    filters={"tenant": equals(Site.agency_id)},
)


def _own_agency(by: Actor) -> Mapping[str, Any]:
    return {"tenant": by.tenant_in(AREA.name)}


def _reader(_: Session, by: Actor) -> Mapping[str, Any]:
    return {"reader": by.user_id}


def _request_page(by: Actor, request_id: int) -> str:
    return address("/case" if OPERATORS in by.permissions else "/request", {"id": request_id})


def _state(code: str) -> State:
    return State(code, Status(code).label)


def _request(by: Actor, row: Row) -> Hit:
    done = row["status"] == Status.WORKING and not row["is_open"]
    return Hit(
        f"依頼ID {row['id']}　{row['corporation_name']}",
        detail(f"{max(row['sites'], row['site_count'])}地点", row["agency_name"], row["requested_by_name"]),
        _request_page(by, row["id"]),
        # By 4.2 it is 対応中, although no work remains.
        State("done", "残りなし") if done else _state(row["status"]),
    )


def _site(by: Actor, row: Row) -> Hit:
    name = row["power_branch_name"] or f"地点（依頼ID {row['request_id']}）"
    number = row["power_customer_location_number"]
    service = Service(row["service_type"]).label
    return Hit(
        name,
        detail(row["corporation_name"], service, number and _printed(number)),
        _request_page(by, row["request_id"]),
        _state(row["status"]),
    )


def _printed(number: str) -> str:
    """供給地点特定番号 as on a statement. Numbers of gas stay as they are."""
    groups = [number[:2], *(number[start : start + 4] for start in range(2, 22, 4))]
    return "-".join(groups) if len(number) == 22 else number


def _corporation(_: Actor, row: Row) -> Hit:
    return Hit(
        row["name"],
        detail(row["kana"], row["phone1"], f"{row['prefecture']}{row['city']}", row["agency_name"]),
        address("/corporation", {"id": row["id"]}),
    )


def _agency(_: Actor, row: Row) -> Hit:
    return Hit(
        row["name"],
        detail(row["code"], row["contact_name"]),
        address("/agencies", {"q": row["code"]}),
        None if row["is_active"] else State("inactive", "無効"),
    )


def _requests_of(corporation_ids: Sequence[int]) -> Select[int]:
    return select(Request.id).where(Request.corporation_id.in_(corporation_ids)).order_by(Request.id.desc())


_OF_CORPORATION = Related("agencies.corporation", _requests_of)

SEARCH = (
    Source(
        key="agencies.corporation",
        title="法人",
        permission="agencies:corporation:read",
        listing=corporations.CORPORATIONS,
        hit=_corporation,
        terms=("corporation",),
        filters=lambda by: {"own": by.tenant_in(AREA.name)},
        page="/corporations",
    ),
    Source(
        key="agencies.case",
        title="投入案件",
        permission=OPERATORS,
        listing=cases.CASES,
        hit=_request,
        filters=_own_agency,
        parameters=_reader,
        number="",
        related=_OF_CORPORATION,
        page="/cases",
        page_filters={"status": "全件"},
    ),
    Source(
        key="agencies.request",
        title="投入依頼",
        permission="agencies:request:read",
        only_without=OPERATORS,
        listing=sales.REQUESTS,
        hit=_request,
        filters=_own_agency,
        parameters=_reader,
        number="",
        related=_OF_CORPORATION,
        page="/my-requests",
        page_filters={"mine": "代理店のすべて"},
    ),
    Source(
        key="agencies.site",
        title="地点",
        # Also for sales, by their requests.
        permission="agencies:acquired:read",
        listing=SITES,
        hit=_site,
        terms=("site",),
        filters=_own_agency,
    ),
    Source(
        key="agencies.agency",
        title="代理店",
        permission="agencies:agency:read",
        listing=queries.AGENCIES,
        hit=_agency,
        terms=("agency",),
        page="/agencies",
    ),
)
