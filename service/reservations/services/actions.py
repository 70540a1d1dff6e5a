"""Writes of services and their plans. A code never changes: assistants, files and reservations refer to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.edits import Edits
from service.reservations.models import Plan, Service
from service.reservations.rules import AREA
from service.reservations.services import queries, schemas

CODE = {"code": "コード"}
SERVICES = Edits(AREA.name, "service", "サービス", {"uq_reservations_services_code": "code"}, CODE)
PLANS = Edits(AREA.name, "plan", "サイズ・料金", {"uq_reservations_plans_service_id_code": "code"}, CODE)


def create(db: Session, by: Actor, new: schemas.NewService) -> Service:
    """Raises Conflict when the code is in use."""
    values = new.model_dump()
    if new.position is None:
        values["position"] = _next_position(db, select(func.max(Service.position)))
    service = Service(**values)
    SERVICES.create(db, by, service, values)
    return service


def change(db: Session, by: Actor, service_id: int, new: schemas.ServiceChange) -> None:
    SERVICES.change(db, by, queries.get(db, Service, service_id, lock=True), new)


def archive(db: Session, by: Actor, service_id: int, archived: bool) -> None:
    """An archived service cannot be reserved any more; existing reservations continue."""
    SERVICES.set_archived(db, by, queries.get(db, Service, service_id, lock=True), archived)


def create_plan(db: Session, by: Actor, service_id: int, new: schemas.NewPlan) -> Plan:
    """Raises NotFound, and Conflict when the service already has a plan with that code."""
    service = queries.get(db, Service, service_id, lock=True)
    values = new.model_dump()
    if new.position is None:
        values["position"] = _next_position(db, select(func.max(Plan.position)).where(Plan.service_id == service.id))
    plan = Plan(service_id=service.id, **values)
    PLANS.create(db, by, plan, {"service": service.name} | values)
    return plan


def change_plan(db: Session, by: Actor, plan_id: int, new: schemas.PlanChange) -> None:
    PLANS.change(db, by, queries.get(db, Plan, plan_id, lock=True), new)


def archive_plan(db: Session, by: Actor, plan_id: int, archived: bool) -> None:
    PLANS.set_archived(db, by, queries.get(db, Plan, plan_id, lock=True), archived)


def _next_position(db: Session, statement: Any) -> int:
    highest: int | None = db.scalar(statement)
    return 0 if highest is None else min(highest + 1, 10_000)
