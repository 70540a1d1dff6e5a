"""The processes that are there: each says so every few seconds, with its CPU and memory and those of its machine."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil
import structlog
from sqlalchemy import REAL, BigInteger, String, case, delete, select
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core import traffic
from service.core.clock import real_now
from service.core.db import Base, transaction

EVERY_SECONDS = 10
# Longer silence than this and a process counts as gone; a day later nobody asks for it any more.
GONE_AFTER = timedelta(seconds=45)
FORGOTTEN_AFTER = timedelta(days=1)
# One that was started after another fell silent stands in its place: on the same machine before anybody is alarmed, on
# another one (a new container has a new name) after some minutes.
SUCCEEDED_AFTER = timedelta(seconds=25)
SUCCEEDED_ELSEWHERE_AFTER = timedelta(minutes=5)
# A process for long work comes when there is some and goes: after some minutes nobody misses one.
LONG_WORK = "long work"

log = structlog.get_logger()


class Instance(Base):
    __tablename__ = "instances"

    id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    host: Mapped[str] = mapped_column(String(100))
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    cpu_percent: Mapped[float] = mapped_column(REAL)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    host_cpu_percent: Mapped[float] = mapped_column(REAL)
    host_memory_percent: Mapped[float] = mapped_column(REAL)
    host_disk_percent: Mapped[float] = mapped_column(REAL)


class Presence:
    """Reports this process from a thread of its own until the block ends, and takes its row away on a clean stop."""

    def __init__(self, name: str, then: Callable[[], None] | None = None) -> None:
        """`then`: what is done in the same thread after each report; it does not raise."""
        self._then = then
        self._id, self._name, self._started = uuid.uuid4(), name, real_now()
        self._process = psutil.Process()
        self._has_succeeded = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report_on, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        # CPU is measured between two looks: the first one only sets the mark.
        self._process.cpu_percent()
        psutil.cpu_percent()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)
        with contextlib.suppress(SQLAlchemyError), transaction() as db:
            traffic.write(db, traffic.COUNTING.take())
            db.execute(delete(Instance).where(Instance.id == self._id))

    def _report_on(self) -> None:
        while True:
            taken = traffic.COUNTING.take()
            try:
                with transaction() as db:
                    self.report(db)
                    traffic.write(db, taken)
            except SQLAlchemyError as error:
                traffic.COUNTING.give_back(taken)
                log.warning("presence not reported", error=type(error).__name__)
            if self._then is not None:
                self._then()
            if self._ended.wait(EVERY_SECONDS):
                return

    def report(self, db: Session) -> None:
        now = real_now()
        measured = {
            "seen_at": now,
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": self._process.memory_info().rss,
            "host_cpu_percent": psutil.cpu_percent(),
            "host_memory_percent": psutil.virtual_memory().percent,
            "host_disk_percent": psutil.disk_usage("/").percent,
        }
        lasting = {
            "id": self._id,
            "name": self._name,
            "host": socket.gethostname()[:100],
            "pid": os.getpid(),
            "started_at": self._started,
        }
        row = insert(Instance).values(**lasting, **measured)
        db.execute(row.on_conflict_do_update(index_elements=["id"], set_=measured))
        if not self._has_succeeded:
            self._has_succeeded = self._succeed(db, now)
        unmissed = (Instance.name == LONG_WORK) & (Instance.seen_at < now - SUCCEEDED_ELSEWHERE_AFTER)
        db.execute(delete(Instance).where(unmissed | (Instance.seen_at < now - FORGOTTEN_AFTER)))

    def _succeed(self, db: Session, now: datetime) -> bool:
        """Takes the place of one process that was killed, once in a life: of two that died, one successor leaves the
        other one missing."""
        silent = case(
            (Instance.host == socket.gethostname()[:100], Instance.seen_at < now - SUCCEEDED_AFTER),
            else_=Instance.seen_at < now - SUCCEEDED_ELSEWHERE_AFTER,
        )
        gone = (
            select(Instance.id)
            .where(Instance.name == self._name, Instance.seen_at < self._started, silent)
            .order_by(Instance.seen_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = delete(Instance).where(Instance.id.in_(gone.scalar_subquery())).returning(Instance.id)
        return db.scalar(taken) is not None
