"""The jobs of the loaners area: open a transaction, call one action."""

from __future__ import annotations

from functools import partial

import structlog

from jobs.app import app
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.loaners.lending import actions as lending
from service.loaners.lending import queries as loans
from service.loaners.notifications import actions as notifications
from service.loaners.upkeep import actions as upkeep

log = structlog.get_logger()


@app.task(name="loaners.remind")
def remind() -> None:
    """Reminds sites of due loans. One transaction for each site, so that a failure does not affect the other sites."""
    with transaction(SYSTEM) as db:
        sites = loans.sites_with_due(db)
    reminded, failed = 0, []
    for site_id in sites:
        try:
            with transaction(SYSTEM) as db:
                reminded += lending.remind(db, site_id)
        except Exception:
            log.exception("a site was not reminded of its loans", site_id=site_id)
            failed.append(site_id)
    if reminded:
        log.info("sites reminded of loans", loans=reminded)
    if failed:
        # The tick counts as failed, and システム状態 shows that the job does not succeed.
        raise RuntimeError(f"{len(failed)} of {len(sites)} sites were not reminded")
    with transaction(SYSTEM) as db:
        record_job(db, "loaners.remind")


@app.task(name="loaners.upkeep")
def run_upkeep() -> None:
    """Rotates every four weeks and checks once a month. Every tick also stores the delivery results of mails, before
    the outbox deletes them."""
    open_transaction = partial(transaction, SYSTEM)
    counts = {"rotation": upkeep.rotate_if_due(open_transaction), "checks": upkeep.check_if_due(open_transaction)}
    with transaction(SYSTEM) as db:
        notifications.save_results(db)
        record_job(db, "loaners.upkeep")
    if any(counts.values()):
        log.info("loaners tended", **counts)
