"""The Celery app and when each tick happens. Beat runs just this: it only sends names and loads none of the tasks."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.signals import setup_logging

from service.core.areas import TICK_QUEUE, ticks
from service.core.logs import configure_logging
from service.core.settings import settings

# A tick that waited for three of its turns is dropped: the next one does its work.
TICKS: dict[str, dict[str, Any]] = {
    name: {
        "task": name,
        "schedule": tick.every,
        "options": {"expires": max(10, min(600, 3 * tick.every.total_seconds())), "queue": tick.queue},
    }
    for name, tick in ticks().items()
}


# The Redis URL; redis-py's name for a unix socket in Celery's words.
BROKER = settings().redis_url.get_secret_value().replace("unix://", "redis+socket://", 1)

app = Celery("genba", broker=BROKER)
app.conf.update(
    timezone="Asia/Tokyo",
    task_default_queue=TICK_QUEUE,
    beat_schedule=TICKS,
    # Every tick is harmless, whenever it comes: nothing about the last run needs a file.
    beat_scheduler="jobs.timetable:AtOnce",
)


class AtOnce(Scheduler):
    """Begins with every tick: one that comes every six hours would never come where beat is restarted every day."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for name, tick in ticks().items():
            entry = self.schedule[name]
            entry.last_run_at = entry.default_now() - tick.every


@setup_logging.connect
def _log_as_json(**_: Any) -> None:
    configure_logging(settings().log_level)
    # One line per tick would drown what matters.
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
