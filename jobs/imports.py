"""Imports: what people left lying in the middle of one is removed after some days."""

from __future__ import annotations

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.core.imports import records

log = structlog.get_logger()


@app.task(name="imports.forget")
def forget() -> None:
    with transaction(SYSTEM) as db:
        forgotten = records.forget(db)
        record_job(db, "imports.forget")
    if forgotten:
        log.info("imports forgotten", imports=forgotten)
