"""Opens and closes operators' tasks (手動対応) and notifies about them in Slack and by SMS."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.holidays import calendar_named
from service.core.outbox import queue
from service.core.settings import settings as core_settings
from service.core.values.targets import NEAR
from service.core.values.texts import escape_for_slack
from service.core.values.working_time import add_working_time
from service.reservations.history import SYSTEM, actor_name, event_values
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import (
    BURST_SIZE,
    BURST_WINDOW,
    MAX_BURST_ITEMS,
    NOBODY_ON_CALL,
    PRIORITIES,
    RESOLVED_AUTOMATICALLY,
    RESOLVED_BY_OPERATOR,
    TARGETS,
    THREAD_WINDOW,
    BurstItem,
    Priority,
    burst_notice,
    is_business_hours,
    on_call_sms,
    operation_notice,
    resolved_notice,
)
from service.reservations.roster import queries as roster
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.state_machine.states import Task


def open_operation(db: Session, reservation_id: int, code: str, task: Task, detail: str = "") -> Operation:
    """Opens a task about a reservation and notifies Slack, or returns the open task of the same kind."""
    existing = db.scalars(
        select(Operation).where(
            Operation.reservation_id == reservation_id, Operation.kind == task.value, Operation.resolved_at.is_(None)
        )
    ).one_or_none()
    if existing is not None:
        return existing
    now, priority = app_now(db), PRIORITIES[task]
    target = TARGETS[priority]
    calendar = calendar_named(db, target.calendar)
    operation = Operation(
        reservation_id=reservation_id,
        kind=task.value,
        priority=priority.value,
        title=task.label,
        detail=detail[:2000],
        opened_at=now,
        due_at=target.due_at(now, calendar),
        warn_at=add_working_time(now, target.span - target.span / NEAR, calendar),
    )
    db.add(operation)
    db.flush()
    db.add(OperationEvent(operation_id=operation.id, at=now, kind="opened", by=SYSTEM))
    on_call_notified = (
        notify_on_call(db, code, on_call_sms(task, code, operation.due_at)) if priority is Priority.URGENT else True
    )
    operation.notice = (
        operation_notice(task, code) if on_call_notified else f"{operation_notice(task, code)}\n{NOBODY_ON_CALL}"
    )
    if not _is_in_burst(db, operation.id, now):
        thread = _thread(db, operation, now)
        key = notify_slack(db, code, operation.notice, follows=thread, broadcast=True)
        operation.told_at, operation.told_key, operation.thread_key = now, key, thread or key
    return operation


def _is_in_burst(db: Session, operation_id: int, now: datetime) -> bool:
    """Whether the next tick reports it together with others. Concurrent transactions do not wait for each other, so one
    more may be reported alone."""
    recent = select(func.count()).where(Operation.opened_at > now - BURST_WINDOW, Operation.id != operation_id)
    return (db.scalar(recent) or 0) >= BURST_SIZE


def _thread(db: Session, operation: Operation, now: datetime) -> uuid.UUID | None:
    """The thread of a recent notification about the same reservation."""
    if operation.reservation_id is None:
        return None
    return db.scalar(
        select(Operation.thread_key)
        .where(Operation.reservation_id == operation.reservation_id, Operation.id != operation.id)
        .where(Operation.thread_key.is_not(None), Operation.told_at > now - THREAD_WINDOW)
        .order_by(Operation.id.desc())
        .limit(1)
    )


def notify_burst(db: Session) -> int:
    """Notifies about the tasks of a burst in one message, or adds them to the burst's existing message. Returns how
    many tasks. One worker at a time."""
    if not _lock_notices(db):
        return 0
    unreported = list(
        db.scalars(
            select(Operation)
            .where(Operation.told_at.is_(None))
            .order_by(Operation.id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    remaining, now = unreported, app_now(db)
    key = _current_burst(db, now) if unreported else None
    while remaining:
        reported = _burst_operations(db, key) if key else []
        room = MAX_BURST_ITEMS - len(reported)
        batch, remaining = remaining[:room], remaining[room:]
        if batch:
            text = burst_notice([_burst_item(operation) for operation in (*reported, *batch)])
            message = notify_slack(db, None, text, "operation", follows=key, edit=key is not None)
            key = key or message
            for operation in batch:
                operation.told_at, operation.told_key, operation.thread_key, operation.is_gathered = now, key, key, True
                operation.end_told_at = operation.resolved_at and now
            db.flush()
        if remaining:
            key = None
    return len(unreported)


def _lock_notices(db: Session) -> bool:
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("reservations notices")))))


def _current_burst(db: Session, now: datetime) -> uuid.UUID | None:
    return db.scalar(
        select(Operation.told_key)
        .where(Operation.is_gathered, Operation.told_at > now - BURST_WINDOW)
        .order_by(Operation.id.desc())
        .limit(1)
    )


def _burst_operations(db: Session, key: uuid.UUID) -> list[Operation]:
    statement = select(Operation).where(Operation.is_gathered, Operation.told_key == key).order_by(Operation.id)
    return list(db.scalars(statement.execution_options(populate_existing=True)))


def _burst_item(operation: Operation) -> BurstItem:
    return BurstItem(operation.notice, operation.opened_at, operation.resolved_at)


def notify_resolved(db: Session, limit: int = 100) -> int:
    """Marks resolved tasks in the messages that announced them. Returns how many tasks. One worker at a time."""
    if not _lock_notices(db):
        return 0
    now = app_now(db)
    resolved = list(
        db.scalars(
            select(Operation)
            .where(Operation.resolved_at.is_not(None), Operation.told_key.is_not(None), Operation.end_told_at.is_(None))
            .order_by(Operation.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    for operation in resolved:
        operation.end_told_at = now
        if operation.resolved_at and not operation.is_gathered:
            text = resolved_notice(
                operation.notice, operation.opened_at, operation.resolved_at, operation.resolved_by or ""
            )
            notify_slack(db, str(operation.id), text, "operation", follows=operation.told_key, edit=True)
    for key in dict.fromkeys(
        operation.told_key for operation in resolved if operation.is_gathered and operation.told_key
    ):
        text = burst_notice([_burst_item(operation) for operation in _burst_operations(db, key)])
        notify_slack(db, None, text, "operation", follows=key, edit=True)
    db.flush()
    return len(resolved)


def notify_slack(
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
    """Notifies Slack; `code` is the subject's code. `link`: a page of the dashboards and its link text.

    With `follows`, the message is a reply in the thread of an earlier one (with `broadcast` also shown in the channel),
    or with `edit` its new text. Returns the key of the outbox message.
    """
    channel = settings().slack_channel
    payload: dict[str, object] = {"channel": channel, "text": escape_for_slack(text)}
    if link is not None:
        payload["text"] = f"{payload['text']}\n<{core_settings().page_url(f'/{link[0]}')}|{link[1]}>"
    if follows is not None:
        payload |= {"do": "edit"} if edit else {"broadcast": broadcast}
    message = queue.publish(
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


def notify_on_call(db: Session, code: str, text: str, subject: str = "reservation") -> bool:
    """Outside business hours, sends an SMS to the person on call. False: no person is on call."""
    if is_business_hours(calendar_named(db, "business"), app_now(db)):
        return True
    shift = roster.on_call(db)
    if shift is None:
        return False
    title = f"{code} オンコール当番への連絡"
    queue.publish_sms(db, shift.phone, text, area=AREA.name, about=(subject, code), title=title)
    return True


def add_event(db: Session, operation: Operation, kind: str, by: Actor | None, text: str | None) -> None:
    db.add(OperationEvent(operation_id=operation.id, **event_values(db, kind, by, text)))


def close_operations(db: Session, reservation_id: int, tasks: Iterable[Task], by: Actor | None = None) -> None:
    """Closes open tasks of these kinds that an event made unnecessary. `by`: the operator who caused the event; None:
    it happened automatically."""
    now = app_now(db)
    by_name = actor_name(by)
    closed_ids = db.scalars(
        update(Operation)
        .where(
            Operation.reservation_id == reservation_id,
            Operation.kind.in_([task.value for task in tasks]),
            Operation.resolved_at.is_(None),
        )
        .values(resolved_at=now, resolved_by=by_name, outcome=RESOLVED_BY_OPERATOR if by else RESOLVED_AUTOMATICALLY)
        .values(version=Operation.version + 1)
        .returning(Operation.id)
    )
    user_id = by.user_id if by else None
    db.add_all(
        OperationEvent(operation_id=operation_id, at=now, kind="closed", by=by_name, user_id=user_id)
        for operation_id in closed_ids
    )
