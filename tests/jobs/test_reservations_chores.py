"""The ticks that plan the maintenance calendar and draft the reports, and the messages that arrive at the vendors."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs import outbox, reservations
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.chores.models import ChoreTurn
from service.reservations.drafts import actions, schemas
from service.reservations.drafts.models import ActivityReport
from tests import people
from tests.api.reservations import scene
from tests.sandbox.process import Sandbox


def slack_titles(db: Session) -> list[str]:
    statement = select(OutboxMessage.title).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return list(db.scalars(statement))


def test_two_ticks_plan_and_notify_once(db: Session) -> None:
    scene.fill(db)
    db.commit()
    reservations.plan_chores()
    planned = db.scalar(select(func.count()).select_from(ChoreTurn))
    assert planned
    scene.set_clock(db, datetime(2031, 1, 9, 9, 0, tzinfo=TOKYO))
    db.commit()

    reservations.plan_chores()
    reservations.plan_chores()

    assert sum("期限を過ぎています" in title for title in slack_titles(db)) == 1
    heartbeat = select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.chores")
    assert db.scalars(heartbeat).all() == ["reservations.chores"]


def test_two_ticks_draft_once_and_notify_once(db: Session) -> None:
    scene.fill(db)
    db.commit()

    reservations.draft_reports()
    reservations.draft_reports()

    assert sorted(db.scalars(select(ActivityReport.kind))) == ["monthly", "weekly"]
    assert sum("下書きができました" in title for title in slack_titles(db)) == 2


def test_the_mail_arrives_with_the_pdf(db: Session, sandbox: Sandbox) -> None:
    scene.fill(db)
    db.commit()
    reservations.draft_reports()
    by = people.create_actor(db, "olivia", reservations="operator")
    report = db.scalars(select(ActivityReport).where(ActivityReport.kind == "weekly")).one()
    actions.finish(db, by, report.id, schemas.Finish(version=report.version))
    db.commit()
    sending = schemas.Sending(version=report.version, to=["mona@qualfia.example"])
    assert actions.send(partial(transaction, SYSTEM), by, report.id, sending) == 1

    outbox.send_topic("mail")

    [mail] = sandbox.mails()
    assert mail["recipients"] == ["mona@qualfia.example"]
    [attachment] = mail["attachments"]
    assert (attachment["name"], attachment["type"]) == (
        "予約運用_週次レポート_20301227-20310102.pdf",
        "application/pdf",
    )
    assert attachment["size"] > 5000
