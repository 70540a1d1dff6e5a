"""Sends a running service what its own OpenAPI document allows, and what it does not."""

from __future__ import annotations

from functools import cache
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none, one_of, sampled_from
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.callers import Caller, Callers, Operation, openapi_operations, permission
from tests.conftest import Service
from tests.whole import service_app

# A malformed body, the conditions of a list and a reused idempotency key are checked before the permission; that every
# other request is a 403 is what the walks test.
REFUSED = (400, 403, 422)
ANONYMOUS = Caller("nobody", "")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# These hash a password, which takes a quarter of a second on purpose.
SLOW = ("POST /api/core/users", "POST /api/core/users/{user_id}/password", "POST /api/auth/password")
# Bytes are sent as they are; the routes check what is in them.
schemathesis.serializer.alias("application/zip", "application/octet-stream")


@cache
def operations() -> list[Operation]:
    """Without the security requirements of the document: the generator would leave out the token in half of the
    invalid requests, and a request without a token proves no more than a 401."""
    document = service_app().fastapi.openapi()
    without_security = {
        path: {
            method: {name: value for name, value in operation.items() if name != "security"}
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    return openapi_operations(document | {"paths": without_security})


def is_deep() -> bool:
    return settings().max_examples > settings.get_profile("everyday").max_examples


def check_operation(
    operation: Operation, mode: GenerationMode, service: Service, callers: Callers, http_session: requests.Session
) -> None:
    """The area's administrator sends every generated request, because a caller without permissions would prove
    nothing; sometimes one of the other roles sends the same. Where a route takes a machine's token, that machine
    sends it."""
    # Signing in takes a quarter of a second on purpose, and signing out would end the session for the others.
    is_auth_route = operation.path.startswith("/api/auth/log")
    # Hashing a password takes as long, and typesetting runs in a process of its own.
    is_slow = is_auth_route or operation.label in SLOW or operation.path.endswith(".pdf")
    # No jobs run next to this service: "not ready" is the right answer of that one route.
    checks = [check for check in CHECKS if check is not not_a_server_error or operation.path != "/api/health/ready"]
    first, *others = [ANONYMOUS] if is_auth_route else callers.for_operation(operation)
    required_permission = permission(operation)

    # Every day: of a route that writes, the simplest request and a random one; of the others a different one each day.
    # `make test-deep` sends the rest.
    daily_examples = 2 if operation.body and not is_slow else 1
    examples = settings().max_examples // (100 if is_slow else 40) if is_deep() else daily_examples

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        case=operation.as_strategy(generation_mode=mode), other=one_of(none(), none(), sampled_from([None, *others]))
    )
    def check_case(case: schemathesis.Case[Any], other: Caller | None) -> None:
        for caller in filter(None, (other, first)):
            answer = case.call(base_url=service.url, headers=caller.headers, session=http_session)
            case.validate_response(answer, checks=checks)
            if required_permission is not None and required_permission not in caller.permissions:
                assert answer.status_code in REFUSED, caller.name

    check_case()
