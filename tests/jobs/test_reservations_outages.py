"""A vendor is away while the customer changes her mind: what nobody wants any more is not done once it is back."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs import outbox as outbox_jobs
from jobs import reservations as jobs
from service.core.database.clock import app_now
from service.core.database.session import SYSTEM, transaction
from service.core.outbox.records import OutboxMessage
from service.reservations.cases.rules import REMIND_BEFORE
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from tests.jobs.reservations_world import FIRST, World
from tests.waiting import wait_for


def messages(topic: str) -> list[OutboxMessage]:
    with transaction(SYSTEM) as db:
        return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def a_while(world: World) -> None:
    """Longer than all the pauses of a message."""
    for minutes in (1, 3, 5, 15, 30):
        world.pass_time(timedelta(minutes=minutes)).settle()


def test_no_shop_is_rung_for_who_cancelled_while_bland_was_away(world: World) -> None:
    """Bland says that something went wrong, which leaves open whether it calls."""
    away = world.sandbox.fault("bland", "error", door="calls.create", status=503)
    world.ask()
    jobs.advance_reservations()
    world.send("voice")
    assert [message.in_doubt for message in messages("voice")] == [True]

    world.happen(e.CancelAsked(by="customer"))
    world.sandbox.switch_off(away)
    a_while(world)

    assert (world.state, world.sandbox.calls()) == (State.CANCELLED, [])
    [message] = messages("voice")
    assert (message.sent_at, message.discard_reason) == (None, "予約が先へ進んだため、送信を取りやめました。")


def test_no_shop_is_rung_for_who_cancelled_while_a_sender_was_at_it(world: World) -> None:
    """The message is in a sender's hands, so that nobody can withdraw it, and then it fails."""
    world.sandbox.fault("bland", "delay", door="calls.create", seconds=2, count=1)
    world.sandbox.fault("bland", "error", door="calls.create", status=503, count=1)
    world.ask()
    jobs.advance_reservations()

    with world.sending("voice"):
        wait_for(lambda: messages("voice")[0].lease)
        world.happen(e.CancelAsked(by="customer"))
    a_while(world)

    assert (world.state, world.sandbox.calls()) == (State.CANCELLED, [])
    assert messages("voice")[0].discarded_at is not None


def test_a_call_that_was_placed_though_nobody_heard_is_ended_for_who_cancelled(world: World) -> None:
    world.sandbox.script("shop", {"kind": "ok", "seconds": 3000}, phone=FIRST)
    world.sandbox.fault("bland", "drop", door="calls.create", count=1)
    world.ask()
    jobs.advance_reservations()
    world.send("voice")

    world.happen(e.CancelAsked(by="customer"))
    a_while(world)

    assert len(world.sandbox.calls()) == 1
    assert len(world.sandbox.truth("bland", "calls.stop")) == 1
    assert (world.state, world.sandbox.sessions()) == (State.CANCELLED, [])


def test_nobody_is_reminded_of_what_was_cancelled_while_twilio_was_away(world: World) -> None:
    world.ask().confirm().settle()
    away = world.sandbox.fault("twilio", "error", door="messages.create", status=503)
    with transaction(SYSTEM) as db:
        now = app_now(db)
    world.pass_time(world.case.starts_at - REMIND_BEFORE - now).turn()
    [reminder] = [letter for letter in world.letters() if letter.purpose == "reminder"]
    [message] = [message for message in messages("sms") if message.key == reminder.message_key]
    assert (message.attempts, message.in_doubt) == (1, True)

    world.happen(e.CancelAsked(by="operator", special=True), source="operator")
    world.sandbox.switch_off(away)
    a_while(world)

    assert world.state is State.REFUNDED
    assert world.told("ご予約の前日になりました") == []
    assert len(world.told("ご予約をキャンセルしました")) == 1
    assert [letter.status for letter in world.letters() if letter.purpose == "reminder"] == ["dropped"]


def test_what_a_slow_sender_reports_after_another_took_over_changes_nothing(world: World) -> None:
    """Its lease ran out while Bland kept it waiting; the next one found the call and said so."""
    world.sandbox.script("shop", {"kind": "ok", "seconds": 3000}, phone=FIRST)
    world.sandbox.fault("bland", "late", door="calls.create", seconds=4, count=1)
    world.ask()
    jobs.advance_reservations()

    with world.sending("voice"):
        wait_for(world.sandbox.calls)
        world.pass_time(timedelta(minutes=3))
        send_elsewhere("voice")
        placed = world.calls()[0].placed_at
        assert placed is not None
        world.pass_time(timedelta(seconds=30))

    assert world.calls()[0].placed_at == placed
    assert (len(world.sandbox.calls()), len(messages("voice"))) == (1, 1)
    assert world.events() == ["requested", "call_placed"]


def send_elsewhere(topic: str) -> None:
    """A sender of another process: this one's is busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_jobs, "_sending", defaultdict(threading.Lock))
        outbox_jobs.send_topic(topic)
