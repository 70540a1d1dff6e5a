"""The Celery app, its queues and its timetable.

Each tick asks the database what is due; a tick that comes late, twice or not at all changes nothing but the moment.
Ticks therefore expire instead of piling up, and are never retried: the next one does the same work.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from service.core.observe import configure_logging
from service.core.settings import settings


def _broker(url: str) -> str:
    """redis-py's name for a unix socket in Celery's words."""
    return url.replace("unix://", "redis+socket://", 1)


app = Celery("genba", broker=_broker(settings().redis_url.get_secret_value()), include=["jobs.fleet", "jobs.outbox"])
app.conf.update(
    task_ignore_result=True,
    timezone="Asia/Tokyo",
    task_default_queue="ticks",
    worker_prefetch_multiplier=1,
    task_time_limit=300,
    broker_connection_retry_on_startup=True,
    # A worker that lost its broker must come back by itself, however long that takes.
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_create_missing_queues=True,
    beat_schedule={
        "watch the fleet": {"task": "fleet.watch", "schedule": 10.0, "options": {"expires": 30}},
        "send the outbox": {"task": "outbox.send", "schedule": 3.0, "options": {"expires": 10}},
        "make partitions": {"task": "fleet.make_partitions", "schedule": 3600.0, "options": {"expires": 600}},
    },
    # The timetable is fixed here and every tick is harmless: nothing about the last run needs a file.
    beat_scheduler="celery.beat:Scheduler",
)


@setup_logging.connect
def _log_as_json(**_: Any) -> None:
    configure_logging(settings().log_level)
    # One line per tick would drown what matters.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)
