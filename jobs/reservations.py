"""The reservations area's jobs: open a transaction, call one action."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from jobs.app import app
from jobs.vendors import PermanentFailure, VendorFailure, payments, sms, voice
from service.core.db import SYSTEM, transaction
from service.core.files import deposit
from service.core.health import record_job
from service.reservations.alarms import actions as alarms
from service.reservations.alarms import queries as measures
from service.reservations.chores import actions as chores
from service.reservations.drafts import actions as drafts
from service.reservations.enquiries import actions as enquiries
from service.reservations.flow import actions as flow
from service.reservations.guides import actions as guides
from service.reservations.inbox import actions as inbox
from service.reservations.incidents import actions as incidents
from service.reservations.looking import actions as looking
from service.reservations.looking.actions import Kind, Look
from service.reservations.management import actions as management
from service.reservations.operations import actions as operations
from service.reservations.queue import actions as queue
from service.reservations.surveys import actions as surveys

# A tick ends after this, whatever is left; the next one goes on.
TICK_SECONDS = 10
LOOKS_AT_ONCE = 20
# Of the ticks of one process, one of a kind at a time: a slow vendor must not take every thread. Others share the work.
_moving, _reading, _looking, _reporting = (threading.Lock() for _ in range(4))

log = structlog.get_logger()


@app.task(name="reservations.flow")
def move_on() -> None:
    """Reservations in which the time calls for something, each in a transaction of its own: what is slow or fails in
    one takes nothing back of the others."""
    if not _moving.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.flow")
        until, moved = time.monotonic() + TICK_SECONDS, 1
        while moved and time.monotonic() < until:
            with transaction(SYSTEM) as db:
                moved = flow.step(db)
    finally:
        _moving.release()


@app.task(name="reservations.inbox")
def read_webhooks() -> None:
    """What vendors told us, each webhook in a transaction of its own."""
    if not _reading.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.inbox")
        until, more = time.monotonic() + TICK_SECONDS, True
        while more and time.monotonic() < until:
            with transaction(SYSTEM) as db:
                more = inbox.take(db)
    finally:
        _reading.release()


@app.task(name="reservations.look")
def look() -> None:
    """Asks vendors how things stand, outside any transaction."""
    if not _looking.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.look")
            due = looking.take(db, LOOKS_AT_ONCE)
        until = time.monotonic() + TICK_SECONDS
        silent: set[Kind] = set()
        for one in due:
            # A vendor that does not answer now will not answer for the next one either.
            if one.kind not in silent and time.monotonic() < until and not _looked(one):
                silent.add(one.kind)
    finally:
        _looking.release()


def _looked(one: Look) -> bool:
    """False when the vendor did not answer: it is asked again after the pause."""
    told = log.bind(kind=one.kind, name=one.name)
    try:
        seen: Mapping[str, Any] | None = _ASK[one.kind](one.name)
    except PermanentFailure as failure:
        if failure.code not in ("404", "20404", "resource_missing"):
            told.warning("not looked at", error=str(failure))
            return False
        seen = None
    except VendorFailure as failure:
        told.warning("not looked at", error=str(failure))
        return False
    try:
        with transaction(SYSTEM) as db:
            told.info("looked at", outcome=looking.seen(db, one, seen))
    except Exception:
        # Of one reservation: the others need not wait for that.
        told.exception("what a vendor said could not be taken")
    return True


_ASK: Mapping[Kind, Callable[[str], Mapping[str, Any]]] = {
    "call": voice.details,
    "payment": payments.session,
    "refund": payments.refund,
    "sms": sms.details,
}


@app.task(name="reservations.clocks")
def watch() -> None:
    """手動対応 whose target comes near, or has passed, while nobody has it."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.clocks")
        queue.watch(db)


@app.task(name="reservations.incidents")
def watch_incidents() -> None:
    """Steps of incidents of which it is time that management, or everybody, hears."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.incidents")
        incidents.watch(db)


@app.task(name="reservations.enquiries")
def watch_enquiries() -> None:
    """Enquiries of which a target comes near, or has passed."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.enquiries")
        enquiries.watch(db)


@app.task(name="reservations.surveys")
def tend_surveys() -> None:
    """Surveys in which it is time to ask once more, or to end."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.surveys")
        surveys.tend(db)


@app.task(name="reservations.management")
def tell_management() -> None:
    """Counts the months every night, and sends reports that are asked for: one in each transaction of its own."""
    if not _reporting.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            counted = management.night(db)
        if counted:
            log.info("months counted", months=[str(month) for month in counted])
        until = time.monotonic() + TICK_SECONDS
        while time.monotonic() < until and _report():
            pass
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.management")
    finally:
        _reporting.release()


def _report() -> bool:
    """False when there is none to send."""
    with transaction(SYSTEM) as db:
        waiting = management.to_make(db)
    if waiting is None:
        return False
    report_id, facts = waiting
    made = management.make(facts)
    with transaction(SYSTEM) as db:
        kept = management.send(db, report_id, facts, made)
    if not kept:
        deposit.discard(made.storage_key)
    return True


@app.task(name="reservations.chores")
def keep_chores() -> None:
    """The coming weeks of 定期作業, and a word about what is overdue."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.chores")
        chores.plan(db)
    with transaction(SYSTEM) as db:
        chores.tell(db)


@app.task(name="reservations.reports")
def draft_reports() -> None:
    """The weekly and the monthly report, on the morning it is time for one."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.reports")
        drafted = drafts.draft_due(db)
    if drafted:
        log.info("reports drafted", drafted=drafted)


@app.task(name="reservations.notices")
def tidy_notices() -> None:
    """What came in a burst is told in one message, and what is done is said to be in the one that told of it."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.notices")
        done = {"gathered": operations.gather(db), "ended": operations.tell_of_ends(db)}
    if any(done.values()):
        log.info("notices tidied", **done)


@app.task(name="reservations.alarms")
def watch_system() -> None:
    """Measures, begins and ends alarms, and proposes incidents."""
    # Asked before: nobody waits for it inside a transaction.
    in_queues = measures.in_celery()
    with transaction(SYSTEM) as db:
        alarms.measure(db, in_queues)
    with transaction(SYSTEM) as db:
        done = alarms.watch(db)
    with transaction(SYSTEM) as db:
        done["proposed"] = alarms.propose(db)
        record_job(db, "reservations.alarms")
    if any(done.values()):
        log.info("system watched", **done)


@app.task(name="reservations.manuals")
def send_manuals() -> None:
    """The manual to every shop that has not got it yet."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.manuals")
    if sent := guides.send_due(partial(transaction, SYSTEM)):
        log.info("manuals sent to shops", shops=sent)
