"""Clears away what nobody is held to any more."""

from __future__ import annotations

from jobs.app import app
from service.core import throttle
from service.core.db import transaction
from service.core.health import record_job


@app.task(name="throttle.sweep")
def sweep() -> None:
    with transaction() as db:
        throttle.sweep(db)
        record_job(db, "throttle.sweep")
