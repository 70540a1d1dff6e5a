"""The ticks of a few seconds, all in one message a second: a message costs Celery more than most of these ticks do.

Each runs when its interval is over since this process ran it last. One that is still running is passed over, so that it
does not delay the others: they go on with the next message, on another thread. With several workers a tick may run more
often, which changes only the time of its work.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict

import structlog

from jobs.app import app
from jobs.timetable import PULSE, QUICK_TICKS

# A message may come a little earlier than a second after the last one.
EARLY_SECONDS = 0.5

log = structlog.get_logger()
_running: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_due_at: dict[str, float] = {}


@app.task(name=PULSE)
def pulse() -> None:
    for name, tick in QUICK_TICKS.items():
        if _running[name].acquire(blocking=False):
            try:
                _run_if_due(name, tick.every.total_seconds())
            except Exception:
                log.exception("tick failed", tick=name)
            finally:
                _running[name].release()


def _run_if_due(name: str, seconds: float) -> None:
    now = time.monotonic()
    if now >= _due_at.get(name, now):
        _due_at[name] = now + seconds - EARLY_SECONDS
        app.tasks[name].run()
