"""The vendor sandbox as a process, and the vendors' clients pointed at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from jobs import outbox as outbox_jobs
from jobs.vendors import mail, payments, slack, sms, voice, wire
from service.core.outbox import Settled
from tests.sandbox.process import BLAND_KEY, STRIPE_KEY, TOKEN, TWILIO_SID, TWILIO_TOKEN, Sandbox, running_sandbox

CLIENTS = (mail, slack, sms, voice, payments, wire)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox_process.reset()
    point(
        monkeypatch,
        smtp_port=sandbox_process.smtp_port,
        slack_base_url=sandbox_process.slack_url,
        slack_bot_token=SecretStr(TOKEN),
        twilio_base_url=sandbox_process.url,
        twilio_account_sid=TWILIO_SID,
        twilio_auth_token=SecretStr(TWILIO_TOKEN),
        twilio_from="+815000000000",
        bland_base_url=sandbox_process.url,
        bland_api_key=SecretStr(BLAND_KEY),
        stripe_base_url=sandbox_process.url,
        stripe_api_key=SecretStr(STRIPE_KEY),
    )
    return sandbox_process


def point(monkeypatch: pytest.MonkeyPatch, **changed: object) -> None:
    """The clients' settings from now on: those that they have by now, with these changes."""
    pointed = vars(sms)["settings"]().model_copy(update=changed)
    for client in CLIENTS:
        monkeypatch.setattr(client, "settings", lambda: pointed)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Settled]:
    """What the fleet has been told of its messages."""
    told: list[Settled] = []
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": lambda _, settled: told.append(settled)})
    return told
