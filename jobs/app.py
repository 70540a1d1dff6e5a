"""The worker's side of the Celery app: the tasks.

Each tick asks the database what is due; a tick that comes late, twice or not at all changes nothing but the moment.
Ticks therefore expire instead of piling up, and are never retried: the next one does the same work.
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
        "jobs.tasks",
        *(f"jobs.{area}" for area in AREAS),
    ],
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # A worker that lost its broker must come back by itself, however long that takes.
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_create_missing_queues=True,
)
