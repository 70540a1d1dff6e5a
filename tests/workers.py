"""An environment for tests of tasks: its own database with committed rows, the service in this process, and workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.access.identity import open_session
from service.core.database.session import SYSTEM, transaction
from service.core.tasks.runner import run_next
from service.core.tasks.work import Run
from service.main import Application
from tests import people
from tests.conftest import new_client
from tests.processes import ForkedProcess
from tests.restored import RestoredDatabase


@dataclass
class Environment:
    """`run(kinds)` runs the next task in this process; `process()` is a worker process as the product starts it."""

    committed: RestoredDatabase
    newcomer: Callable[[], TestClient]

    @property
    def url(self) -> str:
        return self.committed.url

    def sign_in(self, login_id: str, **roles: str) -> TestClient:
        """Create a user and return a client with a session of that user."""
        client = self.newcomer()
        with transaction(SYSTEM) as db:
            token, _ = open_session(db, people.create_user(db, login_id, **roles), "testclient", timedelta(hours=1))
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def run(self, kinds: dict[str, Run] | None = None, stopping: threading.Event | None = None) -> bool:
        from jobs.long.kinds import kinds as all_kinds

        return run_next(kinds or all_kinds(), stopping or threading.Event(), pulse_seconds=0.02)

    @contextmanager
    def process(self) -> Iterator[ForkedProcess]:
        worker = ForkedProcess("jobs.long", environ=os.environ | {"DATABASE_URL": self.url})
        try:
            yield worker
        finally:
            if worker.poll() is None:
                worker.kill()
            worker.wait(10)

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with transaction(SYSTEM) as db:
            result = db.connection().execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def lease_runs_out(self) -> None:
        self.rows("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running'")

    def session(self) -> Session:
        """A session to take a lock with; it is rolled back."""
        return self.committed.session()


@pytest.fixture
def environment(committed: RestoredDatabase, served: Application, portal: BlockingPortal) -> Environment:
    return Environment(committed, lambda: new_client(served, portal))
