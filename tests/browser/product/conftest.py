"""The whole product as `make up` runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.browser.conftest import RESULTS
from tests.stack import Stack, running_stack


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_stack() as running:
        yield running
        if request.session.testsfailed:
            shutil.copytree(running.home.logs, RESULTS / "logs", dirs_exist_ok=True)
