"""The ticks that warn when an enquiry is late, and that send survey reminders and close surveys."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import core as core_jobs
from jobs import reservations
from service.core.database.clock import app_now
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.enquiries import actions, schemas
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.surveys import actions as surveys
from service.reservations.surveys import queries
from service.reservations.surveys.models import Invitation, Survey
from service.reservations.surveys.schemas import NewSurvey, Sending
from tests import people
from tests.api.reservations import scene


def titles(db: Session, topic: str) -> list[str]:
    statement = select(OutboxMessage.title).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)
    return list(db.scalars(statement))


def test_two_ticks_notify_of_a_late_enquiry_once(db: Session) -> None:
    scene.fill(db)
    by = people.create_actor(db, "sally", reservations="support")
    values = {"party": "shop", "channel": "mail", "sender_name": "佐藤 花", "mail": "ginza@flower.example"}
    new = schemas.NewEnquiry.model_validate(values | {"topic": "電話の件", "content": "?", "category": "calls"})
    actions.register(db, by, new)
    scene.set_clock(db, app_now(db) + timedelta(hours=4, minutes=1))
    db.commit()
    before = len(titles(db, "slack"))

    reservations.watch_enquiries()
    reservations.watch_enquiries()

    [title] = titles(db, "slack")[before:]
    assert "（提携店・Email）の初回応答が目標時間を過ぎました" in title
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.enquiries")).all()


def test_a_survey_reminds_once_and_ends_by_itself(db: Session) -> None:
    scene.fill(db)
    by = people.create_actor(db, "sally", reservations="support")
    reservation = scene.create_reservation(db, phone="090-1111-0001")
    reservation.state, reservation.closed_at = "completed", app_now(db) - timedelta(days=30)
    survey = surveys.create(db, by, NewSurvey(quarter="2030-Q4"))
    surveys.send(db, by, survey.id, Sending(version=survey.version, recipients=1))
    db.commit()

    for passed in (3, 1, 1, 2):
        scene.set_clock(db, app_now(db) + timedelta(days=passed))
        db.commit()
        reservations.tend_surveys()
        reservations.tend_surveys()

    db.expire_all()
    assert [title for title in titles(db, "sms") if "満足度調査" in title] == ["満足度調査のお願い"] * 2
    [closed] = db.scalars(select(Survey)).all()
    assert (closed.reminded, closed.closed_at) == (1, app_now(db))
    assert db.scalars(select(Invitation.address)).all() == [None]
    assert queries.satisfaction(db, closed.created_at, app_now(db)).count == 0
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.surveys")).all()


def test_an_old_resolved_enquiry_is_deleted_with_its_events(db: Session) -> None:
    scene.fill(db)
    by = people.create_actor(db, "sally", reservations="support")
    values = {"party": "customer", "channel": "mail", "sender_name": "青木", "mail": "aoki@example.jp", "topic": "質問"}
    new = schemas.NewEnquiry.model_validate(values | {"content": "?", "category": "other"})
    old, recent, waiting = (actions.register(db, by, new) for _ in range(3))
    for enquiry in (old, recent):
        actions.resolve(db, by, enquiry.id, schemas.Resolution(version=enquiry.version, way="faq", outcome="案内した"))
    old.resolved_at = datetime(2020, 1, 6, 10, 0, tzinfo=TOKYO)
    remaining_ids = {recent.id, waiting.id}
    db.commit()

    core_jobs.apply_retention()

    db.expire_all()
    assert set(db.scalars(select(Enquiry.id))) == remaining_ids
    assert set(db.scalars(select(EnquiryEvent.enquiry_id))) == remaining_ids
