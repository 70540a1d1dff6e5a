"""A fleet that gets a new firmware."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.agents.models import Command
from service.fleet.firmware import actions, schemas
from service.fleet.firmware.models import Rollout, UpdateTask
from service.fleet.models import Terminal, TerminalToken, heartbeats, terminal_logs
from tests import factories, people
from tests.jobs.test_fleet_watch import advance_clock, record_heartbeat


class Fleet:
    """A fleet on firmware 1.0.0, and the administrator who rolls out 2.0.0."""

    def __init__(self, db: Session, size: int) -> None:
        self.db, self.by = db, people.create_actor(db, "ada", fleet="admin")
        customer = factories.customer(db)
        self.terminals = factories.terminals(db, customer, ["新宿店 レジ1番"] * size)
        tokens = [{"token_hash": uuid.uuid4().bytes * 2, "terminal_id": terminal.id} for terminal in self.terminals]
        db.execute(insert(TerminalToken), tokens)
        record_heartbeat(db, *self.terminals)
        self.firmware = factories.firmware(db)

    def draft(self, **changes: Any) -> Rollout:
        values = {"name": "2.0.0 の配信", "firmware_id": self.firmware.id, "waves": [20, 100], "healthy_heartbeats": 2}
        return actions.create(self.db, self.by, schemas.NewRollout.model_validate(values | changes))

    def start(self, **changes: Any) -> Rollout:
        return actions.start(self.db, self.by, self.draft(**changes).id)

    def advance(self) -> dict[str, int]:
        self.db.flush()
        counts = actions.advance(self.db)
        self.db.flush()
        self.db.expire_all()
        return counts

    def tasks(self, *states: str) -> list[UpdateTask]:
        statement = select(UpdateTask).order_by(UpdateTask.id)
        return [task for task in self.db.scalars(statement) if not states or task.state in states]

    def task_counts(self) -> dict[str, int]:
        states = [task.state for task in self.tasks()]
        return {state: states.count(state) for state in sorted(set(states))}

    def report(self, task: UpdateTask, state: str, **values: Any) -> None:
        finished = {"finished_at": app_now(self.db)} if state in ("done", "failed", "cancelled") else {}
        self.db.execute(update(Command).where(Command.id == task.command_id).values(state=state, **values, **finished))

    def send_heartbeat(self, terminal_id: int, version: str, error: str | None = None) -> None:
        """A heartbeat as the ingest stores it."""
        advance_clock(self.db, 0.5)
        terminal = self.db.get_one(Terminal, terminal_id)
        status = "error" if error else "online"
        record_heartbeat(self.db, terminal, firmware_version=version, error=error, status=status)
        row = {"terminal_id": terminal_id, "received_at": app_now(self.db), "sent_at": app_now(self.db)}
        usage = {"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "terminal_connected": True, "error": error}
        self.db.execute(insert(heartbeats).values(row | usage | {"stream_id": uuid.uuid4(), "sequence": 1}))

    def succeed(self, task: UpdateTask) -> None:
        self.report(task, "done", result={"version": "2.0.0"})
        self.send_heartbeat(task.terminal_id, "2.0.0")
        self.advance()
        for _ in range(2):
            self.send_heartbeat(task.terminal_id, "2.0.0")

    def fail(self, task: UpdateTask) -> None:
        self.report(task, "failed", message="書き込めません", result={"code": "device_refused", "rolled_back": True})


class HalfUpdatedFleet(Fleet):
    """A fleet whose first half was updated two hours ago."""

    def __init__(self, db: Session) -> None:
        super().__init__(db, 60)
        self.rollout = self.start(waves=[50, 100], error_count=1000, error_percent=100, success_percent=100)
        self.advance()
        self.updated_at = app_now(db)
        self.updated, self.waiting = self.tasks("offered"), self.tasks("waiting")
        self.change([task.id for task in self.updated[:-1]], state="succeeded")
        self.change([self.updated[-1].id], state="proving")
        advance_clock(db, 120)
        record_heartbeat(db, *self.terminals)

    def change(self, ids: list[int], **values: Any) -> None:
        defaults = {"proving_since": self.updated_at, "deadline_at": self.updated_at + timedelta(days=1)}
        self.db.execute(update(UpdateTask).where(UpdateTask.id.in_(ids)).values(**defaults | values))
        self.db.expire_all()

    def log_events(self, tasks: list[UpdateTask], kind: str, minutes: float = 60, **facts: Any) -> None:
        rows = [
            {"terminal_id": task.terminal_id, "at": self.updated_at + timedelta(minutes=minutes), "kind": kind} | facts
            for task in tasks
        ]
        self.db.execute(insert(terminal_logs), rows)
