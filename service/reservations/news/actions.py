"""What a vendor says about something of ours, taken into the reservation: by a webhook, as the answer to a message, or
when it was asked. In any order and as often as it likes: what is known already changes nothing.

The reservation is locked before anything of it is judged. Each function says in a few words what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from service.core import outbox
from service.core.clock import app_now, real_now
from service.reservations.cases.rules import Case
from service.reservations.effects.actions import WANTED_IN
from service.reservations.events import rules as e
from service.reservations.events.rules import Answer, Purpose
from service.reservations.flow import queries as flow
from service.reservations.flow.actions import happen
from service.reservations.flow.models import Letter, Payment, PhoneCall, Refund, Reservation
from service.reservations.listening.rules import read
from service.reservations.news import queries
from service.reservations.news.rules import (
    FIRST_LOOK,
    LETTER_RANKS,
    PASSING_CODES,
    REFUND_RANKS,
    SMS_LOOKED_AT,
    SMS_PAUSES,
    dispute_cause,
    is_further,
    letter_status,
    not_arrived,
    refund_cause,
    refund_status,
)
from service.reservations.rules import AREA

Thing = TypeVar("Thing", Letter, Payment, PhoneCall, Refund)
KNOWN = "すでに反映済みの連絡です。"
EARLIER = "以前の送信についての連絡です。"
# A call that the vendor calls neither over nor gone for so long is not looked at any more.
LOOKED_AT = timedelta(hours=2)
# A customer's bank may send money back weeks after it was given back: so long each refund is looked at, once a day.
REFUND_LOOKED_AT, REFUND_LOOKS = timedelta(days=30), timedelta(days=1)


class NotKnownYet(Exception):
    """Nothing of ours is called so; our own commit may be under way."""


def locked(db: Session, thing: Thing) -> tuple[Reservation, Case]:
    """The reservation, nobody else's until the transaction ends, and `thing` as it is by now."""
    found = flow.locked(db, thing.reservation_id)
    db.refresh(thing)
    return found, flow.case_of(found)


# SMS


def sms_told(db: Session, sid: str, status: str, code: str, effect: str) -> tuple[int, str]:
    """Twilio's status of an SMS; `effect` is the key of the message that it was sent by. Whose it is, and what of it.

    Raises:
        NotKnownYet: no SMS of ours.
    """
    message = queries.our_message(db, effect)
    letter = (queries.letter_of(db, message.key) if message else None) or queries.letter_by_sid(db, sid)
    if letter is None:
        owner = queries.reservation_id(db, message.subject_id or "") if message else None
        if owner is None:
            raise NotKnownYet
        return owner, EARLIER
    reservation, case = locked(db, letter)
    if letter.external_id not in (None, sid) or (message is not None and letter.message_key != message.key):
        return reservation.id, EARLIER
    # The answer to our own request may still be on its way.
    letter.external_id = sid
    now = letter_status(status)
    if now is None or not is_further(LETTER_RANKS, letter.status, now):
        return reservation.id, KNOWN
    if now == "delivered":
        letter.status, letter.delivered_at, letter.look_at = now, app_now(db), None
        return reservation.id, "届きました。"
    if now == "sent":
        letter.status, letter.sent_at = now, letter.sent_at or app_now(db)
        return reservation.id, "送信されました。"
    letter.error_code, letter.error, letter.look_at = code or None, not_arrived(code), None
    if _sent_again(db, letter, case, code):
        return reservation.id, "届かなかったため、時間をおいて送り直します。"
    letter.status = "undelivered"
    sms_failed(db, letter, letter.error)
    return reservation.id, "届きませんでした。"


def sms_seen(db: Session, letter: Letter, sid: str, told: Mapping[str, Any]) -> str:
    """How it stands when Twilio is asked."""
    if letter.external_id != sid:
        return EARLIER
    _, outcome = sms_told(db, sid, str(told["status"]), str(told.get("error_code") or ""), "")
    if letter.sent_at is not None and app_now(db) - letter.sent_at > SMS_LOOKED_AT:
        letter.look_at = None
    return outcome


def _sent_again(db: Session, letter: Letter, case: Case, code: str) -> bool:
    """By another message, which counts on from the tries of this one."""
    before = queries.our_message(db, letter.message_key)
    if before is None or code not in PASSING_CODES or before.tries > len(SMS_PAUSES):
        return False
    if not is_wanted(db, letter, case):
        return False
    again = outbox.publish(
        db,
        before.topic,
        before.payload,
        area=AREA.name,
        recipient=before.recipient,
        title=before.title,
        about=(before.subject or "reservation", before.subject_id),
        expires_at=before.expires_at,
        not_before=app_now(db) + SMS_PAUSES[max(before.tries, 1) - 1],
        tries=before.tries,
    )
    db.flush()
    letter.message_key, letter.external_id, letter.status, letter.tries = again.key, None, "waiting", before.tries
    if letter.purpose == Purpose.PAYMENT_LINK:
        happen(db, letter.reservation_id, e.LinkLost(), source="twilio", note=letter.error)
    return True


def sms_failed(db: Session, letter: Letter, why: str) -> None:
    """A number or address that was put right meanwhile says nothing about the one that holds now."""
    if is_to_now(db, letter):
        happen(db, letter.reservation_id, e.SmsFailed(purpose=letter.purpose), source="twilio", note=why)


def is_to_now(db: Session, letter: Letter) -> bool:
    """Whether it goes where the customer is reached by now. A shop's does."""
    to = db.get_one(Reservation, letter.reservation_id)
    return letter.recipient != "customer" or letter.address in (to.phone, to.mail)


def is_wanted(db: Session, letter: Letter, case: Case) -> bool:
    """Whether it should still arrive: what was true when it was written may be so no more."""
    states = WANTED_IN.get(Purpose(letter.purpose))
    if (states is not None and case.state not in states) or not is_to_now(db, letter):
        return False
    if letter.purpose != Purpose.PAYMENT_LINK:
        return True
    return not (letter.channel == "sms" and case.by_mail) and queries.is_newest(db, letter)


# Calls


def call_hinted(db: Session, call_id: str, effect: str) -> tuple[int, str]:
    """Bland says that something became of a call. It is asked what: its webhooks can be told again by others.

    Raises:
        NotKnownYet: no call of ours.
    """
    message = queries.our_message(db, effect)
    call = queries.call_by_id(db, call_id) or (queries.call_of(db, message.key) if message else None)
    if call is None:
        raise NotKnownYet
    reservation, _ = locked(db, call)
    if call.external_id not in (None, call_id):
        return reservation.id, EARLIER
    call.external_id = call_id
    if call.read_answer is not None:
        return reservation.id, KNOWN
    call.look_at = real_now()
    return reservation.id, "通話の記録を確認します。"


def call_seen(db: Session, call: PhoneCall, details: Mapping[str, Any]) -> str:
    """Bland's details of a call of ours."""
    _, case = locked(db, call)
    if call.read_answer is not None:
        return KNOWN
    reading = read(details, queries.asked_for(db, call) or case.starts_at)
    if reading is None:
        if call.placed_at is not None and app_now(db) - call.placed_at > LOOKED_AT:
            call.look_at = None
        return "通話中です。"
    call.reading = reading.model_dump(mode="json", exclude={"transcript"})
    call.transcript = [line.model_dump() for line in reading.transcript]
    call.read_answer, call.seconds = reading.answer.value, reading.seconds
    _ended(db, call, reading.answer, reading.told)
    return reading.why


def call_gone(db: Session, call: PhoneCall) -> str:
    """Bland has no such call."""
    locked(db, call)
    if call.read_answer is not None:
        return KNOWN
    why = "Bland に通話の記録がありません。"
    _ended(db, call, Answer.NO_RESULT, why)
    return why


def _ended(db: Session, call: PhoneCall, answer: Answer, why: str) -> None:
    call.look_at, call.is_active, call.ended_at = None, False, call.ended_at or app_now(db)
    db.flush()  # the next call may take the line
    ended = e.CallEnded(number=call.number, shop=call.shop_id, answer=answer)
    happen(db, call.reservation_id, ended, source="bland", note=why)


# Money


def session_told(db: Session, session: Mapping[str, Any]) -> tuple[int, str]:
    """Where a page to pay on stands (`jobs.vendors.payments`), from Stripe itself.

    Raises:
        NotKnownYet: no page of ours.
    """
    payment = queries.payment_by_session(db, str(session["session_id"]))
    if payment is None or payment.session_id is None:
        raise NotKnownYet
    reservation, _ = locked(db, payment)
    if session["payment_status"] == "paid":
        return reservation.id, _paid(db, payment, session)
    if session["status"] != "expired":
        return reservation.id, "支払いを待っています。"
    if payment.status in ("paid", "expired"):
        return reservation.id, KNOWN
    payment.status, payment.closed_at, payment.look_at = "expired", app_now(db), None
    happen(db, reservation.id, e.SessionClosed(session=payment.session_id), source="stripe")
    return reservation.id, "決済ページは閉じています。"


def _paid(db: Session, payment: Payment, session: Mapping[str, Any]) -> str:
    if payment.status == "paid":
        return KNOWN
    intent = str(session["payment_intent"] or payment.session_id)
    payment.status, payment.intent, payment.closed_at, payment.look_at = "paid", intent, app_now(db), None
    amount = session["amount_total"] if session["amount_total"] is not None else payment.amount
    paid = e.Paid(session=payment.session_id or "", intent=intent, amount=int(amount))
    happen(db, payment.reservation_id, paid, source="stripe")
    return "支払われました。"


def refund_told(db: Session, refund_id: str, effect: str, status: str, reason: str) -> tuple[int, str]:
    """Where a refund stands, from Stripe itself; `effect` is the key of the message that asked for it.

    Raises:
        NotKnownYet: no refund of ours.
    """
    refund = queries.refund_by_id(db, refund_id) or queries.numbered(db, Refund, queries.our_message(db, effect))
    if refund is None:
        raise NotKnownYet
    reservation, _ = locked(db, refund)
    if refund.refund_id not in (None, refund_id):
        return reservation.id, EARLIER
    refund.refund_id = refund_id
    now = refund_status(status)
    if not is_further(REFUND_RANKS, refund.status, now):
        if refund.status == "succeeded":
            refund.look_at = _next_look(db, refund)
        return reservation.id, KNOWN
    refund.status = now
    if now == "pending":
        refund.look_at = real_now() + FIRST_LOOK["refund"]
        return reservation.id, "返金を受け付けました。"
    refund.look_at, refund.settled_at = None, app_now(db)
    if now == "succeeded":
        refund.look_at = _next_look(db, refund)
        happen(db, reservation.id, e.RefundDone(intent=refund.intent, amount=refund.amount), source="stripe")
        return reservation.id, "返金されました。"
    refund.error = refund_cause(reason)[:500]
    refund_failed(db, refund, refund.error)
    return reservation.id, "返金に失敗しました。"


def _next_look(db: Session, refund: Refund) -> datetime | None:
    """At money that was given back: that it came back later may be told by no webhook."""
    is_old = refund.settled_at is not None and app_now(db) - refund.settled_at > REFUND_LOOKED_AT
    return None if is_old else real_now() + REFUND_LOOKS


def refund_failed(db: Session, refund: Refund, why: str) -> None:
    happen(db, refund.reservation_id, e.RefundFailed(intent=refund.intent), source="stripe", note=why)


def disputed(db: Session, intent: str, reason: str) -> tuple[int, str]:
    """Raises NotKnownYet: no payment of ours."""
    payment = queries.payment_by_intent(db, intent)
    if payment is None:
        raise NotKnownYet
    happen(db, payment.reservation_id, e.Disputed(), source="stripe", note=dispute_cause(reason))
    return payment.reservation_id, "支払いへの異議がありました。"
