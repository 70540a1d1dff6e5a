"""Queries for assistants: tokens, offered services and their reservations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, contains, when_true
from service.reservations.assistants import rules, schemas
from service.reservations.flow import queries as flow
from service.reservations.flow.progress import progress
from service.reservations.models import Assistant, Plan, Reservation, Service, Shop
from service.reservations.outgoing.message_texts import domestic_phone
from service.reservations.services.queries import plan_names
from service.reservations.state_machine.case import LONGEST_NOTICE, SHORTEST_NOTICE

_RESERVATION_COUNT = (
    select(func.count())
    .select_from(Reservation)
    .where(Reservation.assistant_id == Assistant.id)
    .correlate(Assistant)
    .scalar_subquery()
)
ASSISTANTS = Listing(
    select(
        Assistant.id,
        Assistant.name,
        Assistant.is_shared,
        _RESERVATION_COUNT.label("reservations"),
        Assistant.created_at,
        Assistant.last_used_at,
        Assistant.revoked_at,
    ),
    model=schemas.AssistantItem,
    unique=Assistant.id,
    keys={"created_at": Key(Assistant.created_at), "name": Key(Assistant.name)},
    default="-created_at",
    filters={
        "q": contains(Assistant.name),
        "holds": when_true(Assistant.revoked_at.is_(None)),
        "is_revoked": when_true(Assistant.revoked_at.is_not(None)),
    },
)


def assistants(
    db: Session, limit: int, cursor: str | None, filters: schemas.AssistantFilters
) -> Page[schemas.AssistantItem]:
    filter_values: dict[str, Any] = {"q": filters.q, "is_revoked": filters.revoked, "holds": not filters.revoked}
    return ASSISTANTS.read(db, limit, cursor, filters.sort, **filter_values)


def lock_assistant(db: Session, assistant_id: int) -> Assistant:
    """Raises NotFound."""
    return get_or_404(db, Assistant, assistant_id, "トークン", lock=True)


def assistant_by_token(db: Session, token: str) -> Assistant | None:
    """The assistant of a token; None for an unknown or revoked one."""
    return db.scalars(
        select(Assistant).where(Assistant.token_hash == hash_token(token), Assistant.revoked_at.is_(None))
    ).one_or_none()


def own_reservation(
    db: Session, assistant: Assistant, code: str, phone: str | None, *, by_phone: bool
) -> Reservation | None:
    """The assistant's own reservation; `by_phone`: only with that telephone number. Otherwise None."""
    statement = select(Reservation).where(Reservation.assistant_id == assistant.id, Reservation.code == code)
    if by_phone:
        statement = statement.where(Reservation.phone == phone)
    return db.scalars(statement).one_or_none()


def offered_services(db: Session) -> schemas.Services:
    """The services that can be reserved now: those with a plan."""
    now = app_now(db)
    rows = db.execute(
        select(Service, Plan)
        .join(Plan, Plan.service_id == Service.id)
        .where(Service.archived_at.is_(None), Plan.archived_at.is_(None))
        .order_by(Service.position, Service.id, Plan.position, Plan.id)
    )
    services: dict[int, schemas.OfferedService] = {}
    for service, plan in rows:
        offered_service = services.setdefault(
            service.id,
            schemas.OfferedService(service=service.code, name=service.name, description=service.description, plans=[]),
        )
        offered_service.plans.append(schemas.OfferedPlan(plan=plan.code, name=plan.name, price_yen=plan.price))
    return schemas.Services(
        message="",
        services=list(services.values()),
        earliest_start=rules.iso(now + SHORTEST_NOTICE),
        latest_start=rules.iso(now + LONGEST_NOTICE),
    )


def reservation_answer(db: Session, reservation: Reservation, prefix: str = "") -> schemas.ReservationAnswer:
    """The reservation's state. The message starts with `prefix`."""
    case, (service, plan) = flow.case_of(reservation), plan_names(db, reservation.plan_id)
    current_progress = progress(case, app_now(db))
    return schemas.ReservationAnswer(
        message=f"{prefix}{current_progress.sentence}",
        reservation_id=reservation.code,
        status=case.state.value,
        status_label=case.state.label,
        service_name=service,
        plan_name=plan,
        price_yen=case.price,
        starts_at=rules.iso(case.starts_at),
        next_by=rules.iso(current_progress.by) if current_progress.by else None,
        shop=_shop(db, reservation) if reservation.confirmed_at is not None else None,
    )


def _shop(db: Session, reservation: Reservation) -> schemas.BookedShop | None:
    if reservation.shop_id is None:
        return schemas.BookedShop(name=reservation.shop_note, phone="") if reservation.shop_note else None
    shop = db.get_one(Shop, reservation.shop_id)
    return schemas.BookedShop(name=shop.name, phone=domestic_phone(shop.phone))
