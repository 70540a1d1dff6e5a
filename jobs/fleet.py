"""The fleet's jobs: open a transaction, call one action."""

from __future__ import annotations

import time
from functools import partial

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.fleet.agents import actions as agents
from service.fleet.firmware import actions as firmware
from service.fleet.history import actions as history
from service.fleet.history import queries as past
from service.fleet.history.rules import MOST_DAYS
from service.fleet.hours import actions as hours
from service.fleet.maintenance import actions as maintenance
from service.fleet.monthly import actions as monthly
from service.fleet.watch import actions

# A tick's share of drafting; what is left is the next one's.
DRAFTING_SECONDS = 60

log = structlog.get_logger()


@app.task(name="fleet.compact")
def compact() -> None:
    """A transaction for each day, so that a long backlog is not begun anew."""
    days = []
    for _ in range(MOST_DAYS):
        with transaction(SYSTEM) as db:
            day = history.compact(db)
            if day is None:
                break
            days.append(day)
    with transaction(SYSTEM) as db:
        record_job(db, "fleet.compact")
    if days:
        log.info("fleet days summed up", days=days)


@app.task(name="fleet.hours")
def learn_hours() -> None:
    """Opening hours, as soon as the night's days are summed up."""
    with transaction(SYSTEM) as db:
        learned = hours.learn(db, past.compacted_until(db))
        record_job(db, "fleet.hours")
    if learned:
        log.info("opening hours learned", terminals=learned)


@app.task(name="fleet.watch")
def watch() -> None:
    with transaction(SYSTEM) as db:
        done = maintenance.tick(db)
    with transaction(SYSTEM) as db:
        done |= actions.watch(db)
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


@app.task(name="fleet.roll_outs")
def roll_outs() -> None:
    with transaction(SYSTEM) as db:
        done = firmware.advance(db)
        record_job(db, "fleet.roll_outs")
    if any(done.values()):
        log.info("roll-outs led on", **done)


@app.task(name="fleet.monthly")
def draft_monthly_reports() -> None:
    """Last month's reports, once all of its days are summed up: those that are missing, each by itself."""
    with transaction(SYSTEM) as db:
        month, missing = monthly.due(db)
        record_job(db, "fleet.monthly")
    until, drafted = time.monotonic() + DRAFTING_SECONDS, 0
    for customer_id in missing:
        if time.monotonic() > until:
            break
        drafted += monthly.draft(partial(transaction, SYSTEM), "fleet.monthly", month, customer_id, anew=False)
    if drafted:
        log.info("monthly reports drafted", month=str(month), drafted=drafted, missing=len(missing) - drafted)
