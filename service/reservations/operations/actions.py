"""Opening and closing what people have to do."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import outbox
from service.core.calendar import add_working_time
from service.core.clock import app_now
from service.core.holidays import calendar_named
from service.core.targets import NEAR
from service.reservations.events.rules import Task
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import (
    NOBODY_ON_CALL,
    PRIORITIES,
    TARGETS,
    TASK_WORDS,
    Priority,
    call_out,
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
    text = notice(task, code)
    called = ring(db, code, call_out(task, code, operation.due_at)) if priority is Priority.URGENT else True
    tell(db, code, text if called else f"{text}\n{NOBODY_ON_CALL}")
    return operation


def tell(db: Session, code: str, text: str, subject: str = "reservation") -> None:
    """In Slack; `code` is that of the subject."""
    channel = settings().slack_channel
    outbox.publish(
        db,
        "slack",
        {"channel": channel, "text": text},
        area=AREA.name,
        recipient=channel,
        title=text,
        about=(subject, code),
    )


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


def close_automatically(db: Session, reservation_id: int, tasks: Iterable[Task]) -> None:
    """What has been settled by what happened: nobody has to do it any more."""
    now = app_now(db)
    closed = db.scalars(
        update(Operation)
        .where(
            Operation.reservation_id == reservation_id,
            Operation.kind.in_([task.value for task in tasks]),
            Operation.resolved_at.is_(None),
        )
        .values(resolved_at=now, resolved_by="システム", outcome="予約が先へ進んだため、自動で完了にしました。")
        .values(version=Operation.version + 1)
        .returning(Operation.id)
    )
    db.add_all(OperationEvent(operation_id=one, at=now, kind="closed", by="システム") for one in closed)
