"""The whole API against what its own OpenAPI document does not allow: the answer is one it names, and never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest
from schemathesis import GenerationMode

from tests.api.callers import Everybody, Operation
from tests.api.openapi.asking import OPERATIONS, ask
from tests.conftest import Service

# Where there is something to break.
BREAKABLE = [operation for operation in OPERATIONS if operation.body or operation.query]


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, object]:
    with service.http() as http:
        found: dict[str, object] = http.get("/api/openapi.json").json()
    return found


@pytest.fixture
def http_of(service: Service) -> Callable[[], httpx2.Client]:
    return service.http


@pytest.mark.parametrize("operation", BREAKABLE, ids=lambda operation: operation.label)
def test_no_broken_request_makes_the_service_fail(operation: Operation, service: Service, everybody: Everybody) -> None:
    ask(operation, GenerationMode.NEGATIVE, service, everybody)


def operations(document: dict[str, object]) -> list[tuple[str, str]]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [(method.upper(), path) for path, item in paths.items() for method in item]


SIGNED = "/api/reservations/webhooks/"


def test_every_route_but_the_open_ones_refuses_a_stranger(
    service: Service, document: dict[str, object], http_of: Callable[[], httpx2.Client]
) -> None:
    """Without a session nothing is answered but what everybody may ask, and what has its key in the body. A vendor
    shows a signature, and who has none is refused for that."""
    open_to_all = {"/api/auth/login", "/api/health/live", "/api/health/ready"}
    open_to_all |= {"/api/fleet/enrolments", "/api/auth/entry-exit-login", "/api/entries/cards/open"}
    with http_of() as http:
        for method, path in operations(document):
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
