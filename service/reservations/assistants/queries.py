"""Every read about assistants: whose token it is, what is offered, which reservation is theirs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.identity import hash_token
from service.core.paging import Key, Listing, contains, when
from service.core.problems import NotFound
from service.reservations.assistants import rules, schemas
from service.reservations.assistants.models import Assistant
from service.reservations.cases.rules import LONGEST_NOTICE, SHORTEST_NOTICE
from service.reservations.events.rules import STATE_WORDS
from service.reservations.flow import queries as flow
from service.reservations.flow.models import Reservation
from service.reservations.letters.rules import at_home
from service.reservations.progress.rules import progress
from service.reservations.services.models import Plan, Service
from service.reservations.shops.models import Shop

_RESERVATIONS = (
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
        _RESERVATIONS.label("reservations"),
        Assistant.created_at,
        Assistant.last_used_at,
        Assistant.revoked_at,
    ),
    unique=Assistant.id,
    keys={"created_at": Key(Assistant.created_at), "name": Key(Assistant.name)},
    default="-created_at",
    filters={
        "q": contains(Assistant.name),
        "holds": when(Assistant.revoked_at.is_(None)),
        "is_revoked": when(Assistant.revoked_at.is_not(None)),
    },
)


def assistants(db: Session, limit: int, cursor: str | None, filters: schemas.AssistantFilters) -> dict[str, Any]:
    cut: dict[str, Any] = {"q": filters.q, "is_revoked": filters.revoked, "holds": not filters.revoked}
    return ASSISTANTS.page(db, limit, cursor, filters.sort, **cut)


def locked(db: Session, assistant_id: int) -> Assistant:
    """Raises NotFound."""
    found = db.get(Assistant, assistant_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("指定されたトークンは見つかりません。一覧を開き直してください。")
    return found


def by_token(db: Session, token: str) -> Assistant | None:
    """Whose it is; None for one that is unknown or revoked."""
    return db.scalars(
        select(Assistant).where(Assistant.token_hash == hash_token(token), Assistant.revoked_at.is_(None))
    ).one_or_none()


def reservation_of(
    db: Session, assistant: Assistant, code: str, phone: str | None, *, by_phone: bool
) -> Reservation | None:
    """Its own, by the id; `by_phone`: only with that telephone number. None for all others alike."""
    mine = select(Reservation).where(Reservation.assistant_id == assistant.id, Reservation.code == code)
    if by_phone:
        mine = mine.where(Reservation.phone == phone)
    return db.scalars(mine).one_or_none()


def offered(db: Session) -> schemas.Services:
    """What can be asked for now: services that have a size."""
    now = app_now(db)
    rows = db.execute(
        select(Service, Plan)
        .join(Plan, Plan.service_id == Service.id)
        .where(Service.archived_at.is_(None), Plan.archived_at.is_(None))
        .order_by(Service.position, Service.id, Plan.position, Plan.id)
    )
    services: dict[int, schemas.OfferedService] = {}
    for service, plan in rows:
        listed = services.setdefault(
            service.id,
            schemas.OfferedService(service=service.code, name=service.name, description=service.description, plans=[]),
        )
        listed.plans.append(schemas.OfferedPlan(plan=plan.code, name=plan.name, price_yen=plan.price))
    return schemas.Services(
        message="",
        services=list(services.values()),
        earliest_start=rules.iso(now + SHORTEST_NOTICE),
        latest_start=rules.iso(now + LONGEST_NOTICE),
    )


def answer(db: Session, reservation: Reservation, said: str = "") -> schemas.ReservationAnswer:
    """How it stands. `said` comes first."""
    case, booking = flow.case_of(reservation), flow.booking_of(db, reservation)
    now = progress(case, app_now(db))
    return schemas.ReservationAnswer(
        message=f"{said}{now.sentence}",
        reservation_id=reservation.code,
        status=case.state.value,
        status_label=STATE_WORDS[case.state],
        service_name=booking.service,
        plan_name=booking.plan,
        price_yen=case.price,
        starts_at=rules.iso(case.starts_at),
        next_by=rules.iso(now.by) if now.by else None,
        shop=_shop(db, reservation) if booking.is_booked else None,
    )


def _shop(db: Session, reservation: Reservation) -> schemas.BookedShop | None:
    if reservation.shop_id is None:
        return schemas.BookedShop(name=reservation.shop_note, phone="") if reservation.shop_note else None
    shop = db.get_one(Shop, reservation.shop_id)
    return schemas.BookedShop(name=shop.name, phone=at_home(shop.phone))
