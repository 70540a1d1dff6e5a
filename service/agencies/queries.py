"""Queries of agencies and their sales staff."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, Select, String, case, false, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.agencies import schemas
from service.agencies.models import Agency
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.access.memberships import count_members
from service.core.access.tenants import Tenant
from service.core.database.paging import Key, Listing, Page, contains, equals
from service.core.problems import NotFound


class _Owned(Protocol):
    id: Any
    agency_id: Any


Owned = TypeVar("Owned", bound=_Owned)
SALES_COUNT = count_members(AREA.name, "sales", Agency.id)
_ACTIVE = Agency.archived_at.is_(None)

AGENCIES = Listing(
    select(
        Agency.id,
        Agency.version,
        Agency.name,
        Agency.code,
        Agency.referral_shop_code,
        Agency.referral_shop_name,
        Agency.contact_name,
        Agency.phone,
        Agency.mail_address,
        SALES_COUNT.label("sales_count"),
        _ACTIVE.label("is_active"),
        Agency.created_at,
        Agency.updated_at,
    ),
    model=schemas.AgencyItem,
    unique=Agency.id,
    keys={"name": Key(Agency.name), "code": Key(Agency.code), "created_at": Key(Agency.created_at)},
    default="name",
    filters={
        "q": contains(Agency.name, Agency.code, Agency.referral_shop_code, Agency.contact_name),
        "is_active": equals(_ACTIVE),
    },
)
SALES_PEOPLE = Listing(
    select(User.id, User.name, Agency.id.label("agency_id"), Agency.name.label("agency_name"))
    .join(Membership, Membership.user_id == User.id)
    .join(Agency, Agency.id == Membership.tenant_id)
    .where(Membership.area == AREA.name, Membership.role == "sales", ~Membership.is_suspended, User.is_active),
    model=schemas.SalesPerson,
    unique=User.id,
    keys={"name": Key(User.name)},
    default="name",
    filters={"q": contains(User.name), "agency_id": equals(Agency.id), "own": equals(Agency.id)},
)


def visible_to(by: Actor, agency_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """The condition for rows that the user may see: of the own agency, or all. `agency_id` is the rows' column."""
    own_agency = by.tenant_in(AREA.name)
    if own_agency is not None:
        return agency_id == own_agency
    return true() if AREA.name in by.scopes.whole else false()


def get_visible(db: Session, by: Actor, model: type[Owned], key: int, absent: str, *, lock: bool = False) -> Owned:
    """Raises NotFound with the message `absent` when it does not exist or belongs to another agency."""
    statement = select(model).where(model.id == key, visible_to(by, model.agency_id))
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = db.scalars(statement).one_or_none()
    if row is None:
        raise NotFound(absent)
    return row


def tenants(db: Session) -> list[Tenant]:
    rows = db.execute(select(Agency.id, Agency.name, Agency.archived_at).order_by(Agency.name, Agency.id))
    return [Tenant(row.id, row.name, row.archived_at is None) for row in rows]


def _filter_values(filters: Any) -> dict[str, Any]:
    values: dict[str, Any] = filters.model_dump(exclude={"sort"}, exclude_none=True)
    return values


def agencies(
    db: Session, _: Actor, limit: int, cursor: str | None, filters: schemas.AgencyFilters
) -> Page[schemas.AgencyItem]:
    return AGENCIES.read(db, limit, cursor, filters.sort, **_filter_values(filters))


def agencies_export(_: Actor, filters: schemas.AgencyFilters) -> Select[*tuple[Any, ...]]:
    """All agencies in the order of the list. Raises Invalid for an unknown sort order."""
    statement = AGENCIES.all(filters.sort, **_filter_values(filters))
    return statement.add_columns(_ACTIVE.cast(String).label("state"))


def summary(db: Session) -> schemas.AgencySummary:
    without_sales, without_shop = _ACTIVE & (SALES_COUNT == 0), _ACTIVE & (Agency.referral_shop_code == "")
    row = db.execute(
        select(
            *(
                func.count(case((condition, 1))).label(name)
                for name, condition in {
                    "active": _ACTIVE,
                    "inactive": ~_ACTIVE,
                    "without_sales": without_sales,
                    "without_shop": without_shop,
                }.items()
            )
        )
    ).one()
    return schemas.AgencySummary(**row._mapping)


def sales_people(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.SalesPeopleFilters
) -> Page[schemas.SalesPerson]:
    """Sales staff on whose behalf the user may make requests: of the own agency, or of all."""
    return SALES_PEOPLE.read(db, limit, cursor, filters.sort, **_filter_values(filters), own=by.tenant_in(AREA.name))
