"""Sends the outbox: claims due messages, one at a time per topic, and gives each to its vendor outside any transaction.

Each topic has its own task, so that a slow or failing vendor does not delay the other topics.
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
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.core.outbox import queue, records

# A topic's task ends after this, so that other tasks get its thread; the rest is sent by a new task right away.
TICK_SECONDS = 30

log = structlog.get_logger()
# One task per topic at a time in this process: a slow vendor must not take every thread and stop the other jobs.
_sending: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
# Graceful shutdown: the worker settles the message at hand and claims no more. It is killed after a short time, and a
# mail whose sender was killed may arrive twice.
_stopping = threading.Event()


@worker_shutting_down.connect
def _stop_claiming(**_: object) -> None:
    _stopping.set()


@app.task(name="outbox.send")
def send() -> None:
    """Starts a task for each topic with due messages, also when this worker is sending the topic already: another
    worker may be idle."""
    with transaction(SYSTEM) as db:
        topics = queue.topics_due(db)
        record_job(db, "outbox.send")
    for topic in topics:
        _start_topic(topic)


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
        _start_topic(topic)


def _send(topic: str, deadline: float) -> bool:
    """Sends one message after the other. Returns False when there was no time for all."""
    back_off = _back_off(topic)
    while not _stopping.is_set():
        if time.monotonic() >= deadline:
            return False
        with transaction(SYSTEM) as db:
            message = queue.claim(db, topic, back_off, REACTIONS, CHECKS)
        if message is None:
            break
        try:
            # The id of the original request is in the log, in records that follow from it, and in the header to the
            # vendor.
            with structlog.contextvars.bound_contextvars(**_request_context(message)):
                _deliver(message)
        except Exception:
            # After the lease the next attempt reconciles it with the vendor. Other messages do not wait for that.
            log.exception("message not settled", topic=message.topic, key=str(message.key), attempt=message.attempt)
    return True


def _start_topic(topic: str) -> None:
    send_topic.apply_async((topic,), expires=10)


def _request_context(message: records.Claimed) -> dict[str, str]:
    return {queue.REQUEST_ID: message.request_id} if message.request_id else {}


def _back_off(topic: str) -> Sequence[timedelta]:
    return REGISTRY[topic].back_off if topic in REGISTRY else queue.BACK_OFF


def _deliver(message: records.Claimed) -> None:
    """Makes one attempt and settles it. Raises only what goes wrong while settling."""
    bound_log = log.bind(topic=message.topic, key=str(message.key), attempt=message.attempt)
    try:
        vendor = REGISTRY.get(message.topic)
        if vendor is None:
            raise PermanentFailure(f"宛先の種類「{message.topic}」に対応していません")
        earlier = _reconcile(message, vendor)
        if earlier is None and message.expires_at is not None and message.expired:
            raise PermanentFailure(queue.expiry_message(message.expires_at))
        if earlier is None and message.unwanted:
            # It did not arrive: the next claim discards it.
            raise VendorFailure(message.unwanted)
        result = earlier or vendor.send(message)
    except RateLimited as limit:
        bound_log.warning("message postponed", error=str(limit))
        with transaction(SYSTEM) as db:
            queue.mark_rate_limited(db, message, str(limit), max(limit.retry_after, timedelta(seconds=1)))
    except VendorFailure as failure:
        bound_log.warning("message not sent", error=str(failure))
        _mark_failed(message, failure)
    except Exception as error:
        # A message that breaks its vendor's client must not delay the others.
        bound_log.exception("message not sent")
        _mark_failed(message, OutcomeUnknown(f"送信処理で問題が起きました（{type(error).__name__}）"))
    else:
        with transaction(SYSTEM) as db:
            settled = queue.mark_sent(
                db,
                message,
                result.external_id,
                already_delivered=earlier is not None,
                answer=result.answer,
                refused=result.refused,
                reactions=REACTIONS,
            )
        bound_log.info("message sent", found=earlier is not None, settled=settled)


def _mark_failed(message: records.Claimed, failure: VendorFailure) -> None:
    with transaction(SYSTEM) as db:
        queue.mark_failed(
            db,
            message,
            str(failure),
            permanent=isinstance(failure, PermanentFailure),
            in_doubt=isinstance(failure, OutcomeUnknown),
            code=failure.code,
            back_off=_back_off(message.topic),
            reactions=REACTIONS,
        )


def _reconcile(message: records.Claimed, vendor: Vendor) -> Sent | None:
    """Reconciles an earlier attempt with the vendor; None: the message must be sent.

    Raises:
        OutcomeUnknown: the vendor cannot be queried now.
        Undecided: the vendor does not know, and a second delivery would do harm.
    """
    if not message.in_doubt:
        return None
    try:
        outcome = vendor.reconcile(message)
    except RateLimited:
        raise
    except VendorFailure as failure:
        raise OutcomeUnknown(f"前回の送信が届いたかどうかを確認できません: {failure}") from failure
    if isinstance(outcome, Sent):
        return outcome
    if isinstance(outcome, NotSent) or vendor.when_unknown == "send" or message.insisted:
        return None
    raise Undecided("前回の送信が届いたかどうか分かりません。相手先に確認してから、再送または破棄してください。")


class Undecided(PermanentFailure, OutcomeUnknown):
    """It is not known whether the message arrived, and a second delivery would do harm: an operator decides."""
