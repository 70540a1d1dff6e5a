"""The worker's Celery app.

Each tick asks the database what is due; a tick that comes late, twice or not at all changes nothing but the moment.
Ticks therefore expire instead of piling up, and are never retried: the next one does the same work.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from jobs.timetable import broker
from service.core.logs import configure_logging
from service.core.settings import settings

app = Celery("genba", broker=broker(), include=["jobs.fleet", "jobs.outbox"])
app.conf.update(
    task_ignore_result=True,
    timezone="Asia/Tokyo",
    task_default_queue="ticks",
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # A worker that lost its broker must come back by itself, however long that takes.
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_create_missing_queues=True,
)


@setup_logging.connect
def _log_as_json(**_: Any) -> None:
    configure_logging(settings().log_level)
    # One line per tick would drown what matters.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
