"""Fixtures of the tests of agencies."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests.api.agencies import scene
from tests.api.agencies.scene import Scene


@pytest.fixture
def team(db: Session, client: TestClient) -> Scene:
    """Agencies A and B with their users, an operator and an administrator."""
    return scene.scene(db, client)
