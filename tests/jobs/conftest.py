"""The vendor sandbox as a process, the vendors' clients pointed at it, and the service on a port where it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal
from pydantic import SecretStr

from jobs import outbox as outbox_jobs
from jobs.vendors import mail, payments, slack, sms, voice, wire
from service.core.database import session as core_db
from service.core.database.clock import clock_shift
from service.core.database.session import SYSTEM, transaction
from service.core.outbox.records import Settled
from service.core.settings import settings
from service.reservations.inbox import webhooks
from stack.home import Home
from tests.api.reservations import scene
from tests.conftest import committed_database, own_database
from tests.jobs.reservations_world import World
from tests.restored import Restored
from tests.sandbox.process import (
    BLAND_KEY,
    BLAND_SECRET,
    STRIPE_KEY,
    STRIPE_SECRET,
    TOKEN,
    TWILIO_SID,
    TWILIO_TOKEN,
    Sandbox,
    running_sandbox,
)
from tests.whole import answering

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


@pytest.fixture(scope="session")
def desk(portal: BlockingPortal) -> Iterator[str]:
    """The address of the service, in this process."""
    with answering(portal) as address:
        yield address


@pytest.fixture(scope="session")
def shops(running_servers: Home) -> Iterator[Restored]:
    """A database with shops in it."""
    name = own_database("genba_shops")
    with committed_database(running_servers, name):
        made = Restored(running_servers, name)
        with made.session() as db, db.begin():
            scene.fill(db)
        made.keep()
        yield made
        made.close()


@pytest.fixture
def world(desk: str, shops: Restored, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> World:
    secrets = {
        "twilio_auth_token": TWILIO_TOKEN,
        "bland_webhook_secret": BLAND_SECRET,
        "stripe_webhook_secrets": f"whsec_of_yesterday,{STRIPE_SECRET}",
    }
    told = settings().model_copy(update={name: SecretStr(secret) for name, secret in secrets.items()})
    monkeypatch.setattr(webhooks, "settings", lambda: told)
    shops.restore()
    monkeypatch.setattr(core_db, "session_factory", lambda: shops.sessions)
    for vendor in ("twilio", "bland", "stripe"):
        sandbox.target(vendor, f"{desk}/api/reservations/webhooks/{vendor}")
    with transaction(SYSTEM) as db:
        scene.fill(db)
        sandbox.clock(shift=clock_shift(db).total_seconds())
    return World(desk, sandbox)
