"""The tick that warns before the deadline of 手動対応 (a manual task)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import reservations
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.reservations.operations import actions as operations
from service.reservations.state_machine.states import Task
from tests.api.reservations import scene


def warnings(db: Session) -> list[str]:
    statement = select(OutboxMessage.title).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return [title for title in db.scalars(statement) if "の手動対応の期限" in title]


def test_two_ticks_warn_once(db: Session) -> None:
    scene.fill(db)
    for kind in (Task.VAGUE_ANSWER, Task.LATE_CANCEL):
        reservation = scene.create_reservation(db)
        operations.open_operation(db, reservation.id, reservation.code, kind)
    scene.set_clock(db, app_now(db) + timedelta(minutes=50))
    db.commit()

    reservations.watch()
    reservations.watch()

    assert len(warnings(db)) == 1
    assert "期限が近づいています" in warnings(db)[0]
