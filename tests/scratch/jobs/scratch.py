"""Scratch: jobs."""

from service.scratch import actions

from jobs.app import app
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job


@app.task(name="scratch.tidy")
def tidy() -> None:
    with transaction(SYSTEM) as db:
        actions.tidy(db)
        record_job(db, "scratch.tidy")
