"""Every read of agencies and of who sells for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, String, case, false, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.agencies import schemas
from service.agencies.models import Agency
from service.agencies.rules import AREA
from service.core.auth import Actor
from service.core.identity import Membership, User
from service.core.lookups import by_id
from service.core.memberships import count_members
from service.core.paging import Key, Listing, contains, equals
from service.core.tenants import Tenant

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
    unique=User.id,
    keys={"name": Key(User.name)},
    default="name",
    filters={"q": contains(User.name), "agency_id": equals(Agency.id), "own": equals(Agency.id)},
)


def seen_by(by: Actor, agency_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Rows that the person may see: of their own agency, or all. `agency_id` is the rows' column."""
    own = by.tenant_in(AREA.name)
    if own is not None:
        return agency_id == own
    return true() if AREA.name in by.scopes.whole else false()


def tenants(db: Session) -> list[Tenant]:
    rows = db.execute(select(Agency.id, Agency.name, Agency.archived_at).order_by(Agency.name, Agency.id))
    return [Tenant(row.id, row.name, row.archived_at is None) for row in rows]


def get_agency(db: Session, agency_id: int, *, lock: bool = False) -> Agency:
    """Raises NotFound."""
    return by_id(db, Agency, agency_id, "代理店", lock=lock)


def _cut(filters: Any) -> dict[str, Any]:
    cut: dict[str, Any] = filters.model_dump(exclude={"sort"}, exclude_none=True)
    return cut


def agencies(db: Session, limit: int, cursor: str | None, filters: schemas.AgencyFilters) -> dict[str, Any]:
    return AGENCIES.page(db, limit, cursor, filters.sort, **_cut(filters))


def agencies_to_take_along(_: Actor, filters: schemas.AgencyFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    found = AGENCIES.all(filters.sort, **_cut(filters))
    return found.add_columns(_ACTIVE.cast(String).label("state"))


def summary(db: Session) -> dict[str, int]:
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
    return dict(row._mapping)


def sales_people(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.SalesPeopleFilters
) -> dict[str, Any]:
    """On whose behalf the person may ask: of their own agency, or of all."""
    return SALES_PEOPLE.page(db, limit, cursor, filters.sort, **_cut(filters), own=by.tenant_in(AREA.name))
