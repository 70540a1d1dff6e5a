"""Queries of the flow: locked reservations, the data for effects, and the shops' telephone lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Select, cast, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.database.clock import now_sql
from service.core.problems import NotFound
from service.core.values import phones
from service.core.values.times import format_local_datetime
from service.reservations.models import Reservation, Shop, ShopService, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.outgoing.message_texts import yen
from service.reservations.outgoing.models import Link, Payment, PhoneCall
from service.reservations.outgoing.queries import find_row
from service.reservations.rules import CONTACT_PAGE
from service.reservations.services.queries import plan_names
from service.reservations.settings import settings
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.shop_search import PhoneLine
from service.reservations.state_machine.states import FINAL_STATES, State, Task

SHOP_PHONE = "店舗の電話"
NOT_FOUND = "この予約は見つかりません。予約IDを確認してください。"


def lock_reservation(db: Session, reservation_id: int) -> Reservation:
    """The reservation, locked for a change until the transaction ends. Raises NotFound."""
    statement = select(Reservation).where(Reservation.id == reservation_id).with_for_update()
    reservation = db.scalars(statement, execution_options={"populate_existing": True}).one_or_none()
    if reservation is None:
        raise NotFound(NOT_FOUND)
    return reservation


def reservation_id_by_code(db: Session, code: str) -> int | None:
    return db.scalars(select(Reservation.id).where(Reservation.code == code.upper())).one_or_none()


def case_of(reservation: Reservation) -> Case:
    return Case.model_validate(reservation.case_now)


def next_number(db: Session, reservation_id: int) -> int:
    """The next number in the reservation's timeline."""
    last_number = select(func.max(TimelineEvent.number)).where(TimelineEvent.reservation_id == reservation_id)
    return (db.scalar(last_number) or 0) + 1


def call_order(db: Session, service_id: int) -> tuple[int, ...]:
    """The shops that offer a service, in calling order."""
    statement = (
        select(Shop.id)
        .join(ShopService, ShopService.shop_id == Shop.id)
        .where(ShopService.service_id == service_id, Shop.archived_at.is_(None), Shop.blacklisted_at.is_(None))
    )
    return tuple(db.scalars(statement.order_by(ShopService.position, Shop.id)))


def requested_by(assistant_id: int | None, user_id: int | None) -> Select[Reservation]:
    """The reservations requested by one assistant or one user."""
    return select(Reservation).where(
        func.coalesce(Reservation.assistant_id, 0) == (assistant_id or 0),
        func.coalesce(Reservation.user_id, 0) == (user_id or 0),
    )


def duplicates(
    own_requests: Select[Reservation], phone: str, service_id: int, starts_at: datetime, since: datetime
) -> Select[Reservation]:
    """The first open reservation of these for the same telephone, service and time that was created after `since`."""
    return (
        own_requests.where(
            Reservation.phone == phone, Reservation.service_id == service_id, Reservation.starts_at == starts_at
        )
        .where(Reservation.created_at > since, Reservation.state.not_in([state.value for state in FINAL_STATES]))
        .order_by(Reservation.id)
        .limit(1)
    )


def phone_lines(db: Session, reservation_id: int, shops: tuple[int, ...]) -> Mapping[int, PhoneLine]:
    """The shops' telephone lines as they are now; a line with another reservation's active call is busy."""
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
        shop: PhoneLine(
            opens_at=opens, closes_at=closes, closed_weekdays=frozenset(closed), is_out=is_out, is_busy=is_busy
        )
        for shop, opens, closes, closed, is_out, is_busy in rows
    }


def due_reservations(now: datetime, limit: int) -> Select[Reservation]:
    """Reservations with an event due by time, the longest waiting first. Locked rows are skipped."""
    return (
        select(Reservation)
        .where(Reservation.next_action_at <= now)
        .order_by(Reservation.next_action_at, Reservation.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def longest_waiting_for_line(shop: int, now: datetime, until: datetime) -> Select[int]:
    """The oldest reservation that waits because its shops' lines are busy (`flow.actions`) and that has not called this
    shop in this round. Locked rows are skipped."""
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


def reservation_by_link(db: Session, purpose: str, token: str) -> Reservation:
    """The reservation of a link. Raises NotFound: alike for a link that is unknown, expired or for another use."""
    reservation = db.scalars(
        select(Reservation)
        .join(Link, Link.reservation_id == Reservation.id)
        .where(Link.token_hash == hash_token(token), Link.purpose == purpose, Link.expires_at > now_sql())
    ).one_or_none()
    if reservation is None:
        config = settings()
        ways = "、".join(way for way in (config.support_phone, config.support_mail) if way)
        contact = f"カスタマーサポート（{ways}）" if ways else "カスタマーサポート"
        raise LinkUnknown(
            "このリンクは使えません。アドレスが途中で切れているか、有効期限が過ぎています。"
            f"SMSやメールのリンクをもう一度開くか、{contact}までお問い合わせください。"
        )
    return reservation


def current_payment(db: Session, reservation: Reservation) -> Payment | None:
    """The payment of the newest checkout."""
    number = case_of(reservation).checkouts
    return find_row(db, Payment, Payment.reservation_id == reservation.id, Payment.number == number)


def is_payable(payment: Payment | None) -> bool:
    return payment is not None and payment.status == "open" and payment.url is not None


def has_late_cancel_enquiry(db: Session, reservation_id: int) -> bool:
    """Whether operators still have to handle a cancellation request that came too late."""
    open_operation = select(Operation.id).where(
        Operation.reservation_id == reservation_id,
        Operation.kind == Task.LATE_CANCEL.value,
        Operation.resolved_at.is_(None),
    )
    return db.scalar(select(open_operation.exists())) is True


def page_details(db: Session, reservation: Reservation) -> list[tuple[str, str]]:
    """What a page shows to anybody who has the link; once it is paid, also the shop's telephone."""
    service, plan = plan_names(db, reservation.plan_id)
    details = [
        ("予約ID", reservation.code),
        ("内容", f"{service} {plan}"),
        ("日時", format_local_datetime(reservation.starts_at)),
        ("料金", yen(reservation.price)),
    ]
    shop = db.get(Shop, reservation.shop_id) if reservation.shop_id is not None else None
    if reservation.state in (State.CONFIRMED, State.COMPLETED):
        details.append(("店舗", shop.name if shop else reservation.shop_note))
        if shop:
            details.append((SHOP_PHONE, phones.format_phone(shop.phone)))
    elif reservation.state in (State.CALLING_SUCCESS, State.AWAITING_PAYMENT):
        details.append(("店舗", shop.name if shop else reservation.shop_note))
    return details
