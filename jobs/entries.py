"""The entries area's jobs."""

from __future__ import annotations

from functools import partial

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.entries.archives import actions as archives

log = structlog.get_logger()


@app.task(name="entries.archive")
def archive() -> None:
    """One month at most: a backlog of years is put away in as many ticks."""
    done = archives.put_away(partial(transaction, SYSTEM))
    with transaction(SYSTEM) as db:
        record_job(db, "entries.archive")
    if done is not None:
        log.info("logs put away", month=str(done[0]), logs=done[1])
