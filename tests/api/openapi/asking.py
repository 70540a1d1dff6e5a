"""Asking a running service whatever its own OpenAPI document allows, and what it does not."""

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

from tests.api.callers import Caller, Everybody, Operation, drawn, permission
from tests.conftest import Service
from tests.whole import whole

# A body that is no JSON, the conditions of a list and a key that was used before are looked at before the permission;
# that it is 403 otherwise is what the walks ask.
REFUSED = (400, 403, 422)
STRANGER = Caller("nobody", "")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# They make a password, which takes a quarter of a second on purpose.
SLOW = ("POST /api/core/users", "POST /api/core/users/{user_id}/password", "POST /api/auth/password")
# Bytes as bytes; what is in them is the doors' to judge.
schemathesis.serializer.alias("application/zip", "application/octet-stream")


@cache
def operations() -> list[Operation]:
    """Without what the document says of keys: chance would leave ours out of half of what breaks the form, and a
    request without one says nothing more than 401."""
    said = whole().fastapi.openapi()
    without_keys = {
        path: {
            method: {name: value for name, value in operation.items() if name != "security"}
            for method, operation in item.items()
        }
        for path, item in said["paths"].items()
    }
    return drawn(said | {"paths": without_keys})


def is_deep() -> bool:
    return settings().max_examples > settings.get_profile("everyday").max_examples


def ask(
    operation: Operation, mode: GenerationMode, service: Service, everybody: Everybody, line: requests.Session
) -> None:
    """The area's administrator sends all that is drawn, for whoever may do nothing would prove nothing, and now and
    then one of the other roles the same. Where a machine's key is asked for, that machine sends it."""
    # Signing in costs a quarter of a second on purpose, and signing out would end the session for the others.
    signing = operation.path.startswith("/api/auth/log")
    # So do passwords that are made, and setting type, in a process of its own.
    dear = signing or operation.label in SLOW or operation.path.endswith(".pdf")
    # No jobs run beside this service: "not ready" is the right answer of that one door.
    checks = [check for check in CHECKS if check is not not_a_server_error or operation.path != "/api/health/ready"]
    first, *others = [STRANGER] if signing else everybody.at(operation)
    lock = permission(operation)

    # Of what writes the simplest and one by chance every day, and each day another one; `make test-deep` asks the rest.
    of_a_day = 2 if operation.body and not dear else 1
    examples = settings().max_examples // (100 if dear else 40) if is_deep() else of_a_day

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        case=operation.as_strategy(generation_mode=mode), other=one_of(none(), none(), sampled_from([None, *others]))
    )
    def whatever_is_sent(case: schemathesis.Case[Any], other: Caller | None) -> None:
        for caller in filter(None, (other, first)):
            answer = case.call(base_url=service.url, headers=caller.headers, session=line)
            case.validate_response(answer, checks=checks)
            if lock is not None and lock not in caller.held:
                assert answer.status_code in REFUSED, caller.name

    whatever_is_sent()
