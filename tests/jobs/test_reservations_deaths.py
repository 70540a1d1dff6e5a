"""Every sender dies at its first message of each kind: before, during and after the vendor's part. No message is
lost and none is done twice at a vendor. `tests/load/test_faults_everyone` kills real processes."""

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
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State
from tests.jobs.reservation_scenario import FIRST, Scenario

TIMES_OF_DEATH = ("before", "during", "after")


def death_params(daily: str) -> list[Any]:
    """Only `daily` runs every day, the other two are marked `deep`. `test_vendors_*` check what each vendor has of a
    message."""
    return [
        pytest.param(time_of_death, marks=[] if time_of_death == daily else [pytest.mark.deep])
        for time_of_death in TIMES_OF_DEATH
    ]


# Every kind of outgoing message, by the tests below in which its sender dies.
KINDS = {
    "paid": {"sms", "mail", "voice call", "payments checkout", "payments refund"},
    "unpaid": {"sms", "mail", "voice call", "payments checkout", "payments expire"},
    "cancelled": {"sms", "voice call", "voice stop"},
    "refused": {"sms", "voice call", "slack"},
}


class Killed(BaseException):
    """Nothing catches it: a killed sender does nothing more."""


class Deaths:
    """The messages whose first sender died: their keys and kinds."""

    def __init__(self) -> None:
        self.keys: set[uuid.UUID] = set()
        self.kinds: set[str] = set()
        self.current: Claimed | None = None

    def kill_first_sender(self, message: Claimed) -> None:
        if message.key not in self.keys:
            self.keys.add(message.key)
            self.kinds.add(" ".join([message.topic, *([message.payload["do"]] if "do" in message.payload else [])]))
            raise Killed


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Deaths:
    """`before`: the sender has the message and has not asked the vendor. `during`: the vendor does its part, and the
    answer is never read. `after`: the answer is read and not stored yet."""
    deaths = Deaths()
    deliver, mark_sent, send_request = outbox_jobs._deliver, queue.mark_sent, VendorHttp.request

    def deliver_and_die(message: Claimed) -> None:
        deaths.current = message
        try:
            if request.param == "before":
                deaths.kill_first_sender(message)
            deliver(message)
        except Killed:
            raise RuntimeError("killed") from None

    def request_and_die(http: VendorHttp, method: str, url: str, **arguments: Any) -> httpx2.Response:
        answer = send_request(http, method, url, **arguments)
        if request.param == "during" and method == "POST" and deaths.current is not None:
            deaths.kill_first_sender(deaths.current)
        return answer

    def mark_sent_and_die(db: Any, message: Claimed, *args: Any, **kwargs: Any) -> bool:
        # Mail and Slack do not use VendorHttp: a sender that dies here has sent, too.
        if request.param == "after" or (request.param == "during" and message.topic in ("mail", "slack")):
            deaths.kill_first_sender(message)
        return mark_sent(db, message, *args, **kwargs)

    monkeypatch.setattr(outbox_jobs, "_deliver", deliver_and_die)
    monkeypatch.setattr(VendorHttp, "request", request_and_die)
    monkeypatch.setattr(queue, "mark_sent", mark_sent_and_die)
    return deaths


def run_through_deaths(scenario: Scenario, state: State) -> None:
    for _ in range(30):
        scenario.run_until_idle()
        if scenario.state is state:
            return
        # The lease of the dead sender expires.
        scenario.pass_time(LEASE + timedelta(seconds=1))
    raise AssertionError(scenario.timeline())


def check_each_once(scenario: Scenario) -> None:
    """Each SMS arrived exactly once."""
    for _ in range(3):
        scenario.pass_time(LEASE + timedelta(seconds=1)).run_until_idle()
    bodies = Counter(sms["body"] for sms in scenario.sandbox.sms())
    assert set(bodies.values()) == {1}
    assert len(bodies) == len(scenario.messages())
    assert {message.status for message in scenario.messages()} == {"delivered"}
    # A mail may arrive twice; its Message-ID identifies it.
    assert {message.status for message in scenario.messages("mail")} <= {"sent"}


def test_every_topic_has_a_death_here() -> None:
    topics = {kind.partition(" ")[0] for kinds in KINDS.values() for kind in kinds}

    assert topics == set(REGISTRY)


@pytest.mark.parametrize("deaths", death_params("after"), indirect=True)
def test_whenever_senders_die_a_reservation_is_made_and_given_back_once(scenario: Scenario, deaths: Deaths) -> None:
    scenario.request_reservation(mail="hanako@customer.test")
    run_through_deaths(scenario, State.AWAITING_PAYMENT)
    scenario.pay()
    run_through_deaths(scenario, State.CONFIRMED)
    scenario.record_event(e.CancelAsked(by="customer"))
    run_through_deaths(scenario, State.REFUNDED)

    check_each_once(scenario)
    assert deaths.kinds == KINDS["paid"]
    assert len(scenario.sandbox.calls()) == 1
    assert [session["status"] for session in scenario.sandbox.sessions()] == ["complete"]
    assert [refund["status"] for refund in scenario.sandbox.refunds()] == ["succeeded"]
    assert scenario.tasks() == []


@pytest.mark.parametrize("deaths", death_params("during"), indirect=True)
def test_whenever_senders_die_a_page_is_closed_once(scenario: Scenario, deaths: Deaths) -> None:
    scenario.request_reservation()
    run_through_deaths(scenario, State.PAYMENT_TIMEOUT)

    check_each_once(scenario)
    assert deaths.kinds == KINDS["unpaid"]
    assert [session["status"] for session in scenario.sandbox.sessions()] == ["expired"]
    assert len(scenario.sandbox.calls()) == 1
    assert scenario.sandbox.refunds() == []


@pytest.mark.parametrize("deaths", death_params("before"), indirect=True)
def test_whenever_senders_die_a_call_is_ended(scenario: Scenario, deaths: Deaths) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 5000}, phone=FIRST)
    scenario.request_reservation()
    for _ in range(10):
        scenario.run_until_idle()
        if scenario.calls() and scenario.calls()[0].placed_at:
            break
        scenario.pass_time(LEASE + timedelta(seconds=1))
    scenario.record_event(e.CancelAsked(by="customer"))

    check_each_once(scenario)
    assert deaths.kinds == KINDS["cancelled"]
    [call] = scenario.sandbox.calls()
    assert (call["completed"], scenario.state, scenario.sandbox.sessions()) == (True, State.CANCELLED, [])


@pytest.mark.parametrize("deaths", death_params("during"), indirect=True)
def test_whenever_senders_die_staff_are_notified(scenario: Scenario, deaths: Deaths) -> None:
    scenario.sandbox.script("shop", then="refused")
    scenario.request_reservation()
    run_through_deaths(scenario, State.ALL_SHOPS_REFUSED)

    check_each_once(scenario)
    assert deaths.kinds == KINDS["refused"]
    assert [call["to"] for call in scenario.sandbox.calls()].count(FIRST) == 2
    assert len(scenario.sandbox.calls()) == 4
    code = scenario.reservation.code
    assert [post["text"] for post in scenario.sandbox.posts()] == [f"予約ID: {code} が全店NG"]
