"""The tick that warns when a step of an incident is late, and notifies management when it is time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import reservations
from service.core.database.clock import app_now
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.reservations.incidents import actions, schemas
from service.reservations.incidents.rules import Level
from tests import people
from tests.api.reservations import scene


def titles(db: Session) -> list[str]:
    statement = select(OutboxMessage.title).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return list(db.scalars(statement))


def test_two_ticks_notify_once(db: Session) -> None:
    scene.fill(db)
    by = people.create_actor(db, "olivia", reservations="operator")
    actions.open_incident(db, by, schemas.NewIncident(title="電話が発信されない", level=Level.HIGH))
    scene.set_clock(db, app_now(db) + timedelta(minutes=118))
    db.commit()
    before = len(titles(db))

    reservations.watch_incidents()
    reservations.watch_incidents()

    new_titles = titles(db)[before:]
    # Three steps are late, and management is notified.
    assert len(new_titles) == 4
    assert sum("目標時間を過ぎました" in title for title in new_titles) == 3
    assert sum("経営陣に報告しました" in title for title in new_titles) == 1
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.incidents")).all()
