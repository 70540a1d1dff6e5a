"""What the sandbox sends to us, by the example of Slack's events: signed, repeated, and hit by the same switches."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from slack_sdk.signature import SignatureVerifier

from tests.sandbox.ear import Ear, listening_ear
from tests.sandbox.process import SIGNING_SECRET, Sandbox, running_sandbox
from tests.sandbox.test_doors import post
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[Ear, Sandbox]]:
    with listening_ear() as ear, running_sandbox(events_url=ear.url) as sandbox:
        yield ear, sandbox


@pytest.fixture
def ear(listening: tuple[Ear, Sandbox]) -> Ear:
    listening[0].forget()
    return listening[0]


@pytest.fixture
def sandbox(listening: tuple[Ear, Sandbox]) -> Sandbox:
    listening[1].reset()
    return listening[1]


def test_an_event_is_signed_as_slack_signs(ear: Ear, sandbox: Sandbox) -> None:
    post(sandbox, "こんにちは")
    wait_for(lambda: ear.heard)

    [(headers, body)] = ear.heard
    assert SignatureVerifier(SIGNING_SECRET).is_valid_request(body, headers)
    assert not SignatureVerifier("another").is_valid_request(body, headers)
    assert json.loads(body)["event"]["text"] == "こんにちは"


def test_an_event_that_was_not_taken_comes_again(ear: Ear, sandbox: Sandbox) -> None:
    ear.statuses.append(503)

    post(sandbox, "もう一度")
    wait_for(lambda: len(ear.heard) == 2)

    wait_for(lambda: [entry["answer"] for entry in sandbox.truth("slack", "events")] == ["503", "200"])


def test_switches_withhold_repeat_and_reorder_events(ear: Ear, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "drop", door="events", count=1)
    post(sandbox, "届かない")
    wait_for(lambda: sandbox.faults() == [])
    sandbox.fault("slack", "duplicate", door="events", count=1)
    post(sandbox, "二重")
    wait_for(lambda: len(ear.heard) == 2)
    sandbox.fault("slack", "reorder", door="events", count=2)
    post(sandbox, "先")
    post(sandbox, "後")
    wait_for(lambda: len(ear.heard) == 4)

    assert ear.texts() == ["二重", "二重", "後", "先"]
