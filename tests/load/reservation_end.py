"""Reservations that were caught in faults: played to their end, and then compared with what the vendors truly did."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text

from service.core.outbox.records import OutboxMessage
from service.reservations.events import rules as e
from service.reservations.events.rules import FINAL_STATES, State
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Payment, PhoneCall, Refund
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from tests.load.reservation_world import World

# What is in a dead sender's hands waits for the lease, and what is in doubt for its pauses; both pass with the clock.
PASS = timedelta(minutes=3)
IN_THE_END = frozenset({*FINAL_STATES, State.CONFIRMED})
_WAITING = (
    "UPDATE outbox_messages SET next_attempt_at = next_attempt_at - :span WHERE sent_at IS NULL AND dead_at IS NULL",
    "UPDATE reservations_calls SET look_at = look_at - :span",
    "UPDATE reservations_payments SET look_at = look_at - :span",
    "UPDATE reservations_refunds SET look_at = look_at - :span",
    "UPDATE reservations_messages SET look_at = look_at - :span",
)


def play(world: World, stop: threading.Event) -> None:
    """Customers: of four, two pay, one of whom cancels afterwards; the others let the ten minutes pass. Whoever meets
    a service or a database that is away comes back."""
    while not stop.wait(0.3):
        try:
            for one in world.reservations():
                part = one.id % 4
                if one.state == State.AWAITING_PAYMENT and part < 2:
                    world.pay(str(one.case_now["session"]))
                elif one.state == State.CONFIRMED and part == 0:
                    with world.scene.db() as db:
                        flow.record_event(db, one.id, e.CancelAsked(by="customer"), source="customer")
        except Exception:  # whatever is away just now
            time.sleep(0.5)  # before they try again


def pass_time(world: World, span: timedelta) -> None:
    world.scene.stack.move_clock(minutes=span // timedelta(minutes=1))
    with world.scene.db() as db:
        for statement in _WAITING:
            db.execute(text(statement), {"span": span})


def still_open(world: World) -> dict[str, str]:
    """What has not come to its end, by what it is."""
    left = {one.code: one.state for one in world.reservations() if one.state not in IN_THE_END}
    with world.scene.db() as db:
        waiting = select(OutboxMessage).where(
            OutboxMessage.subject_id.in_(world.codes),
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.dead_at.is_(None),
        )
        left |= {f"{one.subject_id} {one.title}": one.last_error or "" for one in db.scalars(waiting)}
        # Twilio tells of it once; what it told while nobody listened is asked for.
        on_its_way = select(Message).where(Message.channel == "sms", Message.status == "sent")
        return left | {f"SMS {one.external_id}": one.status for one in db.scalars(on_its_way)}


def agree(world: World) -> None:
    """Nothing is done twice at a vendor that can be told from a repeat, nothing is forgotten, and what nobody can say
    is before people."""
    mine = world.reservations()
    assert {one.code for one in mine} == set(world.codes), "every answer is a reservation"
    assert len(mine) == len(world.codes), "every request became one reservation"
    ids = [one.id for one in mine]
    states = Counter(one.state for one in mine)
    print(dict(states))
    # Not that nothing happened at all.
    assert {State.CONFIRMED, State.REFUNDED, State.PAYMENT_TIMEOUT} <= set(states)
    with world.scene.db() as db:

        def rows(table: type[Any]) -> list[Any]:
            return list(db.scalars(select(table).where(table.reservation_id.in_(ids))))

        letters, calls, payments, refunds = (rows(one) for one in (Message, PhoneCall, Payment, Refund))
        tasks = list(db.scalars(select(Operation).where(Operation.reservation_id.in_(ids))))
        dead = select(OutboxMessage).where(
            OutboxMessage.subject_id.in_(world.codes), OutboxMessage.dead_at.is_not(None)
        )
        unsent = [one for one in db.scalars(dead) if one.discarded_at is None]
    phones = {one.phone for one in mine}

    sms = [one for one in world.scene.stack.control("sms") if one["to"] in phones]
    by_key = Counter(one["effect"] for one in sms)
    assert [key for key, times in by_key.items() if times > 1] == [], "no SMS twice"
    texts = Counter((one["to"], one["body"]) for one in sms)
    assert [text for text, times in texts.items() if times > 1] == []
    wanted = {str(one.message_key) for one in letters if one.channel == "sms" and one.status != "dropped"}
    assert set(by_key) == wanted, "and none forgotten"
    fates = Counter(one.status for one in letters if one.channel == "sms")
    assert set(fates) <= {"delivered", "dropped"}, fates

    rung = Counter(one["effect"] for one in world.scene.stack.control("calls"))
    assert [key for key, times in rung.items() if times > 1] == [], "no call twice"
    known = {str(one.message_key) for one in calls if one.external_id}
    assert known == {key for key in rung if key in {str(one.message_key) for one in calls}}
    assert not any(one.is_active for one in calls)

    sessions = {one["id"]: one for one in world.scene.stack.control("sessions")}
    ours = {one.session_id: one for one in payments if one.session_id}
    assert {one: sessions[one]["status"] for one in ours} == {
        one: {"paid": "complete"}.get(payment.status, payment.status) for one, payment in ours.items()
    }
    given_back = [one for one in world.scene.stack.control("refunds") if one["status"] == "succeeded"]
    back = Counter(one["payment_intent"] for one in given_back)
    assert dict(back) == dict(Counter(one.intent for one in refunds)), "each given back once"
    for one in mine:
        kept = [pay for pay in payments if pay.reservation_id == one.id and pay.status == "paid"]
        kept = [pay for pay in kept if pay.intent not in back]
        assert len(kept) == (1 if one.state == State.CONFIRMED else 0), one.code
    # What nobody could say is before people.
    asked = {task.reservation_id for task in tasks}
    assert {one.subject_id for one in unsent} <= {one.code for one in mine if one.id in asked}
