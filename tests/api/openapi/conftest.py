"""A running service and everybody who asks it, for each file here: so that two workers share the asking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack.home import Home
from tests.api.callers import Everybody
from tests.conftest import Service, start_service
from tests.processes import end


@pytest.fixture(scope="module")
def service(running_servers: Home, request: pytest.FixtureRequest) -> Iterator[Service]:
    """On a database of its own: what is drawn here would be in the way of other tests, and of the other file."""
    started = start_service(running_servers, f"genba_fuzz_{request.path.stem}")
    yield started
    end(started.process)


@pytest.fixture(scope="module")
def everybody(service: Service) -> Everybody:
    return Everybody(service)
