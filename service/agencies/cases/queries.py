"""Queries of cases: requests with their corporation, sales user, sites and unread comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, select
from sqlalchemy.orm import Session, aliased

from service.agencies.cases import rules, schemas
from service.agencies.corporations.rules import CODED
from service.agencies.corporations.schemas import Facts
from service.agencies.masters import queries as masters
from service.agencies.masters.models import CarrierField
from service.agencies.masters.rules import COLUMNS
from service.agencies.models import Agency, Request, Site
from service.agencies.requests import queries as requests
from service.agencies.requests.queries import READER
from service.agencies.rules import AREA, CORPORATION_FIELDS, OPEN, SITE_FIELDS, Status
from service.agencies.sites import rules as site_rules
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.database.clock import app_now
from service.core.database.paging import Filter, Listing, Page, equals, when_true
from service.core.problems import NotFound

ABSENT_PERSON = "指定された担当者は見つかりません。投入担当者または管理者を選び直してください。"
# The roles that may enter applications; only their users can claim a case.
OPERATOR_ROLES = tuple(name for name, role in AREA.roles.items() if "agencies:case:update" in role.permissions)
_Claimer = aliased(User)
_unread = requests.unread(READER)


_rows = requests.ROWS.add_columns(
    _unread.label("unread"),
    Request.claimed_by.label("claimed_by_id"),
    _Claimer.name.label("claimed_by_name"),
    func.coalesce(Request.claimed_by == READER, false()).label("is_claimed_by_me"),
).join(_Claimer, _Claimer.id == Request.claimed_by, isouter=True)
_filters = {
    **requests.FILTERS,
    "sales_id": equals(Request.requested_by),
    "unread": when_true(_unread > 0),
    "me": Filter(lambda _: Request.claimed_by == READER, lambda value: value or None),
    "others": Filter(
        lambda _: and_(Request.claimed_by.is_not(None), Request.claimed_by != READER), lambda value: value or None
    ),
    "nobody": when_true(Request.claimed_by.is_(None)),
}
CASES = Listing(
    _rows,
    model=schemas.CaseItem,
    unique=Request.id,
    keys=requests.KEYS,
    default="created_at",
    filters=_filters,
    total=requests.total_by(_filters),
)


def cases(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.CaseFilters
) -> Page[schemas.CaseItem]:
    """A page of cases; by default the longest waiting first."""
    return CASES.read(db, limit, cursor, filters.sort, parameters={"reader": by.user_id}, **_filter_values(by, filters))


def _filter_values(by: Actor, filters: schemas.CaseFilters) -> dict[str, Any]:
    values = filters.model_dump(exclude={"sort", "status", "open", "claimed"}, exclude_none=True)
    values |= {"tenant": by.tenant_in(AREA.name)}
    if filters.claimed:
        values[filters.claimed] = True
    if filters.status not in (None, "all"):
        values["status"] = filters.status
    only_open = filters.open
    if only_open is None:
        only_open = filters.status is None or filters.status in OPEN
    return values | {"open": only_open}


def counts(db: Session, by: Actor) -> schemas.CaseCounts:
    """Counts of open requests."""
    columns: dict[str, ColumnElement[Any]] = {
        "open": func.count(),
        "deficient": func.count().filter(Request.status == Status.DEFICIENT.value),
        "working": func.count().filter(Request.status == Status.WORKING.value),
        "waiting": func.count().filter(Request.status == Status.WORKING.value, Request.claimed_by.is_(None)),
        "mine": func.count().filter(Request.claimed_by == by.user_id),
        "oldest": func.min(Request.created_at).filter(Request.status == Status.WORKING.value),
    }
    statement = select(*(column.label(name) for name, column in columns.items())).where(
        Request.is_open, requests.visible_to(by)
    )
    row = db.execute(statement).one()
    unread = requests.unread_request_counts(by, func.count(Request.id)).where(Request.is_open)
    return schemas.CaseCounts(as_of=app_now(db), unread=db.scalar(unread) or 0, **row._mapping)


def case(db: Session, by: Actor, request_id: int) -> schemas.CaseDetail:
    """Raises NotFound."""
    request = requests.get_request(db, by, request_id)
    row = db.execute(_rows.where(Request.id == request.id), {"reader": by.user_id}).mappings().one()
    deficiencies = [deficiency for deficiency in requests.open_deficiencies(db, request) if deficiency.site_id is None]
    return schemas.CaseDetail(
        **row,
        remarks=request.remarks,
        corporation=Facts.model_validate(requests.get_corporation(db, request)),
        cancelled_at=request.cancelled_at,
        claimed_at=request.claimed_at,
        deficiency=deficiencies[-1].message if deficiencies else "",
        viewers=requests.viewers(db, by, request),
    )


def sales_people(db: Session, by: Actor) -> list[schemas.PersonItem]:
    """Users who have made requests, for the list's filter."""
    # One index lookup for each user; scanning all requests would be slower.
    has_requests = exists().where(Request.requested_by == User.id, requests.visible_to(by))
    agency = (
        select(Membership.tenant_id)
        .where(Membership.user_id == User.id, Membership.area == AREA.name)
        .scalar_subquery()
    )
    rows = db.execute(
        select(User.id, User.name, func.coalesce(Agency.name, "").label("agency_name"))
        .join(Agency, Agency.id == agency, isouter=True)
        .where(has_requests)
        .order_by(User.name, User.id)
    )
    return [schemas.PersonItem(**row) for row in rows.mappings()]


def agencies(db: Session, by: Actor) -> list[schemas.AgencyItem]:
    """Agencies that have requests, for the list's filter."""
    has_requests = exists().where(Request.agency_id == Agency.id, requests.visible_to(by))
    rows = db.execute(select(Agency.id, Agency.name).where(has_requests).order_by(Agency.name, Agency.id))
    return [schemas.AgencyItem(**row) for row in rows.mappings()]


_operators = (
    select(User.id, User.name)
    .join(Membership, Membership.user_id == User.id)
    .where(Membership.area == AREA.name, Membership.role.in_(OPERATOR_ROLES), ~Membership.is_suspended, User.is_active)
)


def operators(db: Session) -> list[schemas.PersonItem]:
    """Users to whom a case can be handed over."""
    return [schemas.PersonItem(**row) for row in db.execute(_operators.order_by(User.name, User.id)).mappings()]


def get_operator(db: Session, user_id: int) -> str:
    """The operator's name. Raises NotFound when the user may not enter applications."""
    name: str | None = db.scalar(_operators.where(User.id == user_id).with_only_columns(User.name))
    if name is None:
        raise NotFound(ABSENT_PERSON)
    return name


def entry(db: Session, request: Request, site: Site) -> Iterator[schemas.EntryItem]:
    """投入用シート: every 元フィールド in the order of the carrier's pages, with its value."""
    records = _records(db, request, site)
    names = masters.titles(db)
    lists = {name: names.get(key, {}) for name, key in (CODED | site_rules.LISTS).items()}
    lists["option_plans"] = masters.option_titles(db)
    carrier_fields = db.scalars(
        select(CarrierField).where(CarrierField.archived_at.is_(None)).order_by(CarrierField.position, CarrierField.id)
    )
    for carrier_field in carrier_fields:
        value = records[carrier_field.record].get(carrier_field.field)
        yield schemas.EntryItem(
            id=carrier_field.id,
            page=carrier_field.page,
            carrier_field=carrier_field.carrier_field,
            title=COLUMNS[carrier_field.record].get(carrier_field.field, carrier_field.field)
            + rules.PART_LABELS[carrier_field.part],
            value=rules.part_value(carrier_field.field, carrier_field.part, value),
            words=rules.code_names(value, lists.get(carrier_field.field, {})),
        )


def _records(db: Session, request: Request, site: Site) -> dict[str, dict[str, Any]]:
    agency = db.get_one(Agency, request.agency_id)
    corporation = requests.get_corporation(db, request)
    details = db.scalar(
        select(Membership.details).where(
            Membership.user_id == request.requested_by,
            Membership.area == AREA.name,
            Membership.tenant_id == request.agency_id,
        )
    )
    return {
        "agency": {name: getattr(agency, name) for name in ("referral_shop_code", "referral_shop_name")},
        "user": details or {},
        "corporation": {name: getattr(corporation, name) for name in CORPORATION_FIELDS},
        "site": {name: getattr(site, name) for name in SITE_FIELDS},
    }
