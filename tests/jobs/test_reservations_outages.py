"""A vendor is down while the customer cancels: what is no longer wanted is not done when it is back."""

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
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import REMIND_BEFORE
from service.reservations.state_machine.states import State
from tests.jobs.reservation_scenario import FIRST, Scenario
from tests.waiting import wait_for


def outbox_messages(topic: str) -> list[OutboxMessage]:
    with transaction(SYSTEM) as db:
        return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def wait_out_retries(scenario: Scenario) -> None:
    """Longer than all the pauses of a message."""
    for minutes in (1, 3, 5, 15, 30):
        scenario.pass_time(timedelta(minutes=minutes)).run_until_idle()


def test_no_shop_is_called_after_a_cancellation_while_bland_was_down(scenario: Scenario) -> None:
    """Bland answers with an error, so it is unknown whether it calls."""
    outage = scenario.sandbox.fault("bland", "error", operation="calls.create", status=503)
    scenario.request_reservation()
    jobs.advance_reservations()
    scenario.send("voice")
    assert [message.in_doubt for message in outbox_messages("voice")] == [True]

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.sandbox.switch_off(outage)
    wait_out_retries(scenario)

    assert (scenario.state, scenario.sandbox.calls()) == (State.CANCELLED, [])
    [message] = outbox_messages("voice")
    assert (message.sent_at, message.discard_reason) == (None, "予約が先へ進んだため、送信を取りやめました。")


def test_no_shop_is_called_after_a_cancellation_while_a_sender_held_the_message(scenario: Scenario) -> None:
    """A sender holds the message, so it cannot be withdrawn, and then it fails."""
    scenario.sandbox.fault("bland", "delay", operation="calls.create", seconds=2, count=1)
    scenario.sandbox.fault("bland", "error", operation="calls.create", status=503, count=1)
    scenario.request_reservation()
    jobs.advance_reservations()

    with scenario.sending("voice"):
        wait_for(lambda: outbox_messages("voice")[0].lease)
        scenario.record_event(e.CancelAsked(by="customer"))
    wait_out_retries(scenario)

    assert (scenario.state, scenario.sandbox.calls()) == (State.CANCELLED, [])
    assert outbox_messages("voice")[0].discarded_at is not None


def test_a_call_whose_answer_was_lost_is_ended_after_the_cancellation(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 3000}, phone=FIRST)
    scenario.sandbox.fault("bland", "drop", operation="calls.create", count=1)
    scenario.request_reservation()
    jobs.advance_reservations()
    scenario.send("voice")

    scenario.record_event(e.CancelAsked(by="customer"))
    wait_out_retries(scenario)

    assert len(scenario.sandbox.calls()) == 1
    assert len(scenario.sandbox.truth("bland", "calls.stop")) == 1
    assert (scenario.state, scenario.sandbox.sessions()) == (State.CANCELLED, [])


def test_no_reminder_is_sent_after_a_cancellation_while_twilio_was_down(scenario: Scenario) -> None:
    scenario.request_reservation().confirm().run_until_idle()
    outage = scenario.sandbox.fault("twilio", "error", operation="messages.create", status=503)
    with transaction(SYSTEM) as db:
        now = app_now(db)
    scenario.pass_time(scenario.case.starts_at - REMIND_BEFORE - now).run_jobs()
    [reminder] = [sms for sms in scenario.messages() if sms.purpose == "reminder"]
    [message] = [message for message in outbox_messages("sms") if message.key == reminder.message_key]
    assert (message.attempts, message.in_doubt) == (1, True)

    scenario.record_event(e.CancelAsked(by="operator", special=True), source="operator")
    scenario.sandbox.switch_off(outage)
    wait_out_retries(scenario)

    assert scenario.state is State.REFUNDED
    assert scenario.sent_sms("ご予約の前日になりました") == []
    assert len(scenario.sent_sms("ご予約をキャンセルしました")) == 1
    assert [sms.status for sms in scenario.messages() if sms.purpose == "reminder"] == ["dropped"]


def test_what_a_slow_sender_reports_after_another_took_over_changes_nothing(scenario: Scenario) -> None:
    """Its lease expired while it waited for Bland; the next sender found the call and recorded it."""
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 3000}, phone=FIRST)
    scenario.sandbox.fault("bland", "late", operation="calls.create", seconds=4, count=1)
    scenario.request_reservation()
    jobs.advance_reservations()

    with scenario.sending("voice"):
        wait_for(scenario.sandbox.calls)
        scenario.pass_time(timedelta(minutes=3))
        send_elsewhere("voice")
        placed = scenario.calls()[0].placed_at
        assert placed is not None
        scenario.pass_time(timedelta(seconds=30))

    assert scenario.calls()[0].placed_at == placed
    assert (len(scenario.sandbox.calls()), len(outbox_messages("voice"))) == (1, 1)
    assert scenario.events() == ["requested", "call_placed"]


def send_elsewhere(topic: str) -> None:
    """Sends as another process does: the sender of this one is busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox_jobs, "_sending", defaultdict(threading.Lock))
        outbox_jobs.send_topic(topic)
