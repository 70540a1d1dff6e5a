"""The whole API against its own OpenAPI document: whatever is sent, the answer is one it names, and never a 500."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
import requests
from schemathesis import GenerationMode

from service.core.areas import AREAS
from stack.home import Home
from tests.api.callers import Everybody, Operation, area
from tests.api.openapi.asking import ask, is_deep, operations
from tests.conftest import Service, own_database, start_service
from tests.processes import end

FLOOR = "core"


@pytest.fixture(scope="module")
def service(running_servers: Home) -> Iterator[Service]:
    """On a database of its own: what is drawn here would be in the way of other tests."""
    started = start_service(running_servers, own_database("genba_fuzz"))
    yield started
    end(started.process)


@pytest.fixture(scope="module")
def everybody(service: Service) -> Everybody:
    return Everybody(service)


@pytest.fixture(scope="module")
def line() -> Iterator[requests.Session]:
    with requests.Session() as kept_open:
        yield kept_open


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, object]:
    with service.http() as http:
        found: dict[str, object] = http.get("/api/openapi.json").json()
    return found


def of(home: str) -> list[Operation]:
    return [operation for operation in operations() if (area(operation) or FLOOR) == home]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("home", [*AREAS, FLOOR])
def test_no_request_makes_the_service_fail(
    home: str,
    mode: GenerationMode,
    service: Service,
    everybody: Everybody,
    line: requests.Session,
) -> None:
    """What follows the document, and what breaks it where there is something to break: of that, a fifth each day."""
    asked = of(home)
    if mode is GenerationMode.NEGATIVE:
        breakable = [operation for operation in asked if operation.body or operation.query]
        asked = random.sample(breakable, len(breakable) if is_deep() else -(-len(breakable) // 5))
    failed = []
    for operation in asked:
        try:
            ask(operation, mode, service, everybody, line)
        except Exception as problem:
            problem.add_note(operation.label)
            failed.append(problem)
    if failed:
        raise ExceptionGroup("requests that are not answered as the document says", failed)


def routes(document: dict[str, object]) -> list[tuple[str, str]]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [(method.upper(), path) for path, item in paths.items() for method in item]


SIGNED = "/api/reservations/webhooks/"


def test_every_route_but_the_open_ones_refuses_a_stranger(service: Service, document: dict[str, object]) -> None:
    """Without a session nothing is answered but what everybody may ask, and what has its key in the body. A vendor
    shows a signature, and who has none is refused for that."""
    open_to_all = {"/api/auth/login", "/api/health/live", "/api/health/ready"}
    open_to_all |= {"/api/fleet/enrolments", "/api/auth/entry-exit-login", "/api/entries/cards/open"}
    with service.http() as http:
        for method, path in routes(document):
            if path not in open_to_all:
                answer = http.request(method, path, content=json.dumps({}))
                assert answer.status_code == (403 if path.startswith(SIGNED) else 401), (method, path)


# What is not well says how, in words of its own.
PULSE = {"/api/health/live", "/api/health/ready"}


def test_every_refusal_is_described_as_a_problem(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, item in paths.items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400" and path not in PULSE:
                    assert "application/problem+json" in response["content"], (path, status)
                    assert "application/json" not in response["content"], (path, status)
