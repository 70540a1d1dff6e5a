"""The loaners area's jobs: open a transaction, call one action."""

from __future__ import annotations

from functools import partial

import structlog

from jobs.app import app
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.loaners.lending import actions as lending
from service.loaners.lending import queries as loans
from service.loaners.notifications import actions as notifications
from service.loaners.upkeep import actions as upkeep

log = structlog.get_logger()


@app.task(name="loaners.remind")
def remind() -> None:
    """A transaction for each site: a mail that cannot be written keeps none of the others back."""
    with transaction(SYSTEM) as db:
        sites = loans.sites_with_due(db)
    told, failed = 0, []
    for site_id in sites:
        try:
            with transaction(SYSTEM) as db:
                told += lending.remind(db, site_id)
        except Exception:
            log.exception("a site was not reminded of its loans", site_id=site_id)
            failed.append(site_id)
    if told:
        log.info("sites reminded of loans", loans=told)
    if failed:
        # The tick counts as failed, and システム状態 tells of a job that does not run.
        raise RuntimeError(f"{len(failed)} of {len(sites)} sites were not reminded")
    with transaction(SYSTEM) as db:
        record_job(db, "loaners.remind")


@app.task(name="loaners.upkeep")
def tend() -> None:
    """Every four weeks, and once a month; the ticks in between keep what became of mails, before the outbox forgets."""
    opened = partial(transaction, SYSTEM)
    done = {"rotation": upkeep.rotate_if_due(opened), "checks": upkeep.check_if_due(opened)}
    with transaction(SYSTEM) as db:
        notifications.keep_results(db)
        record_job(db, "loaners.upkeep")
    if any(done.values()):
        log.info("loaners tended", **done)
