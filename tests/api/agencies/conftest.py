"""Fixtures of the tests of agencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.agencies.cards import actions, queries
from service.agencies.settings import settings
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene


@pytest.fixture
def team(db: Session, client: TestClient) -> Scene:
    """Agencies A and B with their users, an operator and an administrator."""
    return scene.scene(db, client)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """configured(keep_security_code=True): changes the settings of cards."""

    def change(**changes: Any) -> None:
        new_settings = settings().model_copy(update=changes)
        for module in (queries, actions):
            monkeypatch.setattr(module, "settings", lambda: new_settings)

    return change
