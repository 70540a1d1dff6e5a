"""Starts a process for long work when some is due.

What there is to do, the database says: a process more or less changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
import threading

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.core.settings import settings
from service.core.tasks import lease

# A process that is idle takes up what is due by itself; this long it may need to start and to notice.
NOTICE_SECONDS = 10.0

log = structlog.get_logger()
_processes: list[subprocess.Popen[bytes]] = []
_looking = threading.Lock()


@app.task(name="tasks.wake")
def wake() -> None:
    if not _looking.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            waited = lease.longest_wait(db)
            record_job(db, "tasks.wake")
        _processes[:] = [process for process in _processes if process.poll() is None]
        if waited is None or (_processes and waited < NOTICE_SECONDS):
            return
        if len(_processes) < settings().task_processes:
            _processes.append(subprocess.Popen([sys.executable, "-m", "jobs.long"]))
            log.info("process for long work started", processes=len(_processes))
    finally:
        _looking.release()
