"""Every sender dies at its first message of each kind: nothing is forgotten, and nothing is done twice at a vendor."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from jobs import outbox as outbox_jobs
from service.core import outbox
from service.core.outbox import LEASE, Claimed
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from tests.jobs.reservations_world import World, desk, world

__all__ = ["desk", "world"]


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """Each message's first sender dies: `before` it asks the vendor, or `after`, before it can say so."""
    met: set[uuid.UUID] = set()
    dead: list[str] = []
    deliver, sent = outbox_jobs._deliver, outbox.sent

    def dies(message: Claimed) -> None:
        if message.key not in met:
            met.add(message.key)
            dead.append(message.topic)
            raise RuntimeError("killed")

    def before(message: Claimed) -> None:
        dies(message)
        deliver(message)

    def after(db: Any, message: Claimed, *more: Any, **named: Any) -> bool:
        dies(message)
        return sent(db, message, *more, **named)

    if request.param == "before":
        monkeypatch.setattr(outbox_jobs, "_deliver", before)
    else:
        monkeypatch.setattr(outbox, "sent", after)
    return dead


@pytest.mark.parametrize("dead", ["before", "after"], indirect=True)
def test_whenever_senders_die_a_reservation_is_made_and_given_back_once(world: World, dead: list[str]) -> None:
    def lived_through(state: State) -> None:
        for _ in range(30):
            world.settle()
            if world.state is state:
                return
            # The lease of who died runs out.
            world.pass_time(LEASE + timedelta(seconds=1))
        raise AssertionError(world.story())

    world.ask(mail="hanako@customer.test")
    lived_through(State.AWAITING_PAYMENT)
    world.pay()
    lived_through(State.CONFIRMED)
    world.happen(e.CancelAsked(by="customer"))
    lived_through(State.REFUNDED)
    for _ in range(3):
        world.pass_time(LEASE + timedelta(seconds=1)).settle()

    assert set(dead) == {"sms", "mail", "voice", "payments"}
    assert len(world.sandbox.calls()) == 1
    assert [session["status"] for session in world.sandbox.sessions()] == ["complete"]
    assert [refund["status"] for refund in world.sandbox.refunds()] == ["succeeded"]
    bodies = Counter(sms["body"] for sms in world.sandbox.sms())
    assert set(bodies.values()) == {1}
    assert len(bodies) == len(world.letters())
    assert {letter.status for letter in world.letters()} == {"delivered"}
    # A mail may come twice, and is known by its Message-ID.
    assert {letter.status for letter in world.letters("mail")} == {"sent"}
    assert world.tasks() == []


@pytest.mark.parametrize("dead", ["before", "after"], indirect=True)
def test_whenever_senders_die_a_page_is_closed_once(world: World, dead: list[str]) -> None:
    world.ask()
    for _ in range(30):
        world.settle()
        if world.state is State.PAYMENT_TIMEOUT:
            break
        world.pass_time(LEASE + timedelta(seconds=1))

    assert world.state is State.PAYMENT_TIMEOUT
    assert [session["status"] for session in world.sandbox.sessions()] == ["expired"]
    assert len(world.sandbox.calls()) == 1
    assert set(Counter(sms["body"] for sms in world.sandbox.sms()).values()) == {1}
    assert world.sandbox.refunds() == []
