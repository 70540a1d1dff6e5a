"""The running processes: each reports every few seconds, with its CPU and memory and those of its machine."""

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

from service.core.database.clock import real_now
from service.core.database.session import Base, transaction
from service.core.http import traffic

REPORT_INTERVAL_SECONDS = 10
# After a longer silence a process counts as gone; after a day its row is deleted.
GONE_AFTER = timedelta(seconds=45)
FORGOTTEN_AFTER = timedelta(days=1)
# A process that was started after another one fell silent replaces it: on the same machine before an alarm, on another
# machine (a new container has a new name) after some minutes.
SUCCEEDED_AFTER = timedelta(seconds=25)
SUCCEEDED_ELSEWHERE_AFTER = timedelta(minutes=5)
# Processes for background tasks start when there are tasks, and end again: a silent one is not missing.
TASK_PROCESS = "long work"

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
    """Reports this process from a thread of its own until the block ends; a clean stop deletes its row."""

    def __init__(self, name: str, after_report: Callable[[], None] | None = None) -> None:
        """`after_report` is called in the same thread after each report; it must not raise."""
        self._after_report = after_report
        self._id, self._name, self._started = uuid.uuid4(), name, real_now()
        self._process = psutil.Process()
        self._has_replaced = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._report_until_stopped, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        # CPU is measured between two calls: the first one only sets the start.
        self._process.cpu_percent()
        psutil.cpu_percent()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)
        with contextlib.suppress(SQLAlchemyError), transaction() as db:
            traffic.write(db, traffic.TRAFFIC_COUNTER.take())
            db.execute(delete(Instance).where(Instance.id == self._id))

    def _report_until_stopped(self) -> None:
        while True:
            traffic_sums = traffic.TRAFFIC_COUNTER.take()
            try:
                with transaction() as db:
                    self.report(db)
                    traffic.write(db, traffic_sums)
            except SQLAlchemyError as error:
                traffic.TRAFFIC_COUNTER.give_back(traffic_sums)
                log.warning("presence not reported", error=type(error).__name__)
            if self._after_report is not None:
                self._after_report()
            if self._stopped.wait(REPORT_INTERVAL_SECONDS):
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
        identity = {
            "id": self._id,
            "name": self._name,
            "host": socket.gethostname()[:100],
            "pid": os.getpid(),
            "started_at": self._started,
        }
        row = insert(Instance).values(**identity, **measured)
        db.execute(row.on_conflict_do_update(index_elements=["id"], set_=measured))
        if not self._has_replaced:
            self._has_replaced = self._replace_killed(db, now)
        is_ended_task_process = (Instance.name == TASK_PROCESS) & (Instance.seen_at < now - SUCCEEDED_ELSEWHERE_AFTER)
        db.execute(delete(Instance).where(is_ended_task_process | (Instance.seen_at < now - FORGOTTEN_AFTER)))

    def _replace_killed(self, db: Session, now: datetime) -> bool:
        """Deletes the row of one killed process, which this one replaces; only once in its lifetime, so that of two
        killed processes one stays missing after one replacement."""
        silent = case(
            (Instance.host == socket.gethostname()[:100], Instance.seen_at < now - SUCCEEDED_AFTER),
            else_=Instance.seen_at < now - SUCCEEDED_ELSEWHERE_AFTER,
        )
        killed = (
            select(Instance.id)
            .where(Instance.name == self._name, Instance.seen_at < self._started, silent)
            .order_by(Instance.seen_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        statement = delete(Instance).where(Instance.id.in_(killed.scalar_subquery())).returning(Instance.id)
        return db.scalar(statement) is not None
