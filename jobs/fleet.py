"""The fleet's jobs: open a transaction, call one action."""

from __future__ import annotations

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.fleet.agents import actions as agents
from service.fleet.watch import actions

log = structlog.get_logger()


@app.task(name="fleet.watch")
def watch() -> None:
    with transaction(SYSTEM) as db:
        done = actions.watch(db)
        record_job(db, "fleet.watch")
    if any(done.values()):
        log.info("fleet watched", **done)


@app.task(name="fleet.agents")
def tend_agents() -> None:
    with transaction(SYSTEM) as db:
        done = agents.tend(db)
        record_job(db, "fleet.agents")
    if any(done.values()):
        log.info("agents tended", **done)
