"""`python -m jobs.long`: does tasks, one at a time, as long as there are any; ends after a while without.

The worker's tick starts it (`jobs.tasks`). It ends with the process that started it, and gives back what it had begun.
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
from service.core.instances import LONG_WORK, Presence
from service.core.logs import configure_logging
from service.core.settings import settings
from service.core.tasks.runner import run_next
from service.core.tasks.work import Run

# People who import something look, correct and go on: the next task should not wait for a start.
LINGER_SECONDS = 60
LOOK_EVERY_SECONDS = 0.25
# After a failure of the database itself.
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
    with Presence(LONG_WORK):
        _work(kinds(), stopping)


def _work(known: Mapping[str, Run], stopping: threading.Event) -> None:
    idle_since = time.monotonic()
    while not stopping.is_set() and time.monotonic() < idle_since + LINGER_SECONDS:
        try:
            if run_next(known, stopping):
                idle_since = time.monotonic()
            else:
                stopping.wait(LOOK_EVERY_SECONDS)
        except Exception:
            log.exception("no task could be taken up")
            stopping.wait(PAUSE_SECONDS)


def _stop_with_parent(parent: int, stopping: threading.Event) -> None:
    """A parent that was killed cannot say so."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stopping.set()


main()
