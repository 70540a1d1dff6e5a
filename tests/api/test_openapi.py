"""The whole API against its own OpenAPI document: whatever is sent, the answer is one it names, and never a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import sampled_from
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.main import app
from stack.home import Home
from tests.api.callers import Caller, Everybody, Operation, drawn, permission
from tests.conftest import Service, start_service
from tests.processes import end

# A body that is no JSON, the conditions of a list and a key that was used before are looked at before the permission;
# that it is 403 otherwise is what the walks ask.
REFUSED = (400, 403, 422)
STRANGER = Caller("nobody", "")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def service(running_servers: Home) -> Iterator[Service]:
    """On a database of its own: what is drawn here would be in the way of other tests."""
    started = start_service(running_servers, "genba_fuzz")
    yield started
    end(started.process)


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, object]:
    with service.http() as http:
        found: dict[str, object] = http.get("/api/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def everybody(service: Service) -> Everybody:
    return Everybody(service)


# They make a password, which takes a quarter of a second on purpose.
SLOW = ("POST /api/core/users", "POST /api/core/users/{user_id}/password", "POST /api/auth/password")
# Bytes as bytes; what is in them is the doors' to judge.
schemathesis.serializer.alias("application/zip", "application/octet-stream")


def _operations() -> list[Operation]:
    """Without what the document says of keys: chance would leave ours out of half of what breaks the form, and a
    request without one says nothing more than 401."""
    said = copy.deepcopy(app().fastapi.openapi())
    for item in said["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    return drawn(said)


OPERATIONS = _operations()

# Requests that follow the document, and, where there is something to break, requests that break it.
CASES = [(operation, GenerationMode.POSITIVE) for operation in OPERATIONS] + [
    (operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if operation.body or operation.query
]


@pytest.mark.parametrize(
    ("operation", "mode"), CASES, ids=[f"{operation.label} {mode.value}" for operation, mode in CASES]
)
def test_no_request_makes_the_service_fail(
    operation: Operation,
    mode: GenerationMode,
    service: Service,
    everybody: Everybody,
) -> None:
    """The area's administrator sends all that is drawn, for whoever may do nothing would prove nothing, and each time
    one of the other roles the same. Where a machine's key is asked for, that machine sends it."""
    # Signing in costs a quarter of a second on purpose, and signing out would end the session for the others.
    signing = operation.path.startswith("/api/auth/log")
    # So do passwords that are made, and setting type, in a process of its own.
    dear = signing or operation.label in SLOW or operation.path.endswith(".pdf")
    # No jobs run beside this service: "not ready" is the right answer of that one door.
    checks = [check for check in CHECKS if check is not not_a_server_error or operation.path != "/api/health/ready"]
    first, *others = [STRANGER] if signing else everybody.at(operation)
    lock = permission(operation)

    # Each run draws others, so that what one run leaves out the next ones ask.
    examples = settings().max_examples // (50 if dear else 6)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode), other=sampled_from([None, *others]))
    def whatever_is_sent(case: schemathesis.Case[Any], other: Caller | None) -> None:
        for caller in filter(None, (other, first)):
            answer = case.call(base_url=service.url, headers=caller.headers)
            case.validate_response(answer, checks=checks)
            if lock is not None and lock not in caller.held:
                assert answer.status_code in REFUSED, caller.name

    whatever_is_sent()


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


@pytest.fixture
def http_of(service: Service) -> Callable[[], httpx2.Client]:
    return service.http
