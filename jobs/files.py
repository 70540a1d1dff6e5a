"""Files: what nobody took into use goes after a day, and so do bytes without a row."""

from __future__ import annotations

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.files import retention
from service.core.health import record_job

log = structlog.get_logger()


@app.task(name="files.clean")
def clean() -> None:
    report = retention.clean()
    with transaction(SYSTEM) as db:
        record_job(db, "files.clean")
    if report.refused:
        log.error("orphaned files left alone", reason=report.refused)
    elif report.expired or report.orphans:
        log.info(
            "files removed",
            expired=report.expired,
            expired_bytes=report.expired_bytes,
            orphans=report.orphans,
            orphan_bytes=report.orphan_bytes,
        )
