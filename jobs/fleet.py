"""The jobs of the fleet area: open a transaction, call one action."""

from __future__ import annotations

import time
from functools import partial

import structlog

from jobs.app import app
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.fleet.agents import actions as agents
from service.fleet.firmware import actions as firmware
from service.fleet.history import actions as history
from service.fleet.history import queries as past
from service.fleet.history.rules import MAX_DAYS_PER_RUN
from service.fleet.hours import actions as hours
from service.fleet.maintenance import actions as maintenance
from service.fleet.monthly import actions as monthly
from service.fleet.watch import actions

# The longest drafting of one tick; the next tick does the rest.
DRAFTING_SECONDS = 60

log = structlog.get_logger()


@app.task(name="fleet.compact")
def compact() -> None:
    """Aggregates past days. One transaction for each day, so that a failure does not undo a long backlog."""
    days = []
    for _ in range(MAX_DAYS_PER_RUN):
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
    """Learns opening hours, as soon as the past days are aggregated."""
    with transaction(SYSTEM) as db:
        learned = hours.learn(db, past.compacted_until(db))
        record_job(db, "fleet.hours")
    if learned:
        log.info("opening hours learned", terminals=learned)


@app.task(name="fleet.watch")
def watch() -> None:
    with transaction(SYSTEM) as db:
        counts = maintenance.begin_and_end_due(db)
    with transaction(SYSTEM) as db:
        counts |= actions.watch(db)
        record_job(db, "fleet.watch")
    if any(counts.values()):
        log.info("fleet watched", **counts)


@app.task(name="fleet.agents")
def tend_agents() -> None:
    with transaction(SYSTEM) as db:
        counts = agents.run_housekeeping(db)
        record_job(db, "fleet.agents")
    if any(counts.values()):
        log.info("agents tended", **counts)


@app.task(name="fleet.roll_outs")
def roll_outs() -> None:
    with transaction(SYSTEM) as db:
        counts = firmware.advance(db)
        record_job(db, "fleet.roll_outs")
    if any(counts.values()):
        log.info("roll-outs led on", **counts)


@app.task(name="fleet.monthly")
def draft_monthly_reports() -> None:
    """Drafts the missing reports of last month, once all of its days are aggregated; each in its own transaction."""
    with transaction(SYSTEM) as db:
        month, missing = monthly.due_reports(db)
        record_job(db, "fleet.monthly")
    deadline, drafted = time.monotonic() + DRAFTING_SECONDS, 0
    for customer_id in missing:
        if time.monotonic() > deadline:
            break
        drafted += monthly.draft(partial(transaction, SYSTEM), "fleet.monthly", month, customer_id, anew=False)
    if drafted:
        log.info("monthly reports drafted", month=str(month), drafted=drafted, missing=len(missing) - drafted)
