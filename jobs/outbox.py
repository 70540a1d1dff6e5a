"""Claims due messages, one at a time per topic, and hands each to its vendor, outside any transaction.

A topic has a task of its own, so that a vendor that is slow or down holds up none of the others.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import structlog
from celery.signals import worker_shutting_down

from jobs.app import app
from jobs.reactions import CHECKS, REACTIONS
from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, RateLimited, Sent, Vendor, VendorFailure
from jobs.vendors.registry import REGISTRY
from service.core import outbox
from service.core.db import SYSTEM, transaction
from service.core.health import record_job

# A topic's task ends after this, so that others get its thread; what is left has another one at once.
TICK_SECONDS = 30

log = structlog.get_logger()
# One task per topic at a time in this process: a slow vendor must not take every thread and stop the other jobs.
_sending: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
# Asked to end, the worker settles the messages at hand and claims no more: whoever ends it waits for a moment only, and
# a mail whose sender was killed may arrive twice.
_stopping = threading.Event()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    _stopping.set()


@app.task(name="outbox.send")
def send() -> None:
    """Wakes a sender for each topic that has something due, whoever sends it here: another worker may be idle."""
    with transaction(SYSTEM) as db:
        topics = outbox.topics_due(db)
        record_job(db, "outbox.send")
    for topic in topics:
        _wake(topic)


@app.task(name="outbox.send_topic")
def send_topic(topic: str) -> None:
    lock = _sending[topic]
    if not lock.acquire(blocking=False):
        return
    try:
        is_done = _send(topic, time.monotonic() + TICK_SECONDS)
    finally:
        lock.release()
    if not is_done:
        _wake(topic)


def _send(topic: str, until: float) -> bool:
    """One message after the other. False when there was no time for all of them."""
    back_off = _back_off(topic)
    while not _stopping.is_set():
        if time.monotonic() >= until:
            return False
        with transaction(SYSTEM) as db:
            message = outbox.claim(db, topic, back_off, REACTIONS, CHECKS)
        if message is None:
            break
        try:
            # What is done for a request is logged under its id, what follows from it is written under it, and its
            # vendor is told.
            with structlog.contextvars.bound_contextvars(**_request(message)):
                _deliver(message)
        except Exception:
            # The lease runs out, and whoever is next asks the vendor. The others need not wait for that.
            log.exception("message not settled", topic=message.topic, key=str(message.key), attempt=message.attempt)
    return True


def _wake(topic: str) -> None:
    send_topic.apply_async((topic,), expires=10)


def _request(message: outbox.Claimed) -> dict[str, str]:
    return {outbox.REQUEST_ID: message.request_id} if message.request_id else {}


def _back_off(topic: str) -> Sequence[timedelta]:
    return REGISTRY[topic].back_off if topic in REGISTRY else outbox.BACK_OFF


def _deliver(message: outbox.Claimed) -> None:
    """One try from beginning to end. Only what goes wrong while it is settled comes out."""
    told = log.bind(topic=message.topic, key=str(message.key), attempt=message.attempt)
    try:
        vendor = REGISTRY.get(message.topic)
        if vendor is None:
            raise PermanentFailure(f"宛先の種類「{message.topic}」に対応していません")
        arrived = _earlier_try(message, vendor)
        if arrived is None and message.expires_at is not None and message.expired:
            raise PermanentFailure(outbox.expiry_in_words(message.expires_at))
        if arrived is None and message.unwanted:
            # It did not arrive: whoever claims it next puts it aside.
            raise VendorFailure(message.unwanted)
        has = arrived or vendor.send(message)
    except RateLimited as limit:
        told.warning("message postponed", error=str(limit))
        with transaction(SYSTEM) as db:
            outbox.rate_limited(db, message, str(limit), max(limit.retry_after, timedelta(seconds=1)))
    except VendorFailure as failure:
        told.warning("message not sent", error=str(failure))
        with transaction(SYSTEM) as db:
            outbox.failed(
                db,
                message,
                str(failure),
                permanent=isinstance(failure, PermanentFailure),
                in_doubt=isinstance(failure, OutcomeUnknown),
                code=failure.code,
                back_off=_back_off(message.topic),
                reactions=REACTIONS,
            )
    except Exception as error:
        # A message that breaks its vendor's client must not hold up the others.
        told.exception("message not sent")
        with transaction(SYSTEM) as db:
            outbox.failed(
                db,
                message,
                f"送信処理で問題が起きました（{type(error).__name__}）",
                in_doubt=True,
                back_off=_back_off(message.topic),
                reactions=REACTIONS,
            )
    else:
        with transaction(SYSTEM) as db:
            settled = outbox.sent(
                db, message, has.external_id, found=arrived is not None, answer=has.answer, reactions=REACTIONS
            )
        told.info("message sent", found=arrived is not None, settled=settled)


def _earlier_try(message: outbox.Claimed, vendor: Vendor) -> Sent | None:
    """What the vendor has of it already; None means: send it.

    Raises:
        OutcomeUnknown: the vendor could not be asked just now.
        Undecided: it cannot say, and a repeat would do harm.
    """
    if not message.in_doubt:
        return None
    try:
        found = vendor.reconcile(message)
    except RateLimited:
        raise
    except VendorFailure as failure:
        raise OutcomeUnknown(f"前回の送信が届いたかどうかを確認できません: {failure}") from failure
    if isinstance(found, Sent):
        return found
    if isinstance(found, NotSent) or vendor.when_unknown == "send" or message.insisted:
        return None
    raise Undecided("前回の送信が届いたかどうか分かりません。相手先に確認してから、再送または破棄してください。")


class Undecided(PermanentFailure, OutcomeUnknown):
    """Nobody can say whether it arrived, and a repeat would do harm: a person decides."""
