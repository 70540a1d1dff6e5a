"""Several reservations at once while every job runs by itself and vendors lose, repeat and hold back what they say."""

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
from service.reservations.events import rules as e
from service.reservations.events.rules import FINAL_STATES, State
from service.reservations.flow import actions as flow
from service.reservations.flow import queries
from service.reservations.flow.models import Payment, Reservation
from tests.api.reservations import scene
from tests.jobs.reservations_world import FIRST, World

# How many reservations, and the seconds between two runs of a job.
EVERY_DAY, OFTEN = (3, 0.4), (10, 0.02)


@pytest.mark.parametrize(
    ("many", "pause"),
    [
        pytest.param(*EVERY_DAY, id="every day"),
        *(pytest.param(*OFTEN, marks=pytest.mark.deep, id=f"by chance {number}") for number in range(5)),
    ],
)
def test_whatever_is_lost_repeated_or_late_money_and_reservations_agree(world: World, many: int, pause: float) -> None:
    # Every day the same faults; the others by the seed of the run.
    chance = 1 if (many, pause) == EVERY_DAY else random.randrange(2**32)
    sandbox = world.sandbox
    sandbox.script("shop", "refused", "vague", "voicemail", phone=FIRST)
    for vendor, door in (("twilio", "callback"), ("bland", "webhook"), ("stripe", "webhook")):
        sandbox.fault(vendor, "drop", door=door, probability=0.3, seed=chance)
        sandbox.fault(vendor, "duplicate", door=door, probability=0.3, seed=chance + 1)
    for vendor, door in (
        ("twilio", "messages.create"),
        ("bland", "calls.create"),
        ("stripe", "sessions.create"),
        ("stripe", "sessions.expire"),
        ("stripe", "refunds.create"),
    ):
        sandbox.fault(vendor, "drop", door=door, probability=0.25, seed=chance + 2)
    with transaction(SYSTEM) as db:
        ids = [scene.ask(db).id for _ in range(many)]
    stop = threading.Event()
    threads = [
        threading.Thread(target=run_on, args=(job, stop, pause))
        for job in (
            jobs.advance_reservations,
            jobs.read_webhooks,
            jobs.look,
            world.send,
            lambda: play(world.sandbox.pay, ids),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            stop.wait(0.3)
            if {state(one) for one in ids} <= {*FINAL_STATES, State.CONFIRMED}:
                break
            world.pass_time(timedelta(seconds=45))
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    for fault in sandbox.faults():
        sandbox.switch_off(fault["id"])
    for _ in range(3):
        world.pass_time(timedelta(minutes=16)).settle()

    assert {state(one) for one in ids} <= {*FINAL_STATES, State.CONFIRMED}
    if (many, pause) == EVERY_DAY:
        # Not that nothing happened at all.
        assert {State.CONFIRMED, State.REFUNDED} <= {state(one) for one in ids}
    assert not any(call["overlapped"] for call in sandbox.calls())
    texts = Counter((sms["to"], sms["body"], sms["effect"]) for sms in sandbox.sms())
    assert set(texts.values()) == {1}
    paid = {one["payment_intent"]: one for one in sandbox.sessions() if one["status"] == "complete"}
    back = Counter(one["payment_intent"] for one in sandbox.refunds() if one["status"] != "failed")
    assert set(back.values()) <= {1}
    for one in ids:
        with transaction(SYSTEM) as db:
            of_it = select(Payment.intent).where(Payment.reservation_id == one, Payment.status == "paid")
            intents = set(db.scalars(of_it))
        kept = intents - set(back)
        assert intents <= set(paid)
        assert len(kept) == (1 if state(one) is State.CONFIRMED else 0), state(one)
    assert not any(one["status"] == "open" for one in sandbox.sessions())


def run_on(job: Callable[[], object], stop: threading.Event, pause: float) -> None:
    while not stop.is_set():
        job()
        stop.wait(pause)


def state(one: int) -> State:
    with transaction(SYSTEM) as db:
        return State(db.get_one(Reservation, one).state)


def play(pay: Callable[[str], object], ids: list[int]) -> None:
    """Customers: the first half pays, every third cancels once it has paid. And people, who hear the shop say yes."""
    for number, one in enumerate(ids):
        with transaction(SYSTEM) as db:
            reservation = db.get_one(Reservation, one)
            case = queries.case_of(reservation)
            if case.state is State.PENDING_SHOP_RESPONSE:
                flow.record_event(db, one, e.ShopOk(shop=case.asked), source="operator")
            elif case.state is State.CONFIRMED and number % 3 == 0:
                flow.record_event(db, one, e.CancelAsked(by="customer"), source="customer")
        if case.state is State.AWAITING_PAYMENT and number % 2 == 0:
            pay(str(case.session))
