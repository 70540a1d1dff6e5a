"""The jobs of the reservations area: open a transaction, call one action."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from jobs.app import app
from jobs.vendors import PermanentFailure, VendorFailure, payments, sms, voice
from service.core.database.session import SYSTEM, transaction
from service.core.files import deposit
from service.core.monitoring.health import record_job
from service.reservations.alarms import actions as alarms
from service.reservations.alarms import queries as measures
from service.reservations.chores import actions as chores
from service.reservations.drafts import actions as drafts
from service.reservations.enquiries import actions as enquiries
from service.reservations.flow import actions as flow
from service.reservations.guides import actions as guides
from service.reservations.inbox import actions as inbox
from service.reservations.incidents import actions as incidents
from service.reservations.management import actions as management
from service.reservations.operations import actions as operations
from service.reservations.queue import actions as queue
from service.reservations.surveys import actions as surveys
from service.reservations.vendor_events import polling
from service.reservations.vendor_events.polling import Kind, Poll

# A tick ends after this; the next one does the rest.
TICK_SECONDS = 10
POLLS_PER_TICK = 20
# In one process only one tick of a kind runs at a time: a slow vendor must not take every thread. Other processes share
# the work.
_moving, _reading_inbox, _polling, _reporting = (threading.Lock() for _ in range(4))

log = structlog.get_logger()


@app.task(name="reservations.flow")
def advance_reservations() -> None:
    """Advances reservations whose time-out or next step is due, each in its own transaction: a slow or failing one does
    not affect the others."""
    if not _moving.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.flow")
        deadline, moved = time.monotonic() + TICK_SECONDS, 1
        while moved and time.monotonic() < deadline:
            with transaction(SYSTEM) as db:
                moved = flow.advance_due(db)
    finally:
        _moving.release()


@app.task(name="reservations.inbox")
def read_webhooks() -> None:
    """Processes stored webhooks of vendors, each in its own transaction."""
    if not _reading_inbox.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.inbox")
        deadline, more = time.monotonic() + TICK_SECONDS, True
        while more and time.monotonic() < deadline:
            with transaction(SYSTEM) as db:
                more = inbox.process_next_webhook(db)
    finally:
        _reading_inbox.release()


@app.task(name="reservations.look")
def look() -> None:
    """Polls vendors for the state of calls, payments, refunds and SMS, outside any transaction."""
    if not _polling.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.look")
            due = polling.take_due_polls(db, POLLS_PER_TICK)
        deadline = time.monotonic() + TICK_SECONDS
        unreachable: set[Kind] = set()
        for lookup in due:
            # A vendor that does not answer now is not polled again in this tick.
            if lookup.kind not in unreachable and time.monotonic() < deadline and not _poll(lookup):
                unreachable.add(lookup.kind)
    finally:
        _polling.release()


def _poll(lookup: Poll) -> bool:
    """Returns False when the vendor did not answer; it is polled again after the pause."""
    bound_log = log.bind(kind=lookup.kind, name=lookup.name)
    try:
        state: Mapping[str, Any] | None = _QUERIES[lookup.kind](lookup.name)
    except PermanentFailure as failure:
        if failure.code not in ("404", "20404", "resource_missing"):
            bound_log.warning("not looked at", error=str(failure))
            return False
        state = None
    except VendorFailure as failure:
        bound_log.warning("not looked at", error=str(failure))
        return False
    try:
        with transaction(SYSTEM) as db:
            bound_log.info("looked at", outcome=polling.handle_answer(db, lookup, state))
    except Exception:
        # This concerns one reservation; the others do not wait for it.
        bound_log.exception("what a vendor said could not be taken")
    return True


_QUERIES: Mapping[Kind, Callable[[str], Mapping[str, Any]]] = {
    "call": voice.details,
    "payment": payments.session,
    "refund": payments.refund,
    "sms": sms.details,
}


@app.task(name="reservations.clocks")
def watch() -> None:
    """Notifies of 手動対応 whose target time is near or has passed while no operator has claimed it."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.clocks")
        queue.notify_due_operations(db)


@app.task(name="reservations.incidents")
def watch_incidents() -> None:
    """Notifies management, or all recipients, of incidents at the due times."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.incidents")
        incidents.notify_due_steps(db)


@app.task(name="reservations.enquiries")
def watch_enquiries() -> None:
    """Notifies of enquiries whose target time is near or has passed."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.enquiries")
        enquiries.notify_targets(db)


@app.task(name="reservations.surveys")
def tend_surveys() -> None:
    """Sends reminders of surveys, and ends surveys, when they are due."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.surveys")
        surveys.process_due(db)


@app.task(name="reservations.management")
def report_to_management() -> None:
    """Aggregates the months every night, and sends requested reports, each in its own transaction."""
    if not _reporting.acquire(blocking=False):
        return
    try:
        with transaction(SYSTEM) as db:
            counted = management.run_nightly_count(db)
        if counted:
            log.info("months counted", months=[str(month) for month in counted])
        deadline = time.monotonic() + TICK_SECONDS
        while time.monotonic() < deadline and _report():
            pass
        with transaction(SYSTEM) as db:
            record_job(db, "reservations.management")
    finally:
        _reporting.release()


def _report() -> bool:
    """Sends one report. Returns False when there is none to send."""
    with transaction(SYSTEM) as db:
        due = management.next_report(db)
    if due is None:
        return False
    report_id, facts = due
    created = management.render_report(facts)
    with transaction(SYSTEM) as db:
        is_sent = management.send_report(db, report_id, facts, created)
    if not is_sent:
        deposit.discard(created.storage_key)
    return True


@app.task(name="reservations.chores")
def plan_chores() -> None:
    """Plans the next weeks of 定期作業, and notifies of overdue ones."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.chores")
        chores.plan(db)
    with transaction(SYSTEM) as db:
        chores.notify_overdue(db)


@app.task(name="reservations.reports")
def draft_reports() -> None:
    """Drafts the weekly and the monthly report on the morning when one is due."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.reports")
        drafted = drafts.draft_due(db)
    if drafted:
        log.info("reports drafted", drafted=drafted)


@app.task(name="reservations.notices")
def tidy_notices() -> None:
    """Gathers notices of a burst into one message, and marks ended ones in the message that reported them."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.notices")
        counts = {"gathered": operations.notify_burst(db), "ended": operations.notify_resolved(db)}
    if any(counts.values()):
        log.info("notices tidied", **counts)


@app.task(name="reservations.alarms")
def watch_system() -> None:
    """Takes measurements, starts and ends alarms, and proposes incidents."""
    # Queried before, so that no transaction waits for it.
    queue_lengths = measures.celery_queue_length()
    with transaction(SYSTEM) as db:
        alarms.record_measure(db, queue_lengths)
    with transaction(SYSTEM) as db:
        counts = alarms.update_alarms(db)
    with transaction(SYSTEM) as db:
        counts["proposed"] = alarms.propose_incidents(db)
        record_job(db, "reservations.alarms")
    if any(counts.values()):
        log.info("system watched", **counts)


@app.task(name="reservations.manuals")
def send_manuals() -> None:
    """Sends the manual to every shop that has not received it yet."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.manuals")
    if sent := guides.send_due(partial(transaction, SYSTEM)):
        log.info("manuals sent to shops", shops=sent)
