"""What the flow reads: reservations under lock, what effects need to know of them, and when shops may be called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Select, cast, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core import phones
from service.core.clock import in_words, now_sql
from service.core.identity import hash_token
from service.core.problems import NotFound
from service.reservations.cases.rules import Case
from service.reservations.effects.actions import Booking
from service.reservations.events.rules import OVER, State, Task
from service.reservations.flow.models import Link, Payment, PhoneCall, Reservation, TimelineEvent
from service.reservations.letters.rules import yen
from service.reservations.operations.models import Operation
from service.reservations.rules import CONTACT_PAGE
from service.reservations.seeking.rules import Line
from service.reservations.services.models import Plan, Service
from service.reservations.settings import settings
from service.reservations.shops.models import Shop, ShopService

SHOP_PHONE = "店舗の電話"
ABSENT = "この予約は見つかりません。予約IDを確認してください。"


def locked(db: Session, reservation_id: int) -> Reservation:
    """For whoever changes it: all others wait. Raises NotFound."""
    statement = select(Reservation).where(Reservation.id == reservation_id).with_for_update()
    found = db.scalars(statement, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise NotFound(ABSENT)
    return found


def case_of(reservation: Reservation) -> Case:
    return Case.model_validate(reservation.case_now)


def booking_of(db: Session, reservation: Reservation) -> Booking:
    """What effects need to know of it."""
    named = select(Service.name, Plan.name).join(Service, Service.id == Plan.service_id)
    named = named.where(Plan.id == reservation.plan_id)
    service, plan = db.execute(named).one()
    return Booking(
        id=reservation.id,
        code=reservation.code,
        service=service,
        plan=plan,
        customer_name=reservation.customer_name,
        phone=reservation.phone,
        mail=reservation.mail,
        wishes=reservation.wishes,
        shop_note=reservation.shop_note,
        is_booked=reservation.confirmed_at is not None,
    )


def next_number(db: Session, reservation_id: int) -> int:
    """Of its timeline."""
    last = select(func.max(TimelineEvent.number)).where(TimelineEvent.reservation_id == reservation_id)
    return (db.scalar(last) or 0) + 1


def offered(db: Session, service_code: str) -> Service | None:
    return db.scalars(select(Service).where(Service.code == service_code, Service.archived_at.is_(None))).one_or_none()


def plans(db: Session, service_id: int) -> Mapping[str, Plan]:
    """What is offered of a service, by code, in order."""
    listed = select(Plan).where(Plan.service_id == service_id, Plan.archived_at.is_(None))
    return {plan.code: plan for plan in db.scalars(listed.order_by(Plan.position, Plan.id))}


def service_codes(db: Session) -> list[str]:
    listed = select(Service.code).where(Service.archived_at.is_(None))
    return list(db.scalars(listed.order_by(Service.position, Service.id)))


def order_of(db: Session, service_id: int) -> tuple[int, ...]:
    """The shops that offer a service, in the order in which they are called."""
    listed = (
        select(Shop.id)
        .join(ShopService, ShopService.shop_id == Shop.id)
        .where(ShopService.service_id == service_id, Shop.archived_at.is_(None), Shop.blacklisted_at.is_(None))
    )
    return tuple(db.scalars(listed.order_by(ShopService.position, Shop.id)))


def of_request(assistant_id: int | None, user_id: int | None) -> Select[Reservation]:
    """The reservations of one assistant or one person."""
    return select(Reservation).where(
        func.coalesce(Reservation.assistant_id, 0) == (assistant_id or 0),
        func.coalesce(Reservation.user_id, 0) == (user_id or 0),
    )


def same_wish(
    mine: Select[Reservation], phone: str, service_id: int, at: datetime, since: datetime
) -> Select[Reservation]:
    """Of these, the one for the same telephone, service and time that was asked for since then and is not over."""
    return (
        mine.where(Reservation.phone == phone, Reservation.service_id == service_id, Reservation.starts_at == at)
        .where(Reservation.created_at > since, Reservation.state.not_in([state.value for state in OVER]))
        .order_by(Reservation.id)
        .limit(1)
    )


def lines(db: Session, reservation_id: int, shops: tuple[int, ...]) -> Mapping[int, Line]:
    """The telephones of shops as they are now; one on which another reservation's call is, is busy."""
    busy = (
        select(PhoneCall.id)
        .where(PhoneCall.is_active, PhoneCall.phone == Shop.phone, PhoneCall.reservation_id != reservation_id)
        .exists()
    )
    rows = db.execute(
        select(
            Shop.id,
            Shop.opens_at,
            Shop.closes_at,
            Shop.closed_weekdays,
            or_(Shop.archived_at.is_not(None), Shop.blacklisted_at.is_not(None)),
            busy,
        ).where(Shop.id.in_(shops))
    )
    return {
        shop: Line(opens_at=opens, closes_at=closes, closed_weekdays=frozenset(closed), is_out=is_out, is_busy=is_busy)
        for shop, opens, closes, closed, is_out, is_busy in rows
    }


def due(now: datetime, limit: int) -> Select[Reservation]:
    """What the time calls for something in, the longest waiting first; what others are at is left to them."""
    return (
        select(Reservation)
        .where(Reservation.next_action_at <= now)
        .order_by(Reservation.next_action_at, Reservation.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def waiting_for_line(shop: int, now: datetime, until: datetime) -> Select[int]:
    """Of those that were put off because others are on the telephone with their shops (`flow.actions`), the one that
    was asked for first and whose turn the shop still is. One that somebody is at is left out."""
    case = Reservation.case_now
    return (
        select(Reservation.id)
        .where(Reservation.state == State.CALLING.value, Reservation.next_action_at.between(now, until))
        .where(case["call"].astext.is_(None), cast(case["next_action_at"].astext, TIMESTAMP(timezone=True)) <= now)
        .where(case["order"].contains([shop]), ~case["turn"].contains([shop]))
        .order_by(Reservation.created_at, Reservation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


class LinkUnknown(NotFound):
    way_on = (CONTACT_PAGE, "お問い合わせフォームを開く")


def opened(db: Session, purpose: str, token: str) -> Reservation:
    """What a link opens. Raises NotFound, alike for links that are unknown, too old or for something else."""
    found = db.scalars(
        select(Reservation)
        .join(Link, Link.reservation_id == Reservation.id)
        .where(Link.token_hash == hash_token(token), Link.purpose == purpose, Link.expires_at > now_sql())
    ).one_or_none()
    if found is None:
        config = settings()
        known = "、".join(one for one in (config.support_phone, config.support_mail) if one)
        contact = f"カスタマーサポート（{known}）" if known else "カスタマーサポート"
        raise LinkUnknown(
            "このリンクは使えません。アドレスが途中で切れているか、有効期限が過ぎています。"
            f"SMSやメールのリンクをもう一度開くか、{contact}までお問い合わせください。"
        )
    return found


def payment(db: Session, reservation: Reservation) -> Payment | None:
    """The one that counts now."""
    number = case_of(reservation).checkouts
    return db.scalars(
        select(Payment).where(Payment.reservation_id == reservation.id, Payment.number == number)
    ).one_or_none()


def is_open(payment: Payment | None) -> bool:
    return payment is not None and payment.status == "open" and payment.url is not None


def has_late_enquiry(db: Session, reservation_id: int) -> bool:
    """Whether people still have to see to a cancellation that came too late."""
    waiting = select(Operation.id).where(
        Operation.reservation_id == reservation_id,
        Operation.kind == Task.LATE_CANCEL.value,
        Operation.resolved_at.is_(None),
    )
    return db.scalar(select(waiting.exists())) is True


def shown(db: Session, reservation: Reservation) -> list[tuple[str, str]]:
    """What a page says of it, to whoever has the link: which shop keeps it, and once it is paid for, its telephone."""
    booking = booking_of(db, reservation)
    listed = [
        ("予約ID", booking.code),
        ("内容", f"{booking.service} {booking.plan}"),
        ("日時", in_words(reservation.starts_at)),
        ("料金", yen(reservation.price)),
    ]
    shop = db.get(Shop, reservation.shop_id) if reservation.shop_id is not None else None
    if reservation.state in (State.CONFIRMED, State.COMPLETED):
        listed.append(("店舗", shop.name if shop else booking.shop_note))
        if shop:
            listed.append((SHOP_PHONE, phones.shown(shop.phone)))
    elif reservation.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        listed.append(("店舗", shop.name if shop else booking.shop_note))
    return listed
