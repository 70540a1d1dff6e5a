"""The jobs of the core: partitions, retention, sweeps, holidays."""

from __future__ import annotations

import structlog

from jobs.app import app
from service.core import holidays, sweeps
from service.core.areas import retention_policies
from service.core.database import partitions, retention
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job

log = structlog.get_logger()


@app.task(name="core.make_partitions")
def make_partitions() -> None:
    with transaction(SYSTEM) as db:
        tables = partitions.partitioned_tables(db)
    for table in tables:
        with transaction(SYSTEM) as db:
            created = partitions.create_partitions(db, table)
        if created:
            log.info("partitions made", table=table, made=created)
    with transaction(SYSTEM) as db:
        record_job(db, "core.make_partitions")


@app.task(name="core.retention")
def apply_retention() -> None:
    """One transaction for each table, so that the deletion and its report are committed together."""
    for policy in retention_policies():
        with transaction(SYSTEM) as db:
            run = retention.run_if_due(db, policy)
        if run is not None:
            log.info("retention ran", table=run.target, rows=run.rows, bytes=run.bytes, partitions=run.partitions)
    with transaction(SYSTEM) as db:
        record_job(db, "core.retention")


@app.task(name="core.sweep")
def sweep() -> None:
    for target in sweeps.SWEEPS:
        deleted = sweeps.run(target)
        if deleted.rows:
            log.info("swept", target=target.target, rows=deleted.rows, bytes=deleted.bytes)
    with transaction(SYSTEM) as db:
        record_job(db, "core.sweep")


@app.task(name="core.top_up_holidays")
def top_up_holidays() -> None:
    with transaction(SYSTEM) as db:
        changed = holidays.top_up(db)
        record_job(db, "core.top_up_holidays")
    if changed:
        log.info("holidays topped up", changed=changed)
