"""A service that may be killed, a relay that may disconnect, and a station behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from service.core.access.identity import hash_password
from stack.home import Home
from tests import cluster
from tests.browser.relay import Relay
from tests.browser.station_faults.after_all import DATABASE
from tests.browser.stations import PASSWORD, NurseryStation, create_station, open_station
from tests.conftest import Service, start_service
from tests.processes import stop_process


@pytest.fixture(scope="module")
def own_service(running_servers: Home) -> Iterator[Service]:
    """A service that may be killed, with its own database, empty at the start of each module."""
    started = start_service(running_servers, DATABASE)
    yield started
    stop_process(started.process)
    cluster.drop_database(running_servers, DATABASE)


@pytest.fixture
def relay(own_service: Service) -> Iterator[Relay]:
    started = Relay(own_service.url)
    yield started
    started.end()


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def station(own_service: Service, relay: Relay, hashed: str) -> NurseryStation:
    return create_station(own_service, relay.url, hashed)


@pytest.fixture
def context(chromium: Browser, station: NurseryStation) -> Iterator[BrowserContext]:
    started = station.context(chromium)
    yield started
    started.close()


@pytest.fixture
def page(context: BrowserContext, station: NurseryStation) -> Page:
    return open_station(context, station)
