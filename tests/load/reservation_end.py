"""Brings reservations that met faults to their end, and compares them with what the vendors really did."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text

from service.core.outbox.records import OutboxMessage
from service.reservations.flow import actions as flow
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import FINAL_STATES, State
from tests.load.reservation_scenario import Scenario

# A message of a killed sender waits for its lease, and one in doubt for its next check; moving the clock passes both.
TIME_STEP = timedelta(minutes=3)
END_STATES = frozenset({*FINAL_STATES, State.CONFIRMED})
_MOVE_DUE_TIMES = (
    "UPDATE outbox_messages SET next_attempt_at = next_attempt_at - :span WHERE sent_at IS NULL AND dead_at IS NULL",
    "UPDATE reservations_calls SET look_at = look_at - :span",
    "UPDATE reservations_payments SET look_at = look_at - :span",
    "UPDATE reservations_refunds SET look_at = look_at - :span",
    "UPDATE reservations_messages SET look_at = look_at - :span",
)


def play_customers(scenario: Scenario, stop: threading.Event) -> None:
    """The customers: of four, two pay, and one of these cancels afterwards; the others let the ten minutes pass. When
    the service or the database is unavailable, they try again."""
    while not stop.wait(0.3):
        try:
            for reservation in scenario.reservations():
                group = reservation.id % 4
                if reservation.state == State.AWAITING_PAYMENT and group < 2:
                    scenario.pay(str(reservation.case_now["session"]))
                elif reservation.state == State.CONFIRMED and group == 0:
                    with scenario.product.db() as db:
                        flow.record_event(db, reservation.id, e.CancelAsked(by="customer"), source="customer")
        except Exception:  # any part may be unavailable
            time.sleep(0.5)  # before the next attempt


def move_time(scenario: Scenario, span: timedelta) -> None:
    scenario.product.stack.move_clock(minutes=span // timedelta(minutes=1))
    with scenario.product.db() as db:
        for statement in _MOVE_DUE_TIMES:
            db.execute(text(statement), {"span": span})


def open_items(scenario: Scenario) -> dict[str, str]:
    """What has not reached its end, with its state."""
    remaining = {item.code: item.state for item in scenario.reservations() if item.state not in END_STATES}
    with scenario.product.db() as db:
        waiting = select(OutboxMessage).where(
            OutboxMessage.subject_id.in_(scenario.codes),
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.dead_at.is_(None),
        )
        remaining |= {f"{item.subject_id} {item.title}": item.last_error or "" for item in db.scalars(waiting)}
        # Twilio reports the result once; a report that was lost is polled later.
        in_transit = select(Message).where(Message.channel == "sms", Message.status == "sent")
        return remaining | {f"SMS {item.external_id}": item.status for item in db.scalars(in_transit)}


def compare_with_vendors(scenario: Scenario) -> None:
    """Nothing is done twice at a vendor that can recognise a repeat, nothing is lost, and everything in doubt has a
    task for the operators."""
    reservations = scenario.reservations()
    assert {reservation.code for reservation in reservations} == set(scenario.codes), "every answer is a reservation"
    assert len(reservations) == len(scenario.codes), "every request became one reservation"
    ids = [reservation.id for reservation in reservations]
    states = Counter(reservation.state for reservation in reservations)
    print(dict(states))
    # At least something must have happened.
    assert {State.CONFIRMED, State.REFUNDED, State.PAYMENT_TIMEOUT} <= set(states)
    with scenario.product.db() as db:

        def rows(table: type[Any]) -> list[Any]:
            return list(db.scalars(select(table).where(table.reservation_id.in_(ids))))

        messages, calls, payments, refunds = (rows(table) for table in (Message, PhoneCall, Payment, Refund))
        tasks = list(db.scalars(select(Operation).where(Operation.reservation_id.in_(ids))))
        dead = select(OutboxMessage).where(
            OutboxMessage.subject_id.in_(scenario.codes), OutboxMessage.dead_at.is_not(None)
        )
        unsent = [message for message in db.scalars(dead) if message.discarded_at is None]
    phones = {reservation.phone for reservation in reservations}

    sms = [item for item in scenario.product.stack.control("sms") if item["to"] in phones]
    sms_by_key = Counter(item["effect"] for item in sms)
    assert [key for key, times in sms_by_key.items() if times > 1] == [], "no SMS twice"
    texts = Counter((item["to"], item["body"]) for item in sms)
    assert [text for text, times in texts.items() if times > 1] == []
    expected = {
        str(message.message_key) for message in messages if message.channel == "sms" and message.status != "dropped"
    }
    assert set(sms_by_key) == expected, "and none forgotten"
    sms_statuses = Counter(message.status for message in messages if message.channel == "sms")
    assert set(sms_statuses) <= {"delivered", "dropped"}, sms_statuses

    calls_by_key = Counter(item["effect"] for item in scenario.product.stack.control("calls"))
    assert [key for key, times in calls_by_key.items() if times > 1] == [], "no call twice"
    placed_keys = {str(call.message_key) for call in calls if call.external_id}
    assert placed_keys == {key for key in calls_by_key if key in {str(call.message_key) for call in calls}}
    assert not any(call.is_active for call in calls)

    sessions = {item["id"]: item for item in scenario.product.stack.control("sessions")}
    own_payments = {payment.session_id: payment for payment in payments if payment.session_id}
    assert {session_id: sessions[session_id]["status"] for session_id in own_payments} == {
        session_id: {"paid": "complete"}.get(payment.status, payment.status)
        for session_id, payment in own_payments.items()
    }
    succeeded_refunds = [item for item in scenario.product.stack.control("refunds") if item["status"] == "succeeded"]
    refund_counts = Counter(item["payment_intent"] for item in succeeded_refunds)
    assert dict(refund_counts) == dict(Counter(refund.intent for refund in refunds)), "each given back once"
    for reservation in reservations:
        paid_payments = [pay for pay in payments if pay.reservation_id == reservation.id and pay.status == "paid"]
        paid_payments = [pay for pay in paid_payments if pay.intent not in refund_counts]
        assert len(paid_payments) == (1 if reservation.state == State.CONFIRMED else 0), reservation.code
    # What stayed in doubt has a task.
    with_task = {task.reservation_id for task in tasks}
    assert {message.subject_id for message in unsent} <= {
        reservation.code for reservation in reservations if reservation.id in with_task
    }
