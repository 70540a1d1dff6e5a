"""One sandbox for all tests of it, empty and sound at the start of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.ear import Ear, listening_ear
from tests.sandbox.process import Sandbox, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture(scope="session")
def ear_process() -> Iterator[Ear]:
    with listening_ear() as ear:
        yield ear


@pytest.fixture
def ear(ear_process: Ear) -> Ear:
    ear_process.forget()
    return ear_process
