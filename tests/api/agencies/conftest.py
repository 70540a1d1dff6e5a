"""The scene that tests of agencies play in."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests.api.agencies import scene
from tests.api.agencies.scene import Scene


@pytest.fixture
def team(db: Session, client: TestClient) -> Scene:
    """Agencies A and B with their people, an operator and an administrator."""
    return scene.scene(db, client)
