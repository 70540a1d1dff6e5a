"""Writes of services and their plans. A code never changes: assistants, files and reservations refer to it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.lookups import last_position
from service.core.edits import Edits
from service.core.resources import Archivable, Resource
from service.reservations.models import Plan, Service
from service.reservations.rules import AREA
from service.reservations.services import schemas

CODE = {"code": "コード"}


class Services(Resource[Service]):
    """An archived service cannot be reserved any more; existing reservations continue."""

    def create(self, db: Session, by: Actor, new: schemas.NewService) -> Service:
        """Raises Conflict when the code is in use."""
        values = new.model_dump()
        if new.position is None:
            values["position"] = last_position(db, Service.position, first=0, limit=10_000)
        return self.add(db, by, values)


SERVICES = Services(
    Edits(AREA.name, "service", "サービス", {"uq_reservations_services_code": "code"}, CODE),
    Service,
    schemas.ServiceChange,
    schemas.NewService,
)
PLANS = Archivable(
    Edits(AREA.name, "plan", "サイズ・料金", {"uq_reservations_plans_service_id_code": "code"}, CODE),
    Plan,
    schemas.PlanChange,
)


def create_plan(db: Session, by: Actor, service_id: int, new: schemas.NewPlan) -> Plan:
    """Raises NotFound, and Conflict when the service already has a plan with that code."""
    service = SERVICES.lock(db, by, service_id)
    values = new.model_dump()
    if new.position is None:
        values["position"] = last_position(db, Plan.position, Plan.service_id == service.id, first=0, limit=10_000)
    plan = Plan(service_id=service.id, **values)
    PLANS.edits.create(db, by, plan, {"service": service.name} | values)
    return plan
