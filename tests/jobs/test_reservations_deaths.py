"""Every sender dies at its first message of each kind, before, during and after the vendor's part: nothing is
forgotten, and nothing is done twice at a vendor. Processes are killed in `tests/load/test_faults_everyone`."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from jobs import outbox as outbox_jobs
from jobs.vendors.registry import REGISTRY
from jobs.vendors.wire import VendorHttp
from service.core.outbox import queue
from service.core.outbox.queue import LEASE
from service.core.outbox.records import Claimed
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from tests.jobs.reservations_world import FIRST, World

MOMENTS = ("before", "during", "after")


def moments(every_day: str) -> list[Any]:
    """For each life another one every day; what each vendor has of a message then is in `test_vendors_*`."""
    return [pytest.param(moment, marks=[] if moment == every_day else [pytest.mark.deep]) for moment in MOMENTS]


# Every kind of effect that leaves, and which of the lives below it dies in.
KINDS = {
    "paid": {"sms", "mail", "voice call", "payments checkout", "payments refund"},
    "unpaid": {"sms", "mail", "voice call", "payments checkout", "payments expire"},
    "cancelled": {"sms", "voice call", "voice stop"},
    "refused": {"sms", "voice call", "slack"},
}


class Killed(BaseException):
    """Nothing catches it: who is killed does nothing more."""


class Dead:
    """Whose first sender died, by the kind of message."""

    def __init__(self) -> None:
        self.met: set[uuid.UUID] = set()
        self.kinds: set[str] = set()
        self.at_hand: Claimed | None = None

    def dies(self, message: Claimed) -> None:
        if message.key not in self.met:
            self.met.add(message.key)
            self.kinds.add(" ".join([message.topic, *([message.payload["do"]] if "do" in message.payload else [])]))
            raise Killed


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Dead:
    """`before`: when it has the message and has asked nobody. `during`: the request is with the vendor, which does its
    part, and the answer is never read. `after`: the answer is read, and not yet written down."""
    dead = Dead()
    deliver, sent, ask = outbox_jobs._deliver, queue.mark_sent, VendorHttp.request

    def delivers(message: Claimed) -> None:
        dead.at_hand = message
        try:
            if request.param == "before":
                dead.dies(message)
            deliver(message)
        except Killed:
            raise RuntimeError("killed") from None

    def asks(line: VendorHttp, method: str, url: str, **given: Any) -> httpx2.Response:
        answer = ask(line, method, url, **given)
        if request.param == "during" and method == "POST" and dead.at_hand is not None:
            dead.dies(dead.at_hand)
        return answer

    def settles(db: Any, message: Claimed, *more: Any, **named: Any) -> bool:
        # Mail and Slack have lines of their own: whoever dies there has sent, too.
        if request.param == "after" or (request.param == "during" and message.topic in ("mail", "slack")):
            dead.dies(message)
        return sent(db, message, *more, **named)

    monkeypatch.setattr(outbox_jobs, "_deliver", delivers)
    monkeypatch.setattr(VendorHttp, "request", asks)
    monkeypatch.setattr(queue, "mark_sent", settles)
    return dead


def lived_through(world: World, state: State) -> None:
    for _ in range(30):
        world.settle()
        if world.state is state:
            return
        # The lease of who died runs out.
        world.pass_time(LEASE + timedelta(seconds=1))
    raise AssertionError(world.story())


def once(world: World) -> None:
    """Each SMS arrived once, and every one that was to go."""
    for _ in range(3):
        world.pass_time(LEASE + timedelta(seconds=1)).settle()
    bodies = Counter(sms["body"] for sms in world.sandbox.sms())
    assert set(bodies.values()) == {1}
    assert len(bodies) == len(world.letters())
    assert {letter.status for letter in world.letters()} == {"delivered"}
    # A mail may come twice, and is known by its Message-ID.
    assert {letter.status for letter in world.letters("mail")} <= {"sent"}


def test_every_kind_of_effect_dies_somewhere_here() -> None:
    died = {kind.partition(" ")[0] for kinds in KINDS.values() for kind in kinds}

    assert died == set(REGISTRY)


@pytest.mark.parametrize("dead", moments("after"), indirect=True)
def test_whenever_senders_die_a_reservation_is_made_and_given_back_once(world: World, dead: Dead) -> None:
    world.ask(mail="hanako@customer.test")
    lived_through(world, State.AWAITING_PAYMENT)
    world.pay()
    lived_through(world, State.CONFIRMED)
    world.happen(e.CancelAsked(by="customer"))
    lived_through(world, State.REFUNDED)

    once(world)
    assert dead.kinds == KINDS["paid"]
    assert len(world.sandbox.calls()) == 1
    assert [session["status"] for session in world.sandbox.sessions()] == ["complete"]
    assert [refund["status"] for refund in world.sandbox.refunds()] == ["succeeded"]
    assert world.tasks() == []


@pytest.mark.parametrize("dead", moments("during"), indirect=True)
def test_whenever_senders_die_a_page_is_closed_once(world: World, dead: Dead) -> None:
    world.ask()
    lived_through(world, State.PAYMENT_TIMEOUT)

    once(world)
    assert dead.kinds == KINDS["unpaid"]
    assert [session["status"] for session in world.sandbox.sessions()] == ["expired"]
    assert len(world.sandbox.calls()) == 1
    assert world.sandbox.refunds() == []


@pytest.mark.parametrize("dead", moments("before"), indirect=True)
def test_whenever_senders_die_a_call_is_ended(world: World, dead: Dead) -> None:
    world.sandbox.script("shop", {"kind": "ok", "seconds": 5000}, phone=FIRST)
    world.ask()
    for _ in range(10):
        world.settle()
        if world.calls() and world.calls()[0].placed_at:
            break
        world.pass_time(LEASE + timedelta(seconds=1))
    world.happen(e.CancelAsked(by="customer"))

    once(world)
    assert dead.kinds == KINDS["cancelled"]
    [call] = world.sandbox.calls()
    assert (call["completed"], world.state, world.sandbox.sessions()) == (True, State.CANCELLED, [])


@pytest.mark.parametrize("dead", moments("during"), indirect=True)
def test_whenever_senders_die_people_are_told(world: World, dead: Dead) -> None:
    world.sandbox.script("shop", then="refused")
    world.ask()
    lived_through(world, State.ALL_SHOPS_REFUSED)

    once(world)
    assert dead.kinds == KINDS["refused"]
    assert [call["to"] for call in world.sandbox.calls()].count(FIRST) == 2
    assert len(world.sandbox.calls()) == 4
    code = world.reservation.code
    assert [post["text"] for post in world.sandbox.posts()] == [f"予約ID: {code} が全店NG"]
