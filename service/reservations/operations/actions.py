"""Opening and closing what people have to do."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core import outbox
from service.core.auth import Actor
from service.core.calendar import add_working_time
from service.core.clock import app_now
from service.core.holidays import calendar_named
from service.core.settings import settings as floor
from service.core.targets import NEAR
from service.core.texts import for_slack
from service.reservations.events.rules import Task
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import (
    BURST,
    BURST_WITHIN,
    MOST_GATHERED,
    MOVED_ON,
    NOBODY_ON_CALL,
    PRIORITIES,
    TARGETS,
    TASK_WORDS,
    THREAD_LASTS,
    WENT_ON,
    Priority,
    Told,
    call_out,
    done,
    gathered,
    is_open,
    notice,
)
from service.reservations.roster import queries as roster
from service.reservations.rules import AREA
from service.reservations.settings import settings


def open(db: Session, reservation_id: int, code: str, task: Task, detail: str = "") -> Operation:
    """A task about a reservation, told in Slack. Is there one of its kind still open, that one it is."""
    known = db.scalars(
        select(Operation).where(
            Operation.reservation_id == reservation_id, Operation.kind == task.value, Operation.resolved_at.is_(None)
        )
    ).one_or_none()
    if known is not None:
        return known
    now, priority = app_now(db), PRIORITIES[task]
    target = TARGETS[priority]
    calendar = calendar_named(db, target.calendar)
    operation = Operation(
        reservation_id=reservation_id,
        kind=task.value,
        priority=priority.value,
        title=TASK_WORDS[task],
        detail=detail[:2000],
        opened_at=now,
        due_at=target.due_at(now, calendar),
        warn_at=add_working_time(now, target.span - target.span / NEAR, calendar),
    )
    db.add(operation)
    db.flush()
    db.add(OperationEvent(operation_id=operation.id, at=now, kind="opened", by="システム"))
    called = ring(db, code, call_out(task, code, operation.due_at)) if priority is Priority.URGENT else True
    operation.notice = notice(task, code) if called else f"{notice(task, code)}\n{NOBODY_ON_CALL}"
    if not _comes_in_a_burst(db, operation.id, now):
        thread = _thread(db, operation, now)
        key = tell(db, code, operation.notice, follows=thread, broadcast=True)
        operation.told_at, operation.told_key, operation.thread_key = now, key, thread or key
    return operation


def _comes_in_a_burst(db: Session, operation_id: int, now: datetime) -> bool:
    """Then the next tick gathers it. Transactions do not wait for each other to know: one more is told by itself."""
    others = select(func.count()).where(Operation.opened_at > now - BURST_WITHIN, Operation.id != operation_id)
    return (db.scalar(others) or 0) >= BURST


def _thread(db: Session, operation: Operation, now: datetime) -> uuid.UUID | None:
    """That of what was told about the same reservation a short time ago."""
    if operation.reservation_id is None:
        return None
    return db.scalar(
        select(Operation.thread_key)
        .where(Operation.reservation_id == operation.reservation_id, Operation.id != operation.id)
        .where(Operation.thread_key.is_not(None), Operation.told_at > now - THREAD_LASTS)
        .order_by(Operation.id.desc())
        .limit(1)
    )


def gather(db: Session) -> int:
    """Tells of what came in a burst in one message, or adds it to the one that tells of the burst; how many that
    were. One worker at a time."""
    if not _alone(db):
        return 0
    untold = list(
        db.scalars(
            select(Operation)
            .where(Operation.told_at.is_(None))
            .order_by(Operation.id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    left, now = untold, app_now(db)
    key = _running_burst(db, now) if untold else None
    while left:
        before = _gathered(db, key) if key else []
        room = MOST_GATHERED - len(before)
        these, left = left[:room], left[room:]
        if these:
            listed = gathered([_told(one) for one in (*before, *these)])
            message = tell(db, None, listed, "operation", follows=key, edit=key is not None)
            key = key or message
            for one in these:
                one.told_at, one.told_key, one.thread_key, one.is_gathered = now, key, key, True
                one.end_told_at = one.resolved_at and now
            db.flush()
        if left:
            key = None
    return len(untold)


def _alone(db: Session) -> bool:
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("reservations notices")))))


def _running_burst(db: Session, now: datetime) -> uuid.UUID | None:
    return db.scalar(
        select(Operation.told_key)
        .where(Operation.is_gathered, Operation.told_at > now - BURST_WITHIN)
        .order_by(Operation.id.desc())
        .limit(1)
    )


def _gathered(db: Session, key: uuid.UUID) -> list[Operation]:
    found = select(Operation).where(Operation.is_gathered, Operation.told_key == key).order_by(Operation.id)
    return list(db.scalars(found.execution_options(populate_existing=True)))


def _told(operation: Operation) -> Told:
    return Told(operation.notice, operation.opened_at, operation.resolved_at)


def tell_of_ends(db: Session, limit: int = 100) -> int:
    """What is done is said to be in the message that told of it; how many that were. One worker at a time."""
    if not _alone(db):
        return 0
    now = app_now(db)
    over = list(
        db.scalars(
            select(Operation)
            .where(Operation.resolved_at.is_not(None), Operation.told_key.is_not(None), Operation.end_told_at.is_(None))
            .order_by(Operation.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    for operation in over:
        operation.end_told_at = now
        if operation.resolved_at and not operation.is_gathered:
            text = done(operation.notice, operation.opened_at, operation.resolved_at, operation.resolved_by or "")
            tell(db, str(operation.id), text, "operation", follows=operation.told_key, edit=True)
    for key in dict.fromkeys(one.told_key for one in over if one.is_gathered and one.told_key):
        text = gathered([_told(one) for one in _gathered(db, key)])
        tell(db, None, text, "operation", follows=key, edit=True)
    db.flush()
    return len(over)


def tell(
    db: Session,
    code: str | None,
    text: str,
    subject: str = "reservation",
    *,
    link: tuple[str, str] | None = None,
    follows: uuid.UUID | None = None,
    edit: bool = False,
    broadcast: bool = False,
) -> uuid.UUID:
    """In Slack; `code` is that of the subject. `link`: a page of the dashboards and the words that lead there.

    What `follows` an earlier message is a reply in its thread, seen in the channel as well with `broadcast`, or its new
    words with `edit`. Returns the key of the message.
    """
    channel = settings().slack_channel
    payload: dict[str, object] = {"channel": channel, "text": for_slack(text)}
    if link is not None:
        payload["text"] = f"{payload['text']}\n<{floor().public_base_url.rstrip('/')}/{link[0]}|{link[1]}>"
    if follows is not None:
        payload |= {"do": "edit"} if edit else {"broadcast": broadcast}
    message = outbox.publish(
        db,
        "slack",
        payload,
        area=AREA.name,
        recipient=channel,
        title=text,
        about=(subject, code),
        follows=follows,
    )
    db.flush()  # for the key
    return message.key


def ring(db: Session, code: str, text: str, subject: str = "reservation") -> bool:
    """Outside business hours, an SMS to whoever is on call. False: nobody is, and somebody should be."""
    if is_open(calendar_named(db, "business"), app_now(db)):
        return True
    shift = roster.on_call(db)
    if shift is None:
        return False
    outbox.publish(
        db,
        "sms",
        {"to": shift.phone, "body": text, "validity_seconds": None},
        area=AREA.name,
        recipient=shift.phone,
        title=f"{code} オンコール当番への連絡",
        about=(subject, code),
    )
    return True


def close(db: Session, reservation_id: int, tasks: Iterable[Task], by: Actor | None = None) -> None:
    """What has been settled by what happened: nobody has to do it any more. `by`: who moved the reservation on, and by
    that has done it; otherwise it happened by itself."""
    now = app_now(db)
    who = by.name[:100] if by else "システム"
    closed = db.scalars(
        update(Operation)
        .where(
            Operation.reservation_id == reservation_id,
            Operation.kind.in_([task.value for task in tasks]),
            Operation.resolved_at.is_(None),
        )
        .values(resolved_at=now, resolved_by=who, outcome=MOVED_ON if by else WENT_ON)
        .values(version=Operation.version + 1)
        .returning(Operation.id)
    )
    user_id = by.user_id if by else None
    db.add_all(OperationEvent(operation_id=one, at=now, kind="closed", by=who, user_id=user_id) for one in closed)
