"""One sandbox for all of its tests, reset at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.webhook_receiver import WebhookReceiver, running_receiver


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture(scope="session")
def receiver_process() -> Iterator[WebhookReceiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(receiver_process: WebhookReceiver) -> WebhookReceiver:
    receiver_process.clear()
    return receiver_process
