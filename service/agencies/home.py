"""What the agencies show on ホーム: requests that were sent back, and cases to enter."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.agencies.cases import queries as cases
from service.agencies.cases.schemas import CaseFilters, CaseItem
from service.agencies.figures import queries as figures
from service.agencies.rules import Status
from service.agencies.sales import queries as sales
from service.agencies.sales.schemas import RequestFilters, RequestItem
from service.core.access.auth import Actor
from service.core.database.paging import Page
from service.core.home.declared import Due, DueList, DueRows, MenuCount, State, due_rows


def _deficiencies(db: Session, by: Actor, limit: int) -> DueRows:
    def read(*, mine: bool = False) -> Page[RequestItem]:
        filters = RequestFilters(status=Status.DEFICIENT, mine=mine, sort="updated_at")
        return sales.listed(db, by, limit, None, filters)

    return due_rows(_deficiency, read, mine=True)


def _deficiency(row: RequestItem) -> Due:
    return Due(
        row.id,
        row.corporation_name,
        f"依頼ID {row.id}　{row.agency_name}",
        "不備を修正する",
        f"/request?id={row.id}",
        since=row.updated_at,
        owner_id=row.requested_by_id,
        owner_name=row.requested_by_name,
    )


def _waiting_cases(db: Session, by: Actor, limit: int) -> DueRows:
    def read(**filters: Any) -> Page[CaseItem]:
        return cases.cases(db, by, limit, None, CaseFilters(status="working", **filters))

    return due_rows(_case, read, claimed="me")


def _working_cases(db: Session, by: Actor) -> int:
    return cases.counts(db, by).working


def _case(row: CaseItem) -> Due:
    return Due(
        row.id,
        row.corporation_name,
        f"依頼ID {row.id}　{row.agency_name}",
        "明細を入力する",
        f"/case?id={row.id}",
        since=row.created_at,
        owner_id=row.claimed_by_id,
        owner_name=row.claimed_by_name,
    )


HOME = (
    State(
        key="agencies.dashboard",
        title="ダッシュボード",
        permission="agencies:dashboard:read",
        address="/agencies-dashboard",
        read=lambda db, _: figures.dashboard(db),
    ),
    State(
        key="agencies.requests",
        title="マイ依頼一覧",
        permission="agencies:request:read",
        address="/my-requests",
        read=sales.counts,
    ),
    State(
        key="agencies.cases",
        title="投入案件一覧",
        permission="agencies:case:read",
        address="/cases",
        read=cases.counts,
    ),
    DueList(key="agencies.deficiencies", title="不備", permission="agencies:request:create", read=_deficiencies),
    DueList(
        key="agencies.cases_due",
        title="投入待ち",
        permission="agencies:case:update",
        read=_waiting_cases,
        count=_working_cases,
    ),
    MenuCount(
        key="agencies.unread_requests",
        title="マイ依頼一覧",
        permission="agencies:request:read",
        address="/my-requests",
        count=lambda db, by: sales.counts(db, by).waiting,
    ),
    MenuCount(
        key="agencies.working_cases",
        title="投入案件一覧",
        permission="agencies:case:read",
        address="/cases",
        count=_working_cases,
    ),
)
