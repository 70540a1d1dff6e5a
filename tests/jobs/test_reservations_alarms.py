"""The ticks of 監視 (monitoring) and of Slack notices."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs import reservations
from service.core.areas import ticks
from service.core.database.clock import real_now
from service.core.monitoring.health import JobHeartbeat
from service.core.monitoring.instances import Presence
from service.core.outbox.records import OutboxMessage
from service.reservations.alarms import rules
from service.reservations.alarms.models import Alarm, Measure
from service.reservations.operations import actions as operations
from service.reservations.state_machine.states import Task
from tests.api.reservations import scene
from tests.sandbox.process import Sandbox


def test_a_tick_records_a_measure(db: Session) -> None:
    Presence("worker").report(db)
    db.commit()

    reservations.watch_system()
    reservations.watch_system()

    measure = db.scalars(select(Measure)).all()[-1]
    assert measure.memory is not None
    assert 0 < measure.memory < 100
    assert measure.waiting_ticks == 0
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.alarms")).all()


def test_a_full_queue_is_posted_to_slack_once_and_resolved_there(db: Session, sandbox: Sandbox) -> None:
    now = rules.to_minute(real_now())
    for n in range(1, 4):
        db.add(
            Measure(
                minute=now - n * timedelta(minutes=1),
                cpu=10,
                memory=10,
                samples=6,
                queue_least=150,
                queue_most=200,
                waiting_ticks=150,
                waiting_outbox=0,
                waiting_inbox=0,
                waiting_flow=0,
            )
        )
    db.commit()
    for _ in range(2):
        reservations.watch_system()
        outbox_jobs.send_topic("slack")
    [post] = sandbox.posts()
    assert post["channel_name"] == "qrv-alerts"
    assert post["text"].startswith("予約キューが溜まっています\n")

    for measure in db.scalars(select(Measure)):
        measure.queue_least = measure.queue_most = 0
    db.commit()
    reservations.watch_system()
    outbox_jobs.send_topic("slack")

    reply, post = sandbox.posts()
    assert post["text"].startswith("【解決済み】予約キューが溜まっています\n")
    assert (reply["thread_ts"], reply["text"].startswith("解決しました")) == (post["ts"], True)
    assert db.scalars(select(Alarm.over_at)).one() is not None


def test_a_burst_is_one_message_in_slack_and_none_of_it_is_lost(db: Session, sandbox: Sandbox) -> None:
    scene.fill(db)
    codes = []
    for _ in range(9):
        reservation = scene.create_reservation(db)
        codes.append(reservation.code)
        operations.open_operation(db, reservation.id, reservation.code, Task.ALL_SHOPS_REFUSED)
    db.commit()

    for _ in range(3):
        reservations.tidy_notices()
    outbox_jobs.send_topic("slack")

    posts = sandbox.posts()[::-1]
    assert [post["text"] for post in posts[:5]] == [f"予約ID: {code} が全店NG" for code in codes[:5]]
    assert len(posts) == 6
    assert [f"・予約ID: {code} が全店NG" for code in codes[5:]] == posts[5]["text"].splitlines()[2:]
    assert db.scalars(select(OutboxMessage.dead_at).where(OutboxMessage.dead_at.is_not(None))).all() == []


def test_the_ticks_are_in_the_timetable() -> None:
    assert ticks()["reservations.alarms"].every <= timedelta(minutes=1)
    assert "reservations.notices" in ticks()
