"""The jobs of the agencies area: open a transaction, call one action."""

from __future__ import annotations

from functools import cache

import structlog

from jobs import recognition
from jobs.app import app
from service.agencies.cards import actions as cards
from service.agencies.corporations import queries as corporations
from service.agencies.ocr import actions as reading
from service.core.database.session import SYSTEM, transaction
from service.core.files.storage import storage
from service.core.monitoring.health import record_job

log = structlog.get_logger()


@app.task(name="agencies.purge_cards")
def purge_cards() -> None:
    """Deletes card data after its retention period, and seals cards again that are sealed with an older key."""
    with transaction(SYSTEM) as db:
        deleted = cards.purge(db)
    if any(deleted.values()):
        log.info("card data deleted", **deleted)
    resealed, failed = _reseal()
    if resealed:
        log.info("cards sealed with the current key", cards=resealed)
    if failed:
        # The tick counts as failed, and システム状態 shows that the job does not succeed.
        raise RuntimeError(f"{len(failed)} cards do not open with any key of the settings")
    with transaction(SYSTEM) as db:
        record_job(db, "agencies.purge_cards")


def _reseal() -> tuple[int, list[int]]:
    """Returns how many cards were sealed again, and the corporations whose card cannot be unsealed. One transaction for
    each card, so that locks are short."""
    resealed, failed, after = 0, list[int](), 0
    while True:
        with transaction(SYSTEM) as db:
            batch = cards.cards_to_reseal(db, after)
        if not batch:
            return resealed, failed
        for corporation_id in batch:
            with transaction(SYSTEM) as db:
                if cards.reseal(db, corporation_id):
                    resealed += 1
                else:
                    failed.append(corporation_id)
        after = batch[-1]


@app.task(name="agencies.prove_cards")
def check_card_retention() -> None:
    """Checks that no card data is stored longer than its retention period; else notifies administrators."""
    with transaction(SYSTEM) as db:
        overdue_count = corporations.count_overdue_cards(db)
        if overdue_count:
            cards.notify_overdue(db, overdue_count)
        else:
            record_job(db, "agencies.prove_cards")
    if overdue_count:
        log.error("card data kept too long", cards=overdue_count)
        raise RuntimeError(f"{overdue_count} cards are kept longer than they may be")
    log.info("no card data kept too long", cards=0)


@app.task(name="agencies.read")
def read() -> None:
    """Reads one waiting image, in a separate worker. When a reader is killed, its lease expires, and the image is read
    again."""
    if not recognition.is_installed():
        _log_missing_packages()
        return
    with transaction(SYSTEM) as db:
        leased = reading.claim(db)
        record_job(db, "agencies.read")
    if leased is None:
        return
    # When the storage is not reachable, this raises, and the image is read again after its lease.
    content = bytes(storage().open(leased.storage_key).read())
    try:
        result = recognition.read(content, leased.today, leased.company)
    except Exception:
        log.exception("an image was not read", reading=leased.reading_id)
        result = None
    with transaction(SYSTEM) as db:
        is_stored = reading.finish(db, leased, result)
    fields = sorted(result["fields"]) if result else []
    log.info("image read", reading=leased.reading_id, fields=fields, kept=is_stored)


@cache
def _log_missing_packages() -> None:
    """Logs once per process: the tick runs every few seconds."""
    log.error(recognition.MISSING)
