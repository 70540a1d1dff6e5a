"""The vendor sandbox as a process, and the vendors' clients pointed at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from jobs.vendors import mail, slack
from service.core.settings import settings
from tests.sandbox.process import TOKEN, Sandbox, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox_process.reset()
    pointed = settings().model_copy(
        update={
            "smtp_port": sandbox_process.smtp_port,
            "slack_base_url": sandbox_process.slack_url,
            "slack_bot_token": SecretStr(TOKEN),
        }
    )
    for vendor in (mail, slack):
        monkeypatch.setattr(vendor, "settings", lambda: pointed)
    return sandbox_process
