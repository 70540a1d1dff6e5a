"""A task as the function that does it sees it: progress, transactions that are fenced, files to keep."""

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

from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import SYSTEM, transaction
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.purposes import Kind, Purpose
from service.core.tasks import lease
from service.core.tasks.lease import LEASE, Claimed, Progress

# How often progress is written, the lease renewed and a wish to cancel heard.
PULSE_SECONDS = 1.0
# After being told to stop, a function that never looks up is cut off; its lease runs out and it is taken up again.
STOP_SECONDS = 8.0
FILE_KEPT = timedelta(days=7)
log = structlog.get_logger()


class Cancelled(Exception):
    """The person does not want it any more."""


class Lost(Exception):
    """Another worker has it; whatever is not committed yet must not be."""


class Stopping(Exception):
    """This worker has to stop."""


class Failed(Exception):
    """It cannot be done; the text says to the person why, and what now."""


@dataclass(frozen=True)
class Result:
    """`summary` is a sentence, `figures` maps Japanese words to numbers, `file` is what `Work.keep` gave."""

    summary: str
    figures: Mapping[str, int] = field(default_factory=dict)
    file: Deposit | None = None


class Work:
    """One attempt at a task. `params` are as its starter left them."""

    def __init__(self, task: Claimed, actor: Actor, stopping: threading.Event) -> None:
        self.task = task
        self.actor = actor
        self.params = task.params
        self.settled = False
        self._stopping = stopping
        self._progress: Progress | None = None
        self._cancelled = self._lost = False

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Cheap enough for every row: only remembered here, written by the pulse. Raises what ends the work."""
        self._progress = Progress(done, total, message)
        if self._lost:
            raise Lost
        if self._cancelled:
            raise Cancelled
        if self._stopping.is_set():
            raise Stopping

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """With the rights of the person who started the task. It is committed only while the task is still ours and
        wanted; otherwise Lost or Cancelled is raised and nothing is kept."""
        with transaction(self.actor.scopes) as db:
            yield db
            if not self.settled:
                self._hold(db)

    def _hold(self, db: Session) -> None:
        cancelled = lease.hold(db, self.task)
        if cancelled is None:
            raise Lost
        if cancelled:
            raise Cancelled

    def settle(self, db: Session, result: Result) -> None:
        """Done, in the transaction of the work itself: either both or neither. The last thing in that transaction."""
        self._hold(db)
        told: dict[str, Any] = {"figures": dict(result.figures), "file": None}
        if result.file:
            file = records.add(db, self.actor, result.file)
            file.expires_at = app_now(db) + FILE_KEPT
            told["file"] = {"id": str(file.id), "name": file.name, "size": file.size}
        lease.settle(db, self.task, "done", **self._counts(), message=result.summary[:500], result=told)
        self.settled = True

    def keep(self, spool: IO[bytes], kind: Kind, name: str) -> Deposit:
        """Stores a result file. It belongs to the person who started the task, and stays for `FILE_KEPT`; without a
        result that names it, it is swept. Slow: outside any transaction that others wait for."""
        needed = self.task.permission
        purpose = Purpose(f"{self.task.area}.task_result", frozenset({kind}), permission=needed, read=needed)
        return deposit.make(spool, purpose, name, made_as=kind)

    def finish(self, result: Result) -> None:
        """For work without a last transaction of its own."""
        with transaction(SYSTEM) as db:
            self.settle(db, result)

    def _counts(self) -> dict[str, Any]:
        seen = self._progress or Progress()
        return {"done_count": seen.done if seen.total is None else seen.total, "total_count": seen.total}

    @contextmanager
    def pulse(self, seconds: float = PULSE_SECONDS) -> Iterator[None]:
        """Beside the work, on a thread and a connection of its own: the lease is renewed also while one statement
        takes minutes, and progress is seen before the work's transaction is committed."""
        over = threading.Event()
        beating = threading.Thread(target=self._beat, args=(over, seconds), name=f"pulse-{self.task.id}", daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join(10)

    def _beat(self, over: threading.Event, seconds: float) -> None:
        renewed, told_to_stop, written = time.monotonic(), None, None
        while not over.wait(seconds):
            if self._stopping.is_set():
                told_to_stop = told_to_stop or time.monotonic()
                if time.monotonic() > told_to_stop + STOP_SECONDS:
                    log.warning("task cut off", task=self.task.id, kind=self.task.kind)
                    os._exit(1)
            seen = self._progress
            try:
                with transaction(SYSTEM) as db:
                    answer = lease.renew(db, self.task, seen if seen is not written else None)
            except SQLAlchemyError as error:
                log.warning("lease not renewed", task=self.task.id, error=type(error).__name__)
                # The lease may have passed on by now; nothing more may be committed under it.
                self._lost = self._lost or time.monotonic() > renewed + LEASE.total_seconds()
                continue
            renewed, written = time.monotonic(), seen
            self._lost, self._cancelled = answer is None, bool(answer)


Run = Callable[[Work], Result | None]
