"""Claims due messages, one at a time, and hands each to its vendor, outside any transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from jobs.app import app
from jobs.vendors import mail
from jobs.vendors.failures import PermanentFailure, VendorFailure
from service.core import outbox
from service.core.db import SYSTEM, transaction
from service.core.health import record_job

VENDORS: Mapping[str, Callable[[outbox.Claimed], None]] = {"mail": mail.send}
# A tick ends after this, whatever is left; the next one goes on.
TICK_SECONDS = 30

log = structlog.get_logger()
# One tick at a time in this process: a slow mail server must not take every thread and stop the other jobs.
_sending = threading.Lock()


@app.task(name="outbox.send")
def send() -> None:
    if not _sending.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + TICK_SECONDS
        while time.monotonic() < until:
            with transaction(SYSTEM) as db:
                message = outbox.claim(db)
                record_job(db, "outbox.send")
            if message is None:
                return
            _deliver(message)
    finally:
        _sending.release()


def _deliver(message: outbox.Claimed) -> None:
    try:
        vendor = VENDORS.get(message.topic)
        if vendor is None:
            raise PermanentFailure(f"宛先の種類「{message.topic}」に対応していません")
        vendor(message)
    except VendorFailure as failure:
        log.warning("message not sent", topic=message.topic, key=str(message.key), error=str(failure))
        with transaction(SYSTEM) as db:
            outbox.failed(db, message, str(failure), permanent=isinstance(failure, PermanentFailure))
    except Exception as error:
        # A message that breaks its vendor's client must not hold up the others.
        log.exception("message not sent", topic=message.topic, key=str(message.key))
        with transaction(SYSTEM) as db:
            outbox.failed(db, message, f"送信処理で問題が起きました（{type(error).__name__}）")
    else:
        with transaction(SYSTEM) as db:
            settled = outbox.sent(db, message)
        log.info("message sent", topic=message.topic, key=str(message.key), attempt=message.attempt, settled=settled)
