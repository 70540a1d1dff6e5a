"""Reads of services and their plans."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.audit import search
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, archived_filter, contains, filter_values
from service.reservations.models import Plan, Service, Shop, ShopService
from service.reservations.rules import AREA
from service.reservations.services import schemas

_PLANS = func.to_json(
    func.array(
        select(func.json_build_object("code", Plan.code, "name", Plan.name, "price", Plan.price))
        .where(Plan.service_id == Service.id, Plan.archived_at.is_(None))
        .order_by(Plan.position, Plan.id)
        .correlate(Service)
        .scalar_subquery()
    )
)
_SHOPS = (
    select(func.count())
    .select_from(ShopService)
    .join(Shop, Shop.id == ShopService.shop_id)
    .where(ShopService.service_id == Service.id, Shop.archived_at.is_(None), Shop.blacklisted_at.is_(None))
    .correlate(Service)
    .scalar_subquery()
)
SERVICES = Listing(
    select(
        Service.id,
        Service.version,
        Service.code,
        Service.name,
        Service.description,
        Service.position,
        _PLANS.label("plans"),
        _SHOPS.label("shops"),
        Service.created_at,
        Service.updated_at,
        Service.archived_at,
    ),
    model=schemas.ServiceItem,
    unique=Service.id,
    keys={"position": Key(Service.position), "name": Key(Service.name), "code": Key(Service.code)},
    default="position",
    filters={
        "q": contains(Service.name, Service.code),
        **archived_filter(Service.archived_at),
    },
)


def services(
    db: Session, _: Actor, limit: int, cursor: str | None, filters: schemas.ServiceFilters
) -> Page[schemas.ServiceItem]:
    return SERVICES.read(db, limit, cursor, filters.sort, **filter_values(filters))


def service_detail(db: Session, service_id: int) -> schemas.ServiceDetail:
    """Raises NotFound."""
    service = get(db, service_id)
    row = db.execute(SERVICES.rows.where(Service.id == service.id)).one()
    return schemas.ServiceDetail.model_validate({**row._mapping, "plans": plans_of(db, service.id)})


def plans_of(db: Session, service_id: int) -> list[Plan]:
    """Active plans in their order, then archived ones."""
    statement = select(Plan).where(Plan.service_id == service_id)
    return list(db.scalars(statement.order_by(Plan.archived_at.is_not(None), Plan.position, Plan.id)))


def history(db: Session, service_id: int) -> schemas.History:
    """The history of a service and its plans. Raises NotFound."""
    service = get(db, service_id)
    plans = [plan.id for plan in plans_of(db, service.id)]
    return schemas.History(items=search.history(db, AREA.name, {"service": [service.id], "plan": plans}))


def get(db: Session, service_id: int, *, lock: bool = False) -> Service:
    """Raises NotFound."""
    return get_or_404(db, Service, service_id, "サービス", lock=lock)


def lock_services(db: Session, keys: Collection[int]) -> dict[int, Service]:
    """Locks the services that exist, always in the order of ids, which avoids deadlocks."""
    statement = select(Service).where(Service.id.in_(keys)).order_by(Service.id).with_for_update()
    return {service.id: service for service in db.scalars(statement.execution_options(populate_existing=True))}


def active_plans(db: Session, service_id: int) -> dict[str, Plan]:
    """The service's active plans by code, in order."""
    return {plan.code: plan for plan in plans_of(db, service_id) if plan.archived_at is None}


def plan_names(db: Session, plan_id: int) -> tuple[str, str]:
    """The names of a plan's service and of the plan itself."""
    names = select(Service.name, Plan.name).join(Service, Service.id == Plan.service_id)
    service, plan = db.execute(names.where(Plan.id == plan_id)).one()
    return service, plan


def active_services(db: Session) -> list[Service]:
    """Active services in their order."""
    statement = select(Service).where(Service.archived_at.is_(None))
    return list(db.scalars(statement.order_by(Service.position, Service.id)))
