"""The entries area's jobs."""

from __future__ import annotations

from functools import partial

import structlog

from jobs.app import app
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.entries.archives import actions as archives

log = structlog.get_logger()


@app.task(name="entries.archive")
def archive() -> None:
    """Archives at most one month per tick; a backlog of years takes as many ticks."""
    archived = archives.archive_oldest_month(partial(transaction, SYSTEM))
    with transaction(SYSTEM) as db:
        record_job(db, "entries.archive")
    if archived is not None:
        log.info("logs archived", month=str(archived[0]), logs=archived[1])
