"""The Celery app and the schedule of the ticks. Beat runs only this module: it sends task names and imports no task."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.signals import setup_logging

from service.core.areas import TICK_QUEUE, Tick, ticks
from service.core.monitoring.logs import configure_logging
from service.core.settings import settings

# Ticks that come at least so often are one message (`jobs.pulse`).
QUICK = timedelta(seconds=3)
PULSE = "core.pulse"
QUICK_TICKS: dict[str, Tick] = {
    name: tick for name, tick in ticks().items() if tick.every <= QUICK and tick.queue == TICK_QUEUE
}


def _entry(name: str, every: timedelta, queue: str) -> dict[str, Any]:
    """A tick that waited for three of its intervals expires: the next one does its work."""
    options = {"expires": max(10, min(600, 3 * every.total_seconds())), "queue": queue}
    return {"task": name, "schedule": every, "options": options}


TICKS: dict[str, dict[str, Any]] = {PULSE: _entry(PULSE, timedelta(seconds=1), TICK_QUEUE)} | {
    name: _entry(name, tick.every, tick.queue) for name, tick in ticks().items() if name not in QUICK_TICKS
}


# The Redis URL, with the scheme that Celery uses for a unix socket.
BROKER = settings().redis_url.get_secret_value().replace("unix://", "redis+socket://", 1)

app = Celery("genba", broker=BROKER)
app.conf.update(
    timezone="Asia/Tokyo",
    task_default_queue=TICK_QUEUE,
    beat_schedule=TICKS,
    # A tick may run at any time, so the times of the last runs need no file.
    beat_scheduler=f"{__name__}:StartAtOnce",
)


class StartAtOnce(Scheduler):
    """Sends every tick at the start: a tick of every 24 hours would never be sent when beat is restarted every day."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for name, tick in TICKS.items():
            entry = self.schedule[name]
            entry.last_run_at = entry.default_now() - tick["schedule"]


@setup_logging.connect
def _log_as_json(**_: Any) -> None:
    configure_logging(settings().log_level)
    # One line per tick would hide the important ones.
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
