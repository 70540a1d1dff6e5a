"""Two agencies, an operator and an administrator in front of the pages of 申込投入."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Network


@pytest.fixture
def team(db: Session, network: Network) -> Scene:
    return scene.scene(db, network.service)
