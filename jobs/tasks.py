"""Starts a process for background tasks when some are due.

What is due is decided in the database, so that one process more or less changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
import threading

import structlog

from jobs.app import app
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.core.settings import settings
from service.core.tasks import lease

# An idle process claims due tasks by itself; this is the time it may need to start and to poll.
NOTICE_SECONDS = 10.0

log = structlog.get_logger()
_processes: list[subprocess.Popen[bytes]] = []
_waking = threading.Lock()


@app.task(name="tasks.wake")
def wake() -> None:
    if not _waking.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            longest_wait = lease.longest_wait(db)
            record_job(db, "tasks.wake")
        _processes[:] = [process for process in _processes if process.poll() is None]
        if longest_wait is None or (_processes and longest_wait < NOTICE_SECONDS):
            return
        if len(_processes) < settings().task_processes:
            _processes.append(subprocess.Popen([sys.executable, "-m", "jobs.long"]))
            log.info("process for long work started", processes=len(_processes))
    finally:
        _waking.release()
