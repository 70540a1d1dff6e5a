"""The agencies area's jobs: open a transaction, call one action."""

from __future__ import annotations

from functools import cache

import structlog

from jobs import recognition
from jobs.app import app
from service.agencies.cards import actions as cards
from service.agencies.corporations import queries as corporations
from service.agencies.reading import actions as reading
from service.core.db import SYSTEM, transaction
from service.core.files.storage import storage
from service.core.health import record_job

log = structlog.get_logger()


@app.task(name="agencies.purge_cards")
def purge_cards() -> None:
    """Card data that has been kept long enough goes, and what is sealed with an older key is sealed anew."""
    with transaction(SYSTEM) as db:
        gone = cards.purge(db)
    if any(gone.values()):
        log.info("card data deleted", **gone)
    resealed, closed = _reseal()
    if resealed:
        log.info("cards sealed with the current key", cards=resealed)
    if closed:
        # The tick counts as failed, and システム状態 tells of a job that does not run.
        raise RuntimeError(f"{len(closed)} cards do not open with any key of the settings")
    with transaction(SYSTEM) as db:
        record_job(db, "agencies.purge_cards")


def _reseal() -> tuple[int, list[int]]:
    """How many were sealed anew, and whose do not open; a transaction for each: who types one in waits for no other."""
    resealed, closed, after = 0, list[int](), 0
    while True:
        with transaction(SYSTEM) as db:
            portion = cards.to_reseal(db, after)
        if not portion:
            return resealed, closed
        for corporation_id in portion:
            with transaction(SYSTEM) as db:
                if cards.reseal(db, corporation_id):
                    resealed += 1
                else:
                    closed.append(corporation_id)
        after = portion[-1]


@app.task(name="agencies.prove_cards")
def prove_cards() -> None:
    """Nothing of a card may be there longer than it may be kept. If something is, administrators are told."""
    with transaction(SYSTEM) as db:
        overdue = corporations.cards_kept_too_long(db)
        if overdue:
            cards.tell_of_overdue(db, overdue)
        else:
            record_job(db, "agencies.prove_cards")
    if overdue:
        log.error("card data kept too long", cards=overdue)
        raise RuntimeError(f"{overdue} cards are kept longer than they may be")
    log.info("no card data kept too long", cards=0)


@app.task(name="agencies.read")
def read() -> None:
    """One image that waits to be read, by a worker of its own. A reader that is killed in the middle loses its loan,
    and the image is read again."""
    if not recognition.is_installed():
        _say_what_is_missing()
        return
    with transaction(SYSTEM) as db:
        loan = reading.claim(db)
        record_job(db, "agencies.read")
    if loan is None:
        return
    # A storage that is away is no fault of the image: after its lease it is tried again.
    content = bytes(storage().open(loan.storage_key).read())
    try:
        result = recognition.read(content, loan.today, loan.company)
    except Exception:
        log.exception("an image was not read", reading=loan.reading_id)
        result = None
    with transaction(SYSTEM) as db:
        kept = reading.finish(db, loan, result)
    fields = sorted(result["fields"]) if result else []
    log.info("image read", reading=loan.reading_id, fields=fields, kept=kept)


@cache
def _say_what_is_missing() -> None:
    """Once for each process: the tick comes every few seconds."""
    log.error(recognition.MISSING)
