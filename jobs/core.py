"""The floor's own jobs: partitions, retention, what is of no use any more, holidays."""

from __future__ import annotations

import structlog

from jobs.app import app
from service.core import holidays, partitions, retention, sweeps
from service.core.areas import policies
from service.core.db import SYSTEM, transaction
from service.core.health import record_job

log = structlog.get_logger()


@app.task(name="core.make_partitions")
def make_partitions() -> None:
    with transaction(SYSTEM) as db:
        tables = partitions.tables(db)
    for table in tables:
        with transaction(SYSTEM) as db:
            made = partitions.make(db, table)
        if made:
            log.info("partitions made", table=table, made=made)
    with transaction(SYSTEM) as db:
        record_job(db, "core.make_partitions")


@app.task(name="core.retention")
def keep_to_retention() -> None:
    """One transaction for each table: what was dropped and its report are there together, or neither is."""
    for policy in policies():
        with transaction(SYSTEM) as db:
            run = retention.run_if_due(db, policy)
        if run is not None:
            log.info("retention ran", table=run.target, rows=run.rows, bytes=run.bytes, partitions=run.partitions)
    with transaction(SYSTEM) as db:
        record_job(db, "core.retention")


@app.task(name="core.sweep")
def sweep() -> None:
    for one in sweeps.SWEEPS:
        gone = sweeps.run(one)
        if gone.rows:
            log.info("swept", target=one.target, rows=gone.rows, bytes=gone.bytes)
    with transaction(SYSTEM) as db:
        record_job(db, "core.sweep")


@app.task(name="core.top_up_holidays")
def top_up_holidays() -> None:
    with transaction(SYSTEM) as db:
        changed = holidays.top_up(db)
        record_job(db, "core.top_up_holidays")
    if changed:
        log.info("holidays topped up", changed=changed)
