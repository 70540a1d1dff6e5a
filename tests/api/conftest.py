"""The API in-process, and users to call it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests import people
from tests.conftest import new_client

if TYPE_CHECKING:
    from service.main import Application


@pytest.fixture
def client(db: Session, served: Application, portal: BlockingPortal) -> TestClient:
    """The whole service in-process; no user is signed in."""
    return new_client(served, portal)


@pytest.fixture
def sign_in(db: Session, client: TestClient) -> Callable[..., TestClient]:
    """sign_in("alice", fleet="admin") → the client with her session."""

    def sign_in_as(login_id: str, **roles: str) -> TestClient:
        return people.signed_in_client(db, client, people.create_user(db, login_id, **roles))

    return sign_in_as


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
