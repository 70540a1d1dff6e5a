"""The tasks of the demo's reservations, as operators and the clocks leave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.core.access.auth import Actor
from service.core.values.targets import NEAR
from service.core.values.working_time import Calendar, add_working_time
from service.demo.files import Row, event
from service.demo.reservations.booking import SECOND, Booking
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import (
    PRIORITIES,
    RESOLVED_AUTOMATICALLY,
    RESOLVED_BY_OPERATOR,
    TARGETS,
)
from service.reservations.state_machine.states import Task

SYSTEM = "システム"


class Desk:
    """`people` work on them; `calendars` by name."""

    def __init__(self, people: Sequence[Actor], calendars: Mapping[Any, Calendar]) -> None:
        self.people, self.calendars = people, calendars

    def calendar(self, task: Task) -> Calendar:
        return self.calendars[TARGETS[PRIORITIES[task]].calendar]

    def open_tasks(self, booking: Booking, tasks: Iterable[Task]) -> list[Row]:
        kinds = [task.value for task in tasks]
        return [
            operation
            for operation in booking.rows[Operation]
            if operation["kind"] in kinds and operation["resolved_at"] is None
        ]

    def open(self, booking: Booking, task: Task, now: datetime, detail: str = "") -> Row:
        target, calendar = TARGETS[PRIORITIES[task]], self.calendar(task)
        operation = booking.add(
            Operation,
            kind=task.value,
            priority=PRIORITIES[task].value,
            title=task.label,
            detail=detail,
            opened_at=now,
            due_at=target.due_at(now, calendar),
            warn_at=add_working_time(now, target.span - target.span / NEAR, calendar),
            owner_id=None,
            resolved_at=None,
            version=1,
            # Slack was told of it then.
            told_at=now,
        )
        operation[OperationEvent] = [event(now, "opened", SYSTEM)]
        return operation

    def claim(self, operation: Row, person: Actor, now: datetime) -> None:
        if operation["resolved_at"] is None and operation["owner_id"] is None:
            self.record_lateness(operation, now)
            operation.update(owner_id=person.user_id, claimed_at=now, version=operation["version"] + 1)
            operation[OperationEvent].append(event(now, "claimed", person, person.name))

    def record_lateness(self, operation: Row, now: datetime) -> None:
        """What the clocks have said while nobody had it."""
        if operation["owner_id"] is not None or operation["resolved_at"] is not None:
            return
        if operation["warn_at"] <= now:
            operation["warned_at"] = operation["warn_at"]
            operation[OperationEvent].append(event(operation["warn_at"], "warned", SYSTEM))
        if operation["due_at"] < now:
            operation["breached_at"] = operation["due_at"] + SECOND
            operation[OperationEvent].append(event(operation["breached_at"], "breached", SYSTEM))

    def resolve(self, operation: Row, person: Actor, now: datetime, outcome: str) -> None:
        operation.update(resolved_at=now, resolved_by=person.name, outcome=outcome, version=operation["version"] + 1)
        operation[OperationEvent].append(event(now, "resolved", person, outcome))

    def close(self, booking: Booking, tasks: Iterable[Task], now: datetime, by: Actor | None) -> None:
        """The reservation has gone on."""
        for operation in self.open_tasks(booking, tasks):
            self.record_lateness(operation, now)
            operation.update(resolved_at=now, resolved_by=by.name if by else SYSTEM, version=operation["version"] + 1)
            operation["outcome"] = RESOLVED_BY_OPERATOR if by else RESOLVED_AUTOMATICALLY
            operation[OperationEvent].append(event(now, "closed", by or SYSTEM))
