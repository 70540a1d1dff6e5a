"""A database of its own with committed rows, the product in-process on it, and workers that do long work there."""

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
from tests.conftest import at
from tests.processes import Forked
from tests.restored import Restored


@dataclass
class Ground:
    """`run(kinds)` does the next task here; `process()` is a worker as the product starts it."""

    committed: Restored
    newcomer: Callable[[], TestClient]

    @property
    def url(self) -> str:
        return self.committed.url

    def person(self, login_id: str, **roles: str) -> TestClient:
        """A client with the person's session."""
        client = self.newcomer()
        with transaction(SYSTEM) as db:
            token, _ = open_session(db, people.person(db, login_id, **roles), "testclient", timedelta(hours=1))
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def run(self, kinds: dict[str, Run] | None = None, stopping: threading.Event | None = None) -> bool:
        from jobs.long.kinds import kinds as all_kinds

        return run_next(kinds or all_kinds(), stopping or threading.Event(), pulse_seconds=0.02)

    @contextmanager
    def process(self) -> Iterator[Forked]:
        worker = Forked("jobs.long", environ=os.environ | {"DATABASE_URL": self.url})
        try:
            yield worker
        finally:
            if worker.poll() is None:
                worker.kill()
            worker.wait(10)

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with transaction(SYSTEM) as db:
            found = db.connection().execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def lease_runs_out(self) -> None:
        self.rows("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running'")

    def session(self) -> Session:
        """To hold a lock with; rolled back."""
        return self.committed.session()


@pytest.fixture
def ground(committed: Restored, served: Application, portal: BlockingPortal) -> Ground:
    return Ground(committed, lambda: at(served, portal))
