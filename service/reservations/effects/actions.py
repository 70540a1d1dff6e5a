"""Carries out what the state machine decided, in the transaction that decided it: rows, and messages of the outbox.

Nothing leaves here: what becomes of a message is told to `reservations.inbox` in the transaction that settles it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import outbox
from service.core.auth import Actor
from service.core.identity import hash_token
from service.core.pages import shell
from service.reservations.cases.rules import CALL_LIMIT, FINISH_AFTER, LONGEST_NOTICE, PAY_MINUTES, Case
from service.reservations.effects.models import Letter, Link, Payment, PhoneCall, Refund
from service.reservations.events import rules as e
from service.reservations.events.rules import Effect, Purpose, State
from service.reservations.letters import rules as letters
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA, GUIDES_PATH
from service.reservations.settings import settings
from service.reservations.shops.models import Shop

# The page on which is paid stays open for the tries of the SMS and ten minutes more; the machine closes it earlier.
CHECKOUT_SECONDS = 45 * 60
# A link to pay is not sent so late that the page closes under whoever pays.
LINK_USEFUL = timedelta(minutes=30)
LINK_VALIDITY_SECONDS = 600
# Its page says for a while longer how everything stands.
LINK_REMEMBERED = timedelta(days=7)
# Messages that are withdrawn when the reservation has left the states in which they make sense.
WANTED_IN = {
    Purpose.PAYMENT_LINK: frozenset({State.CALLING_SUCCESS, State.AWAITING_PAYMENT}),
    Purpose.REMINDER: frozenset({State.CONFIRMED}),
}
_WITH_CANCEL_LINK = frozenset({Purpose.REQUEST_RECEIVED, Purpose.CONFIRMED})
WITHDRAWN = "予約が先へ進んだため、送信を取りやめました。"


@dataclass(frozen=True)
class Booking:
    """What effects need to know of a reservation beside its case."""

    id: int
    code: str
    service: str
    plan: str
    customer_name: str
    phone: str
    mail: str
    wishes: str
    # An unlisted shop, in an operator's words.
    shop_note: str
    # It was confirmed, and the shop told so.
    is_booked: bool


@dataclass(frozen=True)
class _Work:
    db: Session
    booking: Booking
    case: Case
    now: datetime
    detail: str
    by: Actor | None


def carry_out(
    db: Session,
    booking: Booking,
    case: Case,
    effects: Iterable[Effect],
    now: datetime,
    *,
    moved: bool,
    detail: str = "",
    by: Actor | None = None,
) -> list[str]:
    """What people should read in the timeline beside it. `case` is what it has become; `moved`: to another state.
    `detail` goes with tasks; `by`: who moved it on, where that was a person of ours."""
    work = _Work(db, booking, case, now, detail, by)
    said = [_carry_out(work, effect) for effect in effects]
    if moved:
        _withdraw_letters(work)
    return [one for one in said if one]


def _carry_out(work: _Work, effect: Effect) -> str | None:
    match effect:
        case e.ToCustomer():
            return _to_customer(work, effect)
        case e.ToShop():
            return _to_shop(work, effect)
        case e.Call():
            _call(work, effect)
        case e.StopCall():
            _stop(work, effect)
        case e.Checkout():
            _checkout(work, effect)
        case e.Expire():
            _expire(work, effect)
        case e.Refund():
            _refund(work, effect)
        case e.ForPeople():
            operations.open(work.db, work.booking.id, work.booking.code, effect.task, work.detail)
        case e.Solved():
            operations.close(work.db, work.booking.id, effect.tasks, work.by)
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
) -> outbox.OutboxMessage:
    """A message about a reservation, with its key."""
    message = outbox.publish(
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


def new_link(db: Session, booking: Booking, purpose: str, until: datetime, payment: int | None = None) -> str:
    """The address of a public page. Only the hash of what opens it is kept."""
    token = secrets.token_urlsafe(16)
    db.add(
        Link(
            token_hash=hash_token(token),
            reservation_id=booking.id,
            purpose=purpose,
            payment_number=payment,
            expires_at=until,
        )
    )
    return f"{shell.address()}/{purpose}/{token}"


def hang_up(db: Session, code: str, call: PhoneCall) -> None:
    """Ends a call that the vendor has."""
    payload = {"do": "stop", "call_id": call.external_id, "number": call.number}
    publish(db, code, "voice", payload, recipient=call.phone, title=f"{code} 電話の中止")


def _facts(work: _Work, shop: Shop | None) -> letters.Facts:
    booking, case, config = work.booking, work.case, settings()
    return letters.Facts(
        code=booking.code,
        service=booking.service,
        plan=booking.plan,
        starts_at=case.starts_at,
        price=case.price,
        customer_name=booking.customer_name,
        phone=booking.phone,
        wishes=booking.wishes,
        cancel_until=case.cancel_until,
        shop=shop.name if shop else booking.shop_note,
        shop_phone=shop.phone if shop else "",
        is_booked=booking.is_booked,
        paid=case.paid,
        pay_minutes=PAY_MINUTES,
        support_phone=config.support_phone,
        support_mail=config.support_mail,
        guides_url=f"{shell.address()}{GUIDES_PATH}/",
    )


def _to_customer(work: _Work, effect: e.ToCustomer) -> str | None:
    db, booking, case = work.db, work.booking, work.case
    shop = db.get(Shop, case.shop) if case.shop is not None else None
    facts = _facts(work, shop)
    is_link = effect.purpose is Purpose.PAYMENT_LINK
    if is_link:
        facts = replace(facts, pay_url=_pay_link(work, case.checkouts))
    elif effect.purpose in _WITH_CANCEL_LINK:
        until = max(case.starts_at + FINISH_AFTER, work.now + LONGEST_NOTICE) + LINK_REMEMBERED
        facts = replace(facts, cancel_url=new_link(db, booking, "cancel", until))
    words = letters.to_customer(effect.purpose, facts)
    expires_at = work.now + LINK_USEFUL if is_link else case.starts_at if effect.purpose is Purpose.REMINDER else None
    # A number that takes no SMS is not tried again where a mail says the same.
    if not effect.by_mail and not (case.sms_fails and booking.mail):
        payload = {
            "to": booking.phone,
            "body": words.sms,
            "validity_seconds": LINK_VALIDITY_SECONDS if is_link else None,
        }
        title = f"{booking.code} {words.title.partition('（')[0]}"
        message = publish(db, booking.code, "sms", payload, recipient=booking.phone, title=title, expires_at=expires_at)
        _keep_letter(work, message, "sms", "customer", effect.purpose, booking.phone, title="", body=words.sms)
    if booking.mail:
        _mail(work, "customer", effect.purpose, booking.mail, words.title, words.mail, expires_at)
    elif effect.by_mail:
        return "依頼者のメールアドレスがないため、メールを送っていません。"
    return None


def _to_shop(work: _Work, effect: e.ToShop) -> str | None:
    shop = work.db.get(Shop, effect.shop) if effect.shop is not None else None
    facts = _facts(work, shop)
    # A shop that never had it, or no longer has, hears nothing of a booking.
    facts = replace(facts, is_booked=facts.is_booked and effect.shop == work.case.shop)
    mail = letters.to_shop(effect.purpose, facts)
    name = shop.name if shop else work.booking.shop_note or "一覧にない店舗"
    if shop is None or not shop.mail:
        return f"{name}のメールアドレスがないため、「{mail.title}」を送っていません。電話などで連絡してください。"
    _mail(work, "shop", effect.purpose, shop.mail, mail.title, mail.body)
    return None


def _mail(
    work: _Work,
    recipient: str,
    purpose: Purpose,
    address: str,
    title: str,
    body: str,
    expires_at: datetime | None = None,
) -> None:
    payload = {"to": [address], "subject": title, "body": body}
    message = publish(
        work.db, work.booking.code, "mail", payload, recipient=address, title=title, expires_at=expires_at
    )
    _keep_letter(work, message, "mail", recipient, purpose, address, title, body)


def _keep_letter(
    work: _Work,
    message: outbox.OutboxMessage,
    channel: str,
    recipient: str,
    purpose: Purpose,
    address: str,
    title: str,
    body: str,
) -> None:
    work.db.add(
        Letter(
            reservation_id=work.booking.id,
            channel=channel,
            recipient=recipient,
            purpose=purpose.value,
            address=address,
            title=title,
            body=body,
            message_key=message.key,
            created_at=work.now,
        )
    )


def _withdraw_letters(work: _Work) -> None:
    """What still waits and no longer fits is not sent: nobody is reminded of what was cancelled."""
    unwanted = [purpose.value for purpose, states in WANTED_IN.items() if work.case.state not in states]
    if not unwanted:
        return
    work.db.flush()
    waiting = work.db.scalars(
        select(Letter.message_key).where(
            Letter.reservation_id == work.booking.id, Letter.status == "waiting", Letter.purpose.in_(unwanted)
        )
    ).all()
    dropped = outbox.withdraw(work.db, waiting, WITHDRAWN) if waiting else []
    if dropped:
        work.db.execute(update(Letter).where(Letter.message_key.in_(dropped)).values(status="dropped"))


def _call(work: _Work, effect: e.Call) -> None:
    db, code = work.db, work.booking.code
    shop = db.get_one(Shop, effect.shop)
    script = letters.call(_facts(work, shop))
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
        reservation_id=work.booking.id,
        number=effect.number,
        round=work.case.round,
        shop_id=shop.id,
        phone=shop.phone,
        planned_at=work.now,
    )
    db.add(call)
    db.flush()  # the line may be taken
    recipient, title = f"{shop.name} {shop.phone}", f"{code} 店舗への電話"
    # By then the next shop is called: this one's telephone must not ring for nothing.
    until = work.now + CALL_LIMIT
    message = publish(db, code, "voice", payload, recipient=recipient, title=title, expires_at=until)
    call.message_key = message.key


def _stop(work: _Work, effect: e.StopCall) -> None:
    call = work.db.scalars(
        select(PhoneCall).where(PhoneCall.reservation_id == work.booking.id, PhoneCall.number == effect.number)
    ).one_or_none()
    if call is None:
        return
    call.is_active, call.ended_at = False, call.ended_at or work.now
    work.db.flush()
    if call.external_id is not None:
        hang_up(work.db, work.booking.code, call)
    elif call.message_key is not None:
        # One that is being placed just now is ended once it is known, and not placed anew (`settling`).
        outbox.withdraw(work.db, [call.message_key], WITHDRAWN)


def _pay_link(work: _Work, number: int) -> str:
    return new_link(work.db, work.booking, "pay", work.now + LINK_REMEMBERED, number)


def _checkout(work: _Work, effect: e.Checkout) -> None:
    booking, back = work.booking, _pay_link(work, effect.number)
    payload = {
        "do": "checkout",
        "number": effect.number,
        "reference": booking.code,
        "amount": effect.amount,
        "name": f"{booking.service} {booking.plan}",
        "expires_in_seconds": CHECKOUT_SECONDS,
        "success_url": f"{back}/done",
        "cancel_url": back,
        "metadata": {"reservation": booking.code},
    }
    work.db.add(Payment(reservation_id=booking.id, number=effect.number, amount=effect.amount, created_at=work.now))
    title = f"{booking.code} 決済ページ（{letters.yen(effect.amount)}）"
    publish(work.db, booking.code, "payments", payload, recipient="Stripe", title=title)


def _expire(work: _Work, effect: e.Expire) -> None:
    payload = {"do": "expire", "session_id": effect.session}
    code = work.booking.code
    publish(work.db, code, "payments", payload, recipient="Stripe", title=f"{code} 決済ページを閉じる")


def _refund(work: _Work, effect: e.Refund) -> None:
    booking = work.booking
    payload = {
        "do": "refund",
        "number": effect.number,
        "payment_intent": effect.intent,
        "amount": effect.amount,
        "reference": booking.code,
    }
    work.db.add(
        Refund(
            reservation_id=booking.id,
            number=effect.number,
            intent=effect.intent,
            amount=effect.amount,
            created_at=work.now,
        )
    )
    title = f"{booking.code} 返金（{letters.yen(effect.amount)}）"
    publish(work.db, booking.code, "payments", payload, recipient="Stripe", title=title)
