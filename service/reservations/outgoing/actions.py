"""Carries out the effects of the state machine in the same transaction: rows, and messages in the outbox.

Nothing is sent here. The delivery result of a message comes to `vendor_events`, in the transaction that finishes the
message.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import hash_token
from service.core.database.clock import real_now
from service.core.outbox import queue, records
from service.core.pages import shell
from service.reservations.models import Reservation, Shop
from service.reservations.operations import actions as operations
from service.reservations.outgoing import call_script, message_texts
from service.reservations.outgoing.models import Link, Message, Payment, PhoneCall, Refund
from service.reservations.outgoing.queries import find_row
from service.reservations.rules import AREA, GUIDES_PATH
from service.reservations.services.queries import plan_names
from service.reservations.settings import settings
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import CALL_TIMEOUT, FINISH_AFTER, LONGEST_NOTICE, PAY_MINUTES, Case
from service.reservations.state_machine.events import Effect
from service.reservations.state_machine.states import Purpose, State

# The payment page stays open for all tries of the SMS and ten minutes more; the state machine closes it earlier.
CHECKOUT_LIFETIME_SECONDS = 45 * 60
# A payment link is not sent so late that the page closes while the customer pays.
LINK_SEND_LIMIT = timedelta(minutes=30)
LINK_VALIDITY_SECONDS = 600
# The link's page shows the state for a while longer.
LINK_PAGE_LIFETIME = timedelta(days=7)
# Messages are withdrawn when the reservation has left these states.
VALID_STATES = {
    Purpose.PAYMENT_LINK: frozenset({State.CALLING_SUCCESS, State.AWAITING_PAYMENT}),
    Purpose.REMINDER: frozenset({State.CONFIRMED}),
}
_WITH_CANCEL_LINK = frozenset({Purpose.REQUEST_RECEIVED, Purpose.CONFIRMED})
WITHDRAWN = "予約が先へ進んだため、送信を取りやめました。"


@dataclass(frozen=True)
class Addressee:
    """Who gets a message about a reservation, by which channel and why."""

    reservation_id: int
    code: str
    channel: Literal["sms", "mail"]
    recipient: Literal["customer", "shop"]
    purpose: Purpose
    address: str


@dataclass(frozen=True)
class _Context:
    db: Session
    reservation: Reservation
    service: str
    plan: str
    case: Case
    now: datetime
    detail: str
    by: Actor | None


def carry_out(
    db: Session,
    reservation: Reservation,
    case: Case,
    effects: Iterable[Effect],
    now: datetime,
    *,
    moved: bool,
    detail: str = "",
    by: Actor | None = None,
) -> list[str]:
    """Returns notes for the timeline. `case` is the case after the event; `moved`: its state has changed. `detail` is
    stored with tasks; `by`: the operator who caused the event, if any."""
    service, plan = plan_names(db, reservation.plan_id)
    context = _Context(db, reservation, service, plan, case, now, detail, by)
    notes = [_carry_out_one(context, effect) for effect in effects]
    if moved:
        _withdraw_messages(context)
    return [note for note in notes if note]


def _carry_out_one(context: _Context, effect: Effect) -> str | None:
    db, reservation = context.db, context.reservation
    match effect:
        case e.ToCustomer():
            return _message_customer(context, effect)
        case e.ToShop():
            return _message_shop(context, effect)
        case e.Call():
            _call(context, effect)
        case e.StopCall():
            _stop_call(context, effect)
        case e.Checkout():
            _checkout(context, effect)
        case e.Expire():
            _expire(context, effect)
        case e.Refund():
            _refund(context, effect)
        case e.ForPeople():
            operations.open_operation(db, reservation.id, reservation.code, effect.task, context.detail)
        case e.Solved():
            operations.close_operations(db, reservation.id, effect.tasks, context.by)
    return None


def publish(
    db: Session,
    code: str,
    topic: str,
    payload: Mapping[str, Any],
    *,
    recipient: str,
    title: str,
    expires_at: datetime | None = None,
) -> records.OutboxMessage:
    """Publishes an outbox message about a reservation and flushes it, so that it has a key."""
    message = queue.publish(
        db,
        topic,
        payload,
        area=AREA.name,
        recipient=recipient,
        title=title,
        about=("reservation", code),
        expires_at=expires_at,
    )
    db.flush()  # for the key
    return message


def _new_link(context: _Context, purpose: str, expires_at: datetime, payment_number: int | None = None) -> str:
    """The URL of a public page. Only the hash of its token is stored."""
    token = secrets.token_urlsafe(16)
    context.db.add(
        Link(
            token_hash=hash_token(token),
            reservation_id=context.reservation.id,
            purpose=purpose,
            payment_number=payment_number,
            expires_at=expires_at,
        )
    )
    return f"{shell.address()}/{purpose}/{token}"


def hang_up(db: Session, code: str, call: PhoneCall) -> None:
    """Asks the vendor to end a call."""
    payload = {"do": "stop", "call_id": call.external_id, "number": call.number}
    publish(db, code, "voice", payload, recipient=call.phone, title=f"{code} 電話の中止")


def _facts(context: _Context, shop: Shop | None) -> message_texts.Facts:
    reservation, case, config = context.reservation, context.case, settings()
    return message_texts.Facts(
        code=reservation.code,
        service=context.service,
        plan=context.plan,
        starts_at=case.starts_at,
        price=case.price,
        customer_name=reservation.customer_name,
        phone=reservation.phone,
        wishes=reservation.wishes,
        cancel_until=case.cancel_until,
        shop=shop.name if shop else reservation.shop_note,
        shop_phone=shop.phone if shop else "",
        is_booked=reservation.confirmed_at is not None,
        paid=case.paid,
        pay_minutes=PAY_MINUTES,
        support_phone=config.support_phone,
        support_mail=config.support_mail,
        guides_url=f"{shell.address()}{GUIDES_PATH}/",
    )


def _message_customer(context: _Context, effect: e.ToCustomer) -> str | None:
    reservation, case = context.reservation, context.case
    shop = context.db.get(Shop, case.shop) if case.shop is not None else None
    facts = _facts(context, shop)
    is_payment_link = effect.purpose is Purpose.PAYMENT_LINK
    if is_payment_link:
        facts = replace(facts, pay_url=_pay_link(context, case.checkouts))
    elif effect.purpose in _WITH_CANCEL_LINK:
        until = max(case.starts_at + FINISH_AFTER, context.now + LONGEST_NOTICE) + LINK_PAGE_LIFETIME
        facts = replace(facts, cancel_url=_new_link(context, "cancel", until))
    texts = message_texts.customer_message(effect.purpose, facts)
    expires_at = (
        context.now + LINK_SEND_LIMIT
        if is_payment_link
        else case.starts_at
        if effect.purpose is Purpose.REMINDER
        else None
    )
    # If SMS to this number fails, only the mail is sent.
    to = Addressee(reservation.id, reservation.code, "sms", "customer", effect.purpose, reservation.phone)
    if not effect.by_mail and not (case.sms_fails and reservation.mail):
        title = f"{reservation.code} {texts.title.partition('（')[0]}"
        validity = LINK_VALIDITY_SECONDS if is_payment_link else None
        send_message(context.db, to, title, texts.sms, context.now, validity_seconds=validity, expires_at=expires_at)
    if reservation.mail:
        to = replace(to, channel="mail", address=reservation.mail)
        send_message(context.db, to, texts.title, texts.mail, context.now, expires_at=expires_at)
    elif effect.by_mail:
        return "依頼者のメールアドレスがないため、メールを送っていません。"
    return None


def _message_shop(context: _Context, effect: e.ToShop) -> str | None:
    shop = context.db.get(Shop, effect.shop) if effect.shop is not None else None
    facts = _facts(context, shop)
    # A shop that does not hold the reservation is not notified of a booking.
    facts = replace(facts, is_booked=facts.is_booked and effect.shop == context.case.shop)
    mail = message_texts.shop_mail(effect.purpose, facts)
    name = shop.name if shop else context.reservation.shop_note or "一覧にない店舗"
    if shop is None or not shop.mail:
        return f"{name}のメールアドレスがないため、「{mail.title}」を送っていません。電話などで連絡してください。"
    reservation = context.reservation
    to = Addressee(reservation.id, reservation.code, "mail", "shop", effect.purpose, shop.mail)
    send_message(context.db, to, mail.title, mail.body, context.now)
    return None


def send_message(
    db: Session,
    to: Addressee,
    title: str,
    body: str,
    now: datetime,
    *,
    validity_seconds: int | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Publishes a message and stores it. The title of an SMS is only its title in the outbox. `validity_seconds`: of an
    SMS."""
    common: dict[str, Any] = {
        "area": AREA.name,
        "about": ("reservation", to.code),
        "title": title,
        "expires_at": expires_at,
    }
    if to.channel == "mail":
        published = queue.publish_mail(db, [to.address], title, body, **common)
    else:
        published = queue.publish_sms(db, to.address, body, validity_seconds=validity_seconds, **common)
    db.flush()  # for the key
    db.add(
        Message(
            reservation_id=to.reservation_id,
            channel=to.channel,
            recipient=to.recipient,
            purpose=to.purpose.value,
            address=to.address,
            title=title if to.channel == "mail" else "",
            body=body,
            message_key=published.key,
            created_at=now,
        )
    )


def poll_payment_now(db: Session, reservation_id: int) -> None:
    """The customer comes back from Stripe: the payment is polled now, not at its next turn."""
    db.execute(
        update(Payment)
        .where(Payment.reservation_id == reservation_id, Payment.status == "open", Payment.look_at > real_now())
        .values(look_at=real_now())
    )


def delete_links(db: Session, reservation_id: int, purposes: Collection[str]) -> None:
    db.execute(delete(Link).where(Link.reservation_id == reservation_id, Link.purpose.in_(purposes)))


def _withdraw_messages(context: _Context) -> None:
    """Withdraws waiting messages that no longer fit, such as the reminder of a cancelled reservation."""
    outdated = [purpose.value for purpose, states in VALID_STATES.items() if context.case.state not in states]
    if not outdated:
        return
    context.db.flush()
    waiting = context.db.scalars(
        select(Message.message_key).where(
            Message.reservation_id == context.reservation.id, Message.status == "waiting", Message.purpose.in_(outdated)
        )
    ).all()
    withdrawn = queue.withdraw(context.db, waiting, WITHDRAWN) if waiting else []
    if withdrawn:
        context.db.execute(update(Message).where(Message.message_key.in_(withdrawn)).values(status="dropped"))


def _call(context: _Context, effect: e.Call) -> None:
    db, code = context.db, context.reservation.code
    shop = db.get_one(Shop, effect.shop)
    script = call_script.build_script(_facts(context, shop))
    payload = {
        "do": "call",
        "number": effect.number,
        "phone": shop.phone,
        "task": script.task,
        "first_sentence": script.first_sentence,
        "language": "ja",
        "max_minutes": settings().call_minutes,
        "request_data": dict(script.request_data),
        "analysis_schema": dict(script.analysis_schema),
    }
    call = PhoneCall(
        reservation_id=context.reservation.id,
        number=effect.number,
        round=context.case.round,
        shop_id=shop.id,
        phone=shop.phone,
        planned_at=context.now,
    )
    db.add(call)
    db.flush()  # raises IntegrityError when the line is busy
    recipient, title = f"{shop.name} {shop.phone}", f"{code} 店舗への電話"
    # By then the next shop is called: an outdated call must not be placed.
    expires_at = context.now + CALL_TIMEOUT
    message = publish(db, code, "voice", payload, recipient=recipient, title=title, expires_at=expires_at)
    call.message_key = message.key


def _stop_call(context: _Context, effect: e.StopCall) -> None:
    db, reservation = context.db, context.reservation
    call = find_row(db, PhoneCall, PhoneCall.reservation_id == reservation.id, PhoneCall.number == effect.number)
    if call is None:
        return
    call.is_active, call.ended_at = False, call.ended_at or context.now
    db.flush()
    if call.external_id is not None:
        hang_up(db, reservation.code, call)
    elif call.message_key is not None:
        # A call that is being placed now is ended once its id is known, and not placed again
        # (`vendor_events.calls`).
        queue.withdraw(db, [call.message_key], WITHDRAWN)


def _pay_link(context: _Context, number: int) -> str:
    return _new_link(context, "pay", context.now + LINK_PAGE_LIFETIME, number)


def _checkout(context: _Context, effect: e.Checkout) -> None:
    reservation, return_url = context.reservation, _pay_link(context, effect.number)
    payload = {
        "do": "checkout",
        "number": effect.number,
        "reference": reservation.code,
        "amount": effect.amount,
        "name": f"{context.service} {context.plan}",
        "expires_in_seconds": CHECKOUT_LIFETIME_SECONDS,
        "success_url": f"{return_url}/done",
        "cancel_url": return_url,
        "metadata": {"reservation": reservation.code},
    }
    context.db.add(
        Payment(reservation_id=reservation.id, number=effect.number, amount=effect.amount, created_at=context.now)
    )
    title = f"{reservation.code} 決済ページ（{message_texts.yen(effect.amount)}）"
    publish(context.db, reservation.code, "payments", payload, recipient="Stripe", title=title)


def _expire(context: _Context, effect: e.Expire) -> None:
    payload = {"do": "expire", "session_id": effect.session}
    code = context.reservation.code
    publish(context.db, code, "payments", payload, recipient="Stripe", title=f"{code} 決済ページを閉じる")


def _refund(context: _Context, effect: e.Refund) -> None:
    reservation = context.reservation
    payload = {
        "do": "refund",
        "number": effect.number,
        "payment_intent": effect.intent,
        "amount": effect.amount,
        "reference": reservation.code,
    }
    context.db.add(
        Refund(
            reservation_id=reservation.id,
            number=effect.number,
            intent=effect.intent,
            amount=effect.amount,
            created_at=context.now,
        )
    )
    title = f"{reservation.code} 返金（{message_texts.yen(effect.amount)}）"
    publish(context.db, reservation.code, "payments", payload, recipient="Stripe", title=title)
