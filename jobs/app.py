"""The worker's side of the Celery app: the tasks.

Each tick queries the database for what is due, so a tick that is late, repeated or lost changes only the time of the
work. Ticks therefore expire instead of piling up, and are never retried: the next tick does the same work.
"""

from __future__ import annotations

from jobs.timetable import app
from service.core.areas import AREAS, check_settings

__all__ = ["app"]

check_settings()

app.conf.update(
    include=[
        "jobs.core",
        "jobs.outbox",
        "jobs.presence",
        "jobs.pulse",
        "jobs.tasks",
        *(f"jobs.{area}" for area in AREAS),
    ],
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # A worker that has lost its broker must reconnect by itself, however long that takes.
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_create_missing_queues=True,
)
