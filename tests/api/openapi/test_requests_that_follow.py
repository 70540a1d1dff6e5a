"""The whole API against its own OpenAPI document: whatever follows it, the answer is one it names, and never a 500."""

from __future__ import annotations

import pytest
from schemathesis import GenerationMode

from tests.api.callers import Everybody, Operation
from tests.api.openapi.asking import OPERATIONS, ask
from tests.conftest import Service


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_makes_the_service_fail(operation: Operation, service: Service, everybody: Everybody) -> None:
    ask(operation, GenerationMode.POSITIVE, service, everybody)
