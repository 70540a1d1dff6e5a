"""The API in-process, and people to call it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests import people
from tests.conftest import at

if TYPE_CHECKING:
    from service.main import Application


@pytest.fixture
def client(db: Session, served: Application, portal: BlockingPortal) -> TestClient:
    """The whole front door in-process, nobody signed in."""
    return at(served, portal)


@pytest.fixture
def sign_in(db: Session, client: TestClient) -> Callable[..., TestClient]:
    """sign_in("alice", fleet="admin") → the client with her session."""

    def as_person(login_id: str, **roles: str) -> TestClient:
        return people.signed_in(db, client, people.person(db, login_id, **roles))

    return as_person


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
