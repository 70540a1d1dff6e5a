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
from tests.jobs.test_fleet_watch import heard, later


class Field:
    """A fleet on 1.0.0 that is to get 2.0.0, and the admin who wants that."""

    def __init__(self, db: Session, size: int) -> None:
        self.db, self.by = db, people.actor(db, "ada", fleet="admin")
        customer = factories.customer(db)
        self.terminals = factories.terminals(db, customer, ["新宿店 レジ1番"] * size)
        tokens = [{"token_hash": uuid.uuid4().bytes * 2, "terminal_id": terminal.id} for terminal in self.terminals]
        db.execute(insert(TerminalToken), tokens)
        heard(db, *self.terminals)
        self.firmware = factories.firmware(db)

    def draft(self, **wanted: Any) -> Rollout:
        values = {"name": "2.0.0 の配信", "firmware_id": self.firmware.id, "waves": [20, 100], "healthy_heartbeats": 2}
        return actions.create(self.db, self.by, schemas.NewRollout.model_validate(values | wanted))

    def started(self, **wanted: Any) -> Rollout:
        return actions.start(self.db, self.by, self.draft(**wanted).id)

    def look(self) -> dict[str, int]:
        self.db.flush()
        done = actions.advance(self.db)
        self.db.flush()
        self.db.expire_all()
        return done

    def tasks(self, *states: str) -> list[UpdateTask]:
        found = select(UpdateTask).order_by(UpdateTask.id)
        return [task for task in self.db.scalars(found) if not states or task.state in states]

    def standing(self) -> dict[str, int]:
        states = [task.state for task in self.tasks()]
        return {state: states.count(state) for state in sorted(set(states))}

    def report(self, task: UpdateTask, state: str, **said: Any) -> None:
        ends = {"finished_at": app_now(self.db)} if state in ("done", "failed", "cancelled") else {}
        self.db.execute(update(Command).where(Command.id == task.command_id).values(state=state, **said, **ends))

    def beat(self, terminal_id: int, version: str, error: str | None = None) -> None:
        """A heartbeat, as the ingest keeps it."""
        later(self.db, 0.5)
        terminal = self.db.get_one(Terminal, terminal_id)
        status = "error" if error else "online"
        heard(self.db, terminal, firmware_version=version, error=error, status=status)
        row = {"terminal_id": terminal_id, "received_at": app_now(self.db), "sent_at": app_now(self.db)}
        usage = {"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "terminal_connected": True, "error": error}
        self.db.execute(insert(heartbeats).values(row | usage | {"stream_id": uuid.uuid4(), "sequence": 1}))

    def goes_well(self, task: UpdateTask) -> None:
        self.report(task, "done", result={"version": "2.0.0"})
        self.beat(task.terminal_id, "2.0.0")
        self.look()
        for _ in range(2):
            self.beat(task.terminal_id, "2.0.0")

    def goes_wrong(self, task: UpdateTask) -> None:
        self.report(task, "failed", message="書き込めません", result={"code": "device_refused", "rolled_back": True})


class Wide(Field):
    """A fleet of which one half is updated already, two hours ago."""

    def __init__(self, db: Session) -> None:
        super().__init__(db, 60)
        self.rollout = self.started(waves=[50, 100], error_count=1000, error_percent=100, success_percent=100)
        self.look()
        self.begun = app_now(db)
        self.new, self.old = self.tasks("offered"), self.tasks("waiting")
        self.change([task.id for task in self.new[:-1]], state="succeeded")
        self.change([self.new[-1].id], state="proving")
        later(db, 120)
        heard(db, *self.terminals)

    def change(self, ids: list[int], **values: Any) -> None:
        same = {"proving_since": self.begun, "deadline_at": self.begun + timedelta(days=1)}
        self.db.execute(update(UpdateTask).where(UpdateTask.id.in_(ids)).values(**same | values))
        self.db.expire_all()

    def happens(self, tasks: list[UpdateTask], kind: str, minutes: float = 60, **facts: Any) -> None:
        lines = [
            {"terminal_id": task.terminal_id, "at": self.begun + timedelta(minutes=minutes), "kind": kind} | facts
            for task in tasks
        ]
        self.db.execute(insert(terminal_logs), lines)
