"""Fixtures: the vendor sandbox as a process, vendor clients that use it, and the service on a port that vendors can
call."""

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
from tests.conftest import committed_database, worker_database_name
from tests.jobs.reservation_scenario import Scenario
from tests.reservation_locks import locked_once
from tests.restored import RestoredDatabase
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
from tests.whole import serve_app

CLIENTS = (mail, slack, sms, voice, payments, wire)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox_process.reset()
    configure_clients(
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


def configure_clients(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Changes settings of all vendor clients, on top of their present ones."""
    changed = vars(sms)["settings"]().model_copy(update=changes)
    for client in CLIENTS:
        monkeypatch.setattr(client, "settings", lambda: changed)


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[Settled]:
    """The delivery results that the fleet area gets, in order."""
    received: list[Settled] = []
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": lambda _, result: received.append(result)})
    return received


@pytest.fixture(scope="session")
def service_url(portal: BlockingPortal) -> Iterator[str]:
    """The URL of the service, in this process."""
    with serve_app(portal) as address:
        yield address


@pytest.fixture(scope="session")
def shop_database(running_servers: Home) -> Iterator[RestoredDatabase]:
    """A database with shops in it, restored before each test."""
    name = worker_database_name("genba_shops")
    with committed_database(running_servers, name):
        database = RestoredDatabase(running_servers, name)
        with database.session() as db, db.begin():
            scene.fill(db)
        database.keep()
        yield database
        database.close()


@pytest.fixture
def scenario(
    service_url: str, shop_database: RestoredDatabase, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scenario]:
    secrets = {
        "twilio_auth_token": TWILIO_TOKEN,
        "bland_webhook_secret": BLAND_SECRET,
        "stripe_webhook_secrets": f"whsec_of_yesterday,{STRIPE_SECRET}",
    }
    changed = settings().model_copy(update={name: SecretStr(secret) for name, secret in secrets.items()})
    monkeypatch.setattr(webhooks, "settings", lambda: changed)
    shop_database.restore()
    monkeypatch.setattr(core_db, "session_factory", lambda: shop_database.sessions)
    for vendor in ("twilio", "bland", "stripe"):
        sandbox.target(vendor, f"{service_url}/api/reservations/webhooks/{vendor}")
    with transaction(SYSTEM) as db:
        scene.fill(db)
        sandbox.clock(shift=clock_shift(db).total_seconds())
    with locked_once():
        yield Scenario(service_url, sandbox)
