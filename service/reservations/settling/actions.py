"""What became of the messages that a reservation sent out, in the transaction that settles them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.core.clock import app_now, real_now
from service.core.outbox import OutboxMessage, Settled
from service.reservations.cases.rules import EXPIRY_PATIENCE, PAY_MINUTES
from service.reservations.effects.actions import WITHDRAWN, hang_up
from service.reservations.events import rules as e
from service.reservations.events.rules import Answer, Purpose, State
from service.reservations.flow import queries as flow
from service.reservations.flow.actions import happen
from service.reservations.flow.models import Letter, Payment, PhoneCall, Refund, Reservation
from service.reservations.news import queries
from service.reservations.news.actions import is_wanted, locked, refund_failed, refund_told, session_told, sms_failed
from service.reservations.news.rules import FIRST_LOOK, LETTER_RANKS, is_further


def settled(db: Session, what: Settled) -> None:
    """The reaction to every message of this area. What a person puts aside was given up before."""
    topic, key = what.message.topic, what.message.key
    if topic in ("sms", "mail"):
        letter = queries.letter_of(db, key)
        if letter is not None:
            _letter(db, letter, what)
    elif topic == "voice" and what.message.payload["do"] == "call":
        call = queries.call_of(db, key)
        if call is not None:
            _call(db, call, what)
    elif topic == "payments" and what.outcome != "discarded":
        _MONEY[what.message.payload["do"]](db, what)


def unwanted(db: Session, message: OutboxMessage) -> str | None:
    """Why a message should not leave any more, asked before each try: nobody is reminded of what was cancelled while
    the vendor was away, and no shop's telephone rings for it."""
    if message.topic in ("sms", "mail"):
        letter = queries.letter_of(db, message.key)
        if letter is None:
            return None
        case = flow.case_of(db.get_one(Reservation, letter.reservation_id))
        return None if is_wanted(db, letter, case) else WITHDRAWN
    if message.topic == "voice" and message.payload["do"] == "call":
        call = queries.call_of(db, message.key)
        if call is not None and not call.is_active:
            return WITHDRAWN
    return None


def _letter(db: Session, letter: Letter, what: Settled) -> None:
    _, case = locked(db, letter)
    letter.tries = what.message.tries
    if what.outcome == "sent":
        letter.external_id, letter.sent_at = letter.external_id or what.external_id, letter.sent_at or app_now(db)
        is_link = letter.purpose == Purpose.PAYMENT_LINK and letter.recipient == "customer"
        # Whether it arrived may be known already.
        arrives = letter.status in ("waiting", "sent", "delivered")
        if is_further(LETTER_RANKS, letter.status, "sent") or letter.status in ("failed", "dropped"):
            letter.status, letter.error, letter.error_code, arrives = "sent", "", None, True
        if letter.channel == "sms" and letter.status == "sent":
            letter.look_at = letter.look_at or real_now() + FIRST_LOOK["sms"]
        by_mail = letter.channel == "mail"
        # A link that another one has taken the place of begins no ten minutes.
        if is_link and arrives and case.by_mail == by_mail and queries.is_newest(db, letter):
            told = e.LinkSent(minutes=PAY_MINUTES, by_mail=by_mail)
            happen(db, letter.reservation_id, told, source="system" if by_mail else "twilio")
    elif what.outcome == "discarded":
        if letter.status == "waiting":
            letter.status = "dropped"
    else:
        _letter_failed(db, letter, what, is_wanted(db, letter, case), case.by_mail)


def _letter_failed(db: Session, letter: Letter, what: Settled, wanted: bool, by_mail: bool) -> None:
    if what.message.expired and not wanted:
        letter.status = "dropped"
        return
    letter.status, letter.error, letter.error_code = "failed", (what.error or "")[:500], (what.code or "")[:20] or None
    # A link that goes by mail alone is the only way to pay; any other mail has an SMS beside it.
    only_way = letter.purpose == Purpose.PAYMENT_LINK and by_mail
    if letter.recipient == "customer" and (letter.channel == "sms" or only_way):
        sms_failed(db, letter, what.error or "")


def _call(db: Session, call: PhoneCall, what: Settled) -> None:
    reservation, _ = locked(db, call)
    if what.outcome == "sent":
        call.external_id, call.placed_at = call.external_id or what.external_id, app_now(db)
        if call.read_answer is None:
            call.look_at = call.look_at or real_now() + FIRST_LOOK["call"]
            if not call.is_active:
                # The reservation has gone on while it was being placed.
                hang_up(db, reservation.code, call)
    elif what.outcome == "dead" and call.is_active:
        answer = Answer.UNKNOWN if what.in_doubt else Answer.FAILED
        ended = e.CallEnded(number=call.number, shop=call.shop_id, answer=answer)
        happen(db, reservation.id, ended, source="bland", note=what.error or "")


def _checkout(db: Session, what: Settled) -> None:
    payment = queries.numbered(db, Payment, queries.our_message(db, what.message.key))
    if payment is None:
        return
    reservation, _ = locked(db, payment)
    if what.outcome == "dead":
        if payment.status == "planned":
            payment.status, payment.closed_at = "failed", app_now(db)
        happen(db, reservation.id, e.CheckoutFailed(number=payment.number), source="stripe", note=what.error or "")
        return
    payment.session_id, payment.url = str(what.answer["session_id"]), what.answer["url"]
    if payment.status in ("planned", "failed"):
        payment.status, payment.closed_at, payment.look_at = "open", None, real_now() + FIRST_LOOK["payment"]
    db.flush()  # the page is looked for by its id
    ready = e.CheckoutReady(number=payment.number, session=payment.session_id)
    happen(db, reservation.id, ready, source="stripe")


def _expire(db: Session, what: Settled) -> None:
    payment = queries.payment_by_session(db, what.message.payload["session_id"])
    if payment is None:
        return
    if what.outcome == "sent":
        session_told(db, what.answer)
        return
    reservation, case = locked(db, payment)
    payment.look_at = real_now()
    # It is tried again at once, and then after the machine's patience: a vendor that lets nobody in says so at once.
    is_new = not queries.has_happened(db, reservation.id, "expiry_unclear", app_now(db) - EXPIRY_PATIENCE)
    if is_new and case.state is State.EXPIRING and case.session == payment.session_id:
        happen(db, reservation.id, e.ExpiryUnclear(), source="stripe", note=what.error or "")


def _refund(db: Session, what: Settled) -> None:
    answer: dict[str, Any] = dict(what.answer)
    if what.outcome == "sent":
        reason = str(answer.get("failure_reason") or "")
        refund_told(db, str(what.external_id), str(what.message.key), str(answer["status"]), reason)
        return
    refund = queries.numbered(db, Refund, queries.our_message(db, what.message.key))
    if refund is not None:
        locked(db, refund)
        # In doubt it may have been given back all the same: Stripe's word of it must still count.
        refund.status, refund.error = "pending" if what.in_doubt else "failed", (what.error or "")[:500]
        refund_failed(db, refund, refund.error)


_MONEY = {"checkout": _checkout, "expire": _expire, "refund": _refund}
