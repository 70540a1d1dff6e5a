"""`python -m jobs.long`: runs background tasks, one at a time, and ends when it has been idle for a while.

The worker's tick starts it (`jobs.tasks`). It ends with the process that started it, and releases the task that it was
running.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from types import FrameType

import structlog

from jobs.long.kinds import kinds
from service.core.monitoring.instances import TASK_PROCESS, Presence
from service.core.monitoring.logs import configure_logging
from service.core.settings import settings
from service.core.tasks.runner import run_next
from service.core.tasks.work import Run

# Users who import a file correct it and start another task soon: that task should not wait for a new process.
IDLE_SECONDS = 60
POLL_SECONDS = 0.25
# The pause after an error of the database.
PAUSE_SECONDS = 5.0

log = structlog.get_logger()


def main() -> None:
    configure_logging(settings().log_level)
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=_stop_with_parent, args=(os.getppid(), stopping), daemon=True).start()
    with Presence(TASK_PROCESS):
        _work(kinds(), stopping)


def _work(task_kinds: Mapping[str, Run], stopping: threading.Event) -> None:
    idle_since = time.monotonic()
    while not stopping.is_set() and time.monotonic() < idle_since + IDLE_SECONDS:
        try:
            if run_next(task_kinds, stopping):
                idle_since = time.monotonic()
            else:
                stopping.wait(POLL_SECONDS)
        except Exception:
            log.exception("no task could be taken up")
            stopping.wait(PAUSE_SECONDS)


def _stop_with_parent(parent: int, stopping: threading.Event) -> None:
    """Polls the parent process: a parent that was killed sends no signal."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stopping.set()


main()
