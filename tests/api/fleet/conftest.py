"""Agents in front of a running service."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.api.fleet.field import Agent
from tests.conftest import Service


@pytest.fixture
def http(service: Service) -> Iterator[httpx2.Client]:
    with service.http() as client:
        yield client


@pytest.fixture
def agent(service: Service, http: httpx2.Client) -> Agent:
    return Agent(service, http)


@pytest.fixture
def other(service: Service, http: httpx2.Client) -> Agent:
    """Another terminal's agent."""
    return Agent(service, http)
