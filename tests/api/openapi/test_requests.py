"""The whole API against its own OpenAPI document: each answer is one that the document names, and never a 500."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
import requests
from schemathesis import GenerationMode

from service.core.areas import AREAS
from stack.home import Home
from tests.api.callers import Callers, Operation, area
from tests.api.openapi.asking import check_operation, is_deep, operations
from tests.conftest import Service, start_service, worker_database_name
from tests.processes import stop_process

CORE = "core"


@pytest.fixture(scope="module")
def service(running_servers: Home) -> Iterator[Service]:
    """On a database of its own: generated rows would disturb other tests."""
    started = start_service(running_servers, worker_database_name("genba_fuzz"))
    yield started
    stop_process(started.process)


@pytest.fixture(scope="module")
def callers(service: Service) -> Callers:
    return Callers(service)


@pytest.fixture(scope="module")
def http_session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, object]:
    with service.http() as http:
        body: dict[str, object] = http.get("/api/openapi.json").json()
    return body


def operations_of(area_name: str) -> list[Operation]:
    return [operation for operation in operations() if (area(operation) or CORE) == area_name]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("area_name", [*AREAS, CORE])
def test_no_request_makes_the_service_fail(
    area_name: str,
    mode: GenerationMode,
    service: Service,
    callers: Callers,
    http_session: requests.Session,
) -> None:
    """Valid requests to half of the operations each day, and invalid ones to a fifth of those where there is something
    to make invalid."""
    selected, share = operations_of(area_name), 2
    if mode is GenerationMode.NEGATIVE:
        selected, share = [operation for operation in selected if operation.body or operation.query], 5
    selected = random.sample(selected, len(selected) if is_deep() else -(-len(selected) // share))
    failed = []
    for operation in selected:
        try:
            check_operation(operation, mode, service, callers, http_session)
        except Exception as error:
            error.add_note(operation.label)
            failed.append(error)
    if failed:
        raise ExceptionGroup("requests that are not answered as the document says", failed)


def routes(document: dict[str, object]) -> list[tuple[str, str]]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [(method.upper(), path) for path, item in paths.items() for method in item]


SIGNED = "/api/reservations/webhooks/"


def test_every_route_but_the_open_ones_refuses_a_stranger(service: Service, document: dict[str, object]) -> None:
    """Without a session only the public routes answer, and those with a secret in the body. A vendor signs its
    request; without a signature it is refused with a 403."""
    public_paths = {"/api/auth/login", "/api/health/live", "/api/health/ready"}
    public_paths |= {"/api/fleet/enrolments", "/api/auth/entry-exit-login", "/api/entries/cards/open"}
    with service.http() as http:
        for method, path in routes(document):
            if path not in public_paths:
                answer = http.request(method, path, content=json.dumps({}))
                assert answer.status_code == (403 if path.startswith(SIGNED) else 401), (method, path)


# An unhealthy service answers with a body of its own.
HEALTH_PATHS = {"/api/health/live", "/api/health/ready"}


def test_every_refusal_is_described_as_a_problem(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, item in paths.items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400" and path not in HEALTH_PATHS:
                    assert "application/problem+json" in response["content"], (path, status)
                    assert "application/json" not in response["content"], (path, status)
