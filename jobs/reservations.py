"""The reservations area's jobs: open a transaction, call one action."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from jobs.app import app
from jobs.vendors import PermanentFailure, VendorFailure, payments, voice
from service.core.db import SYSTEM, transaction
from service.core.health import record_job
from service.reservations.flow import actions as flow
from service.reservations.guides import actions as guides
from service.reservations.inbox import actions as inbox
from service.reservations.incidents import actions as incidents
from service.reservations.looking import actions as looking
from service.reservations.looking.actions import Kind, Look
from service.reservations.queue import actions as queue

# A tick ends after this, whatever is left; the next one goes on.
TICK_SECONDS = 10
LOOKS_AT_ONCE = 20
# Of the ticks of one process, one of a kind at a time: a slow vendor must not take every thread. Others share the work.
_moving, _reading, _looking = threading.Lock(), threading.Lock(), threading.Lock()

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
        if failure.code not in ("404", "resource_missing"):
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


@app.task(name="reservations.manuals")
def send_manuals() -> None:
    """The manual to every shop that has not got it yet."""
    with transaction(SYSTEM) as db:
        record_job(db, "reservations.manuals")
    if sent := guides.send_due(partial(transaction, SYSTEM)):
        log.info("manuals sent to shops", shops=sent)
