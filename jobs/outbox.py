"""Claims due messages and hands each to its vendor, outside any transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from jobs.app import app
from jobs.vendors import mail
from jobs.vendors.failures import PermanentFailure, VendorFailure
from service.core import outbox
from service.core.db import transaction
from service.core.health import record_job

VENDORS: Mapping[str, Callable[[outbox.Claimed], None]] = {"mail": mail.send}

log = structlog.get_logger()


@app.task(name="outbox.send")
def send() -> None:
    with transaction() as db:
        claimed = outbox.claim(db)
        record_job(db, "outbox.send")
    for message in claimed:
        _deliver(message)


def _deliver(message: outbox.Claimed) -> None:
    try:
        vendor = VENDORS.get(message.topic)
        if vendor is None:
            raise PermanentFailure(f"宛先の種類「{message.topic}」に対応していません")
        vendor(message)
    except VendorFailure as failure:
        log.warning("message not sent", topic=message.topic, key=str(message.key), error=str(failure))
        with transaction() as db:
            outbox.failed(db, message, str(failure), permanent=isinstance(failure, PermanentFailure))
        return
    with transaction() as db:
        outbox.sent(db, message)
    log.info("message sent", topic=message.topic, key=str(message.key), attempt=message.attempt)
