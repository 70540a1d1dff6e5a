"""Several reservations at the same time, with every job in its own thread, while vendors lose, repeat and delay
their events."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs import reservations as jobs
from service.core.database.session import SYSTEM, transaction
from service.reservations.flow import actions as flow
from service.reservations.flow import queries
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Payment
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import FINAL_STATES, State
from tests.api.reservations import scene
from tests.jobs.reservation_scenario import FIRST, Scenario

# How many reservations, and the seconds between two runs of a job.
EVERY_DAY, OFTEN = (3, 0.4), (10, 0.02)


@pytest.mark.parametrize(
    ("count", "pause"),
    [
        pytest.param(*EVERY_DAY, id="every day"),
        *(pytest.param(*OFTEN, marks=pytest.mark.deep, id=f"by chance {number}") for number in range(5)),
    ],
)
def test_whatever_is_lost_repeated_or_late_money_and_reservations_agree(
    scenario: Scenario, count: int, pause: float
) -> None:
    # Every day the same faults; in deep runs, faults by the random seed of the run.
    seed = 1 if (count, pause) == EVERY_DAY else random.randrange(2**32)
    sandbox = scenario.sandbox
    sandbox.script("shop", "refused", "vague", "voicemail", phone=FIRST)
    for vendor, endpoint in (("twilio", "callback"), ("bland", "webhook"), ("stripe", "webhook")):
        sandbox.fault(vendor, "drop", operation=endpoint, probability=0.3, seed=seed)
        sandbox.fault(vendor, "duplicate", operation=endpoint, probability=0.3, seed=seed + 1)
    for vendor, endpoint in (
        ("twilio", "messages.create"),
        ("bland", "calls.create"),
        ("stripe", "sessions.create"),
        ("stripe", "sessions.expire"),
        ("stripe", "refunds.create"),
    ):
        sandbox.fault(vendor, "drop", operation=endpoint, probability=0.25, seed=seed + 2)
    with transaction(SYSTEM) as db:
        ids = [scene.create_reservation(db).id for _ in range(count)]
    stop = threading.Event()
    threads = [
        threading.Thread(target=run_repeatedly, args=(job, stop, pause))
        for job in (
            jobs.advance_reservations,
            jobs.read_webhooks,
            jobs.look,
            scenario.send,
            lambda: simulate_users(scenario.sandbox.pay, ids),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            stop.wait(0.3)
            if {state(reservation_id) for reservation_id in ids} <= {*FINAL_STATES, State.CONFIRMED}:
                break
            scenario.pass_time(timedelta(seconds=45))
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    for fault in sandbox.faults():
        sandbox.switch_off(fault["id"])
    for _ in range(3):
        scenario.pass_time(timedelta(minutes=16)).run_until_idle()

    assert {state(reservation_id) for reservation_id in ids} <= {*FINAL_STATES, State.CONFIRMED}
    if (count, pause) == EVERY_DAY:
        # Proof that payments and refunds happened at all.
        assert {State.CONFIRMED, State.REFUNDED} <= {state(reservation_id) for reservation_id in ids}
    assert not any(call["overlapped"] for call in sandbox.calls())
    texts = Counter((sms["to"], sms["body"], sms["effect"]) for sms in sandbox.sms())
    assert set(texts.values()) == {1}
    paid = {session["payment_intent"]: session for session in sandbox.sessions() if session["status"] == "complete"}
    refunded = Counter(refund["payment_intent"] for refund in sandbox.refunds() if refund["status"] != "failed")
    assert set(refunded.values()) <= {1}
    for reservation_id in ids:
        with transaction(SYSTEM) as db:
            statement = select(Payment.intent).where(Payment.reservation_id == reservation_id, Payment.status == "paid")
            intents = set(db.scalars(statement))
        retained = intents - set(refunded)
        assert intents <= set(paid)
        assert len(retained) == (1 if state(reservation_id) is State.CONFIRMED else 0), state(reservation_id)
    assert not any(session["status"] == "open" for session in sandbox.sessions())


def run_repeatedly(job: Callable[[], object], stop: threading.Event, pause: float) -> None:
    while not stop.is_set():
        job()
        stop.wait(pause)


def state(reservation_id: int) -> State:
    with transaction(SYSTEM) as db:
        return State(db.get_one(Reservation, reservation_id).state)


def simulate_users(pay: Callable[[str], object], ids: list[int]) -> None:
    """Customers: every second one pays, every third one cancels after the payment. Operators record a shop's yes."""
    for number, reservation_id in enumerate(ids):
        with transaction(SYSTEM) as db:
            reservation = db.get_one(Reservation, reservation_id)
            case = queries.case_of(reservation)
            if case.state is State.PENDING_SHOP_RESPONSE:
                flow.record_event(db, reservation_id, e.ShopOk(shop=case.asked), source="operator")
            elif case.state is State.CONFIRMED and number % 3 == 0:
                flow.record_event(db, reservation_id, e.CancelAsked(by="customer"), source="customer")
        if case.state is State.AWAITING_PAYMENT and number % 2 == 0:
            pay(str(case.session))
