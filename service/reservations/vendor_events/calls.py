"""What Bland reports about the calls to shops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox.records import Settled
from service.reservations.flow.actions import apply_event
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import hang_up
from service.reservations.outgoing.models import PhoneCall
from service.reservations.outgoing.queries import find_row
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from service.reservations.vendor_events import queries
from service.reservations.vendor_events.rules import ALREADY_APPLIED, EARLIER_MESSAGE, FIRST_POLL_DELAY, UnknownObject
from service.reservations.vendor_events.transcripts import read_call

# A call that has not ended for so long is no longer polled.
CALL_POLL_LIMIT = timedelta(hours=2)


def handle_call_event(db: Session, call_id: str, message_key: str) -> tuple[int, str]:
    """Bland reports about a call. The call is then polled, because others can replay its webhooks.

    Raises:
        UnknownObject: it is not a call of ours.
    """
    outbox_message = queries.outbox_message_by_key(db, message_key)
    call = find_row(db, PhoneCall, PhoneCall.external_id == call_id) or (
        find_row(db, PhoneCall, PhoneCall.message_key == outbox_message.key) if outbox_message else None
    )
    if call is None:
        raise UnknownObject
    reservation = queries.lock_with_reservation(db, call)
    if call.external_id not in (None, call_id):
        return reservation.id, EARLIER_MESSAGE
    call.external_id = call_id
    if call.read_answer is not None:
        return reservation.id, ALREADY_APPLIED
    call.look_at = real_now()
    return reservation.id, "通話の記録を確認します。"


def handle_call_poll(db: Session, call_id: int, details: Mapping[str, Any] | None) -> str:
    """Bland's details of a call, when polled; None: Bland has no such call."""
    call = db.get_one(PhoneCall, call_id)
    reservation = queries.lock_with_reservation(db, call)
    if call.read_answer is not None:
        return ALREADY_APPLIED
    if details is None:
        call.look_at = None
        reason = "Bland に通話の記録がありません。"
        _end_call(db, reservation, call, Answer.NO_RESULT, reason)
        return reason
    reading = read_call(details, queries.requested_time(db, call) or reservation.starts_at)
    if reading is None:
        if call.placed_at is not None and app_now(db) - call.placed_at > CALL_POLL_LIMIT:
            call.look_at = None
        return "通話中です。"
    call.look_at = None
    call.reading = reading.model_dump(mode="json", exclude={"transcript"})
    call.transcript = [line.model_dump() for line in reading.transcript]
    call.read_answer, call.seconds = reading.answer.value, reading.seconds
    _end_call(db, reservation, call, reading.answer, reading.operator_note)
    return reading.why


def handle_call_result(db: Session, result: Settled) -> None:
    """The request for a call was sent, or given up. A discarded one was given up before."""
    call = find_row(db, PhoneCall, PhoneCall.message_key == result.message.key)
    if call is None:
        return
    reservation = queries.lock_with_reservation(db, call)
    if result.outcome == "sent":
        call.external_id, call.placed_at = call.external_id or result.external_id, app_now(db)
        if call.read_answer is None:
            call.look_at = call.look_at or real_now() + FIRST_POLL_DELAY["call"]
            if not call.is_active:
                # The reservation has advanced while the call was being placed.
                hang_up(db, reservation.code, call)
    elif result.outcome == "dead" and call.is_active:
        _end_call(db, reservation, call, Answer.UNKNOWN if result.in_doubt else Answer.FAILED, result.error or "")


def _end_call(db: Session, reservation: Reservation, call: PhoneCall, answer: Answer, reason: str) -> None:
    ended = e.CallEnded(number=call.number, shop=call.shop_id, answer=answer)
    apply_event(db, reservation, ended, source="bland", note=reason)
