"""The interface for the function of a task: progress, transactions that check the lease, result files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.database.session import SYSTEM, transaction
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.purposes import FileKind, Purpose
from service.core.tasks import lease
from service.core.tasks.lease import LEASE, Claimed, Progress

# How often progress is written, the lease is renewed and a cancellation is noticed.
PULSE_SECONDS = 1.0
# A function that does not react to the stop signal for so long is killed; its lease expires and the task is taken over.
STOP_SECONDS = 8.0
RESULT_FILE_LIFETIME = timedelta(days=7)
log = structlog.get_logger()


class Cancelled(Exception):
    """The user has cancelled the task."""


class Lost(Exception):
    """Another worker has the task; what is not committed yet must be rolled back."""


class Stopping(Exception):
    """This worker has to stop."""


class Failed(Exception):
    """The task has failed; the text tells the user why, and what to do."""


@dataclass(frozen=True)
class Result:
    """`summary` is a sentence, `figures` maps Japanese titles to numbers, `file` is from `Work.store_file`."""

    summary: str
    figures: Mapping[str, int] = field(default_factory=dict)
    file: Deposit | None = None


class Work:
    """One attempt at a task. `params` are those of its start."""

    def __init__(self, task: Claimed, actor: Actor, stopping: threading.Event) -> None:
        self.task = task
        self.actor = actor
        self.params = task.params
        self.settled = False
        self._stopping = stopping
        self._progress: Progress | None = None
        self._cancelled = self._lost = False

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Sets the progress; cheap enough for every row, because only the pulse writes it. Raises Lost, Cancelled or
        Stopping when the work has to end."""
        self._progress = Progress(done, total, message)
        if self._lost:
            raise Lost
        if self._cancelled:
            raise Cancelled
        if self._stopping.is_set():
            raise Stopping

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction with the scopes of the user who started the task. It is committed only while this worker has
        the lease and the task is not cancelled; otherwise it raises Lost or Cancelled and is rolled back."""
        with transaction(self.actor.scopes) as db:
            yield db
            if not self.settled:
                self._lock_lease(db)

    def _lock_lease(self, db: Session) -> None:
        cancelled = lease.lock_lease(db, self.task)
        if cancelled is None:
            raise Lost
        if cancelled:
            raise Cancelled

    def settle(self, db: Session, result: Result) -> None:
        """Marks the task as done in the transaction of its work, so that both are committed or neither. Call it last in
        that transaction."""
        self._lock_lease(db)
        stored_result: dict[str, Any] = {"figures": dict(result.figures), "file": None}
        if result.file:
            file = records.add(db, self.actor, result.file, is_audited=False)
            file.expires_at = app_now(db) + RESULT_FILE_LIFETIME
            stored_result["file"] = {"id": str(file.id), "name": file.name, "size": file.size}
        lease.settle(db, self.task, "done", **self._counts(), message=result.summary[:500], result=stored_result)
        self.settled = True

    def store_file(self, spool: IO[bytes], kind: FileKind, name: str) -> Deposit:
        """Stores a result file for the user who started the task, for `RESULT_FILE_LIFETIME`; a file that no result
        names is deleted later. Slow: outside any transaction with locks."""
        permission = self.task.permission
        purpose = Purpose(f"{self.task.area}.task_result", frozenset({kind}), permission=permission, read=permission)
        return deposit.store(spool, purpose, name, made_as=kind)

    def finish(self, result: Result) -> None:
        """`settle` for work without a last transaction of its own."""
        with transaction(SYSTEM) as db:
            self.settle(db, result)

    def _counts(self) -> dict[str, Any]:
        progress = self._progress or Progress()
        return {
            "done_count": progress.done if progress.total is None else progress.total,
            "total_count": progress.total,
        }

    @contextmanager
    def pulse(self, seconds: float = PULSE_SECONDS) -> Iterator[None]:
        """Runs during the work, on a thread and a connection of its own: the lease is renewed also while a statement
        takes minutes, and progress is visible before the work's transaction is committed."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stopped, seconds), name=f"pulse-{self.task.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(10)

    def _beat(self, stopped: threading.Event, seconds: float) -> None:
        renewed_at, stop_noticed_at, written_progress = time.monotonic(), None, None
        while not stopped.wait(seconds):
            if self._stopping.is_set():
                stop_noticed_at = stop_noticed_at or time.monotonic()
                if time.monotonic() > stop_noticed_at + STOP_SECONDS:
                    log.warning("task cut off", task=self.task.id, kind=self.task.kind)
                    os._exit(1)
            progress = self._progress
            try:
                with transaction(SYSTEM) as db:
                    is_cancelled = lease.renew(db, self.task, progress if progress is not written_progress else None)
            except SQLAlchemyError as error:
                log.warning("lease not renewed", task=self.task.id, error=type(error).__name__)
                # Another worker may have the lease by now; nothing more may be committed.
                self._lost = self._lost or time.monotonic() > renewed_at + LEASE.total_seconds()
                continue
            renewed_at, written_progress = time.monotonic(), progress
            self._lost, self._cancelled = is_cancelled is None, bool(is_cancelled)


Run = Callable[[Work], Result | None]
