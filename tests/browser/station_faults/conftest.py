"""A service of its own that may be killed, a relay that may cut the line, and a station behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from service.core.access.identity import hash_password
from stack import servers
from stack.home import Home
from tests.browser.relay import Relay
from tests.browser.station_faults.after_all import DATABASE
from tests.browser.stations import (
    PASSWORD,
    Door,
    found,
    open_station,
)
from tests.conftest import Service, start_service
from tests.processes import end


@pytest.fixture(scope="module")
def own(running_servers: Home) -> Iterator[Service]:
    """A service that may be killed, with a database that begins empty in each module."""
    started = start_service(running_servers, DATABASE)
    yield started
    end(started.process)
    servers.drop_database(running_servers, DATABASE)


@pytest.fixture
def relay(own: Service) -> Iterator[Relay]:
    made = Relay(own.url)
    yield made
    made.end()


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def door(own: Service, relay: Relay, hashed: str) -> Door:
    return found(own, relay.url, hashed)


@pytest.fixture
def context(chromium: Browser, door: Door) -> Iterator[BrowserContext]:
    made = door.context(chromium)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, door: Door) -> Page:
    return open_station(context, door)
