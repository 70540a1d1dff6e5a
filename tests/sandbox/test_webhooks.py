"""The sandbox's webhooks, tested with Slack's events: signed, retried, and hit by the same fault switches."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from slack_sdk.signature import SignatureVerifier

from tests.sandbox.process import SIGNING_SECRET, Sandbox, running_sandbox
from tests.sandbox.test_operations import post
from tests.sandbox.webhook_receiver import WebhookReceiver, running_receiver
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def receiver_and_sandbox() -> Iterator[tuple[WebhookReceiver, Sandbox]]:
    with running_receiver() as receiver, running_sandbox(events_url=receiver.url) as sandbox:
        yield receiver, sandbox


@pytest.fixture
def receiver(receiver_and_sandbox: tuple[WebhookReceiver, Sandbox]) -> WebhookReceiver:
    receiver_and_sandbox[0].clear()
    return receiver_and_sandbox[0]


@pytest.fixture
def sandbox(receiver_and_sandbox: tuple[WebhookReceiver, Sandbox]) -> Sandbox:
    receiver_and_sandbox[1].reset()
    return receiver_and_sandbox[1]


def test_an_event_is_signed_as_slack_signs(receiver: WebhookReceiver, sandbox: Sandbox) -> None:
    post(sandbox, "こんにちは")
    wait_for(lambda: receiver.received)

    [(headers, body)] = receiver.received
    assert SignatureVerifier(SIGNING_SECRET).is_valid_request(body, headers)
    assert not SignatureVerifier("another").is_valid_request(body, headers)
    assert json.loads(body)["event"]["text"] == "こんにちは"


def test_an_event_that_was_not_accepted_is_retried(receiver: WebhookReceiver, sandbox: Sandbox) -> None:
    receiver.statuses.append(503)

    post(sandbox, "もう一度")
    wait_for(lambda: len(receiver.received) == 2)

    wait_for(lambda: [entry["answer"] for entry in sandbox.truth("slack", "events")] == ["503", "200"])


def test_switches_withhold_repeat_and_reorder_events(receiver: WebhookReceiver, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "drop", operation="events", count=1)
    post(sandbox, "届かない")
    wait_for(lambda: sandbox.faults() == [])
    sandbox.fault("slack", "duplicate", operation="events", count=1)
    post(sandbox, "二重")
    wait_for(lambda: len(receiver.received) == 2)
    sandbox.fault("slack", "reorder", operation="events", count=2)
    post(sandbox, "先")
    post(sandbox, "後")
    wait_for(lambda: len(receiver.received) == 4)

    assert receiver.texts() == ["二重", "二重", "後", "先"]
