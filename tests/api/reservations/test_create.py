"""Reservation requests: stored once however often they are repeated, and refused when they are impossible."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.problems import Invalid
from service.core.values.times import TOKYO
from service.reservations.flow import actions
from service.reservations.flow.actions import OutsideHours
from service.reservations.models import Reservation, ShopService
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from service.reservations.state_machine import events as e
from tests import people
from tests.api.reservations import scene


def count(db: Session, model: type[Any]) -> int:
    return db.scalar(select(func.count()).select_from(model)) or 0


def test_a_request_is_stored_with_all_its_data_and_confirmed_by_sms(stage: Session) -> None:
    reservation = scene.create_reservation(
        stage, phone="０９０－１２３４－５６７８", mail="aoki@example.com", wishes=" 赤いバラで "
    )

    assert re.fullmatch(r"QRV-[2-9A-HJ-NP-Z]{6}", reservation.code)
    assert (reservation.phone, reservation.wishes, reservation.price) == ("+819012345678", "赤いバラで", 5500)
    assert scene.case(stage, reservation).order == (scene.shop(stage, "S001").id, scene.shop(stage, "S002").id)
    messages = stage.scalars(select(Message).order_by(Message.id)).all()
    assert [(message.channel, message.address, message.purpose) for message in messages] == [
        ("sms", "+819012345678", "request_received"),
        ("mail", "aoki@example.com", "request_received"),
    ]
    outbox = {message.key: message for message in stage.scalars(select(OutboxMessage))}
    sms = outbox[messages[0].message_key]
    assert sms.payload == {"to": "+819012345678", "body": messages[0].body, "validity_seconds": None}
    assert (sms.area, sms.subject, sms.subject_id) == ("reservations", "reservation", reservation.code)
    [event] = scene.timeline(stage, reservation)
    assert (event.number, event.kind, event.source, event.ignored) == (1, "requested", "assistant", None)


def test_a_repeated_request_is_the_first_reservation(stage: Session) -> None:
    assistant = scene.assistant(stage)
    first = scene.create_reservation(stage, assistant_id=assistant.id, client_request_id="r1")

    again = scene.create_reservation(
        stage, assistant_id=assistant.id, client_request_id="r1", service_code="nothing", phone="?"
    )

    assert again.id == first.id
    assert count(stage, Message) == 1


def test_the_same_request_within_ten_minutes_is_the_same_reservation(stage: Session) -> None:
    assistant = scene.assistant(stage)
    fields: dict[str, Any] = {"assistant_id": assistant.id, "phone": "090-1234-5678"}
    first = scene.create_reservation(stage, **fields)

    assert scene.create_reservation(stage, **fields).id == first.id
    assert scene.create_reservation(stage, **fields, service_code="cake", plan_code="5").id != first.id
    # Requests of another assistant are never duplicates.
    assert scene.create_reservation(stage, phone="090-1234-5678").id != first.id
    starts_at = first.starts_at
    scene.set_clock(stage, app_now(stage) + timedelta(minutes=11))
    assert scene.create_reservation(stage, **fields, starts_at=starts_at).id != first.id


def test_a_new_request_after_a_cancellation_is_a_new_reservation(stage: Session) -> None:
    assistant = scene.assistant(stage)
    fields: dict[str, Any] = {"assistant_id": assistant.id, "phone": "090-1234-5678"}
    first = scene.create_reservation(stage, **fields)
    actions.record_event(stage, first.id, e.CancelAsked(by="customer"), source="assistant")

    assert scene.create_reservation(stage, **fields).id != first.id


def test_twenty_requests_at_once_make_one_reservation_and_one_sms(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        assistant_id = scene.assistant(db).id
        starts_at = app_now(db) + timedelta(days=7)

    def create(number: int) -> str:
        with Session(pooled_engine) as db, db.begin():
            # Every fifth has another number: then not the lock separates them, but the unique index.
            phone = f"090-1234-567{number % 5}"
            reservation = scene.create_reservation(
                db, assistant_id=assistant_id, client_request_id="at once", phone=phone, starts_at=starts_at
            )
            return reservation.code

    with ThreadPoolExecutor(20) as pool:
        codes = set(pool.map(create, range(20)))

    with Session(pooled_engine) as db:
        assert len(codes) == count(db, Reservation) == 1
        assert count(db, Message) == 1
        assert db.scalar(select(func.count()).where(OutboxMessage.topic == "sms")) == 1


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"service_code": "sushi"}, "service", "指定できるサービス: bouquet、cake、platter"),
        ({"plan_code": "xxl"}, "plan", "指定できるサイズ: s（S（約10本））、m（M（約20本））、l（L（約30本））"),
        ({"phone": "+1 650 555 0100"}, "phone", "090-1234-5678"),
        ({"phone": "12345"}, "phone", "電話番号を確認できません"),
        ({"phone": "03-1234-5678"}, "phone", "この番号はSMSを受け取れません"),
        ({"phone": "+81 50 1234 5678"}, "phone", "070・080・090"),
        ({"in": timedelta(hours=3, seconds=-1)}, "starts_at", "今なら2031/1/8（水）13:00以降"),
        ({"in": timedelta(days=-1)}, "starts_at", "3時間後より先"),
        ({"in": timedelta(days=90, seconds=1)}, "starts_at", "90日先まで"),
    ],
    ids=["service", "plan", "foreign number", "no number", "land line", "internet", "too soon", "past", "too far"],
)
def test_an_impossible_request_is_refused_with_what_is_possible(
    stage: Session, fields: dict[str, Any], field: str, message: str
) -> None:
    if "in" in fields:
        fields = {"starts_at": datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO) + fields["in"]}
        scene.set_clock(stage, datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO))

    with pytest.raises(Invalid) as refused:
        scene.create_reservation(stage, **fields)

    assert message in refused.value.detail
    assert [error.field for error in refused.value.errors] == [field]
    assert count(stage, Reservation) == 0


@pytest.mark.parametrize(
    ("day", "hour", "message"),
    [
        (15, 3, "ご希望の日時（2031/1/15（水）3:00）は、提携店の電話受付時間（9:00〜20:00）の外です。"),
        (15, 21, "提携店の電話受付時間（9:00〜20:00）の外です"),
        (14, 14, "どの提携店も定休日です"),
    ],
)
def test_an_unusual_time_has_to_be_confirmed_before_any_shop_is_called(
    stage: Session, day: int, hour: int, message: str
) -> None:
    for code in ("S001", "S002"):
        scene.shop(stage, code).closed_weekdays = [2]
    starts_at = datetime(2031, 1, day, hour, tzinfo=TOKYO)

    with pytest.raises(OutsideHours) as refused:
        scene.create_reservation(stage, starts_at=starts_at)

    assert message in refused.value.detail
    assert count(stage, Reservation) == count(stage, Message) == 0
    assert scene.create_reservation(stage, starts_at=starts_at, hours_confirmed=True).starts_at == starts_at


@pytest.mark.parametrize("hour", [9, 16, 20])
def test_a_time_at_which_one_of_the_shops_answers_is_not_unusual(stage: Session, hour: int) -> None:
    scene.shop(stage, "S001").closes_at = time(12)
    scene.shop(stage, "S001").closed_weekdays = [3]

    assert scene.create_reservation(stage, starts_at=datetime(2031, 1, 15, hour, tzinfo=TOKYO)).state == "requested"


def test_a_service_that_no_shop_offers_is_not_refused_but_becomes_a_manual_task(stage: Session) -> None:
    for offer in stage.scalars(select(ShopService)):
        stage.delete(offer)
    reservation = scene.create_reservation(stage)

    scene.pass_time(stage)

    assert reservation.state == "all_shops_refused"
    [task] = stage.scalars(select(Operation)).all()
    assert (task.kind, task.priority) == ("all_shops_refused", "high")
    posts = stage.scalars(select(OutboxMessage).where(OutboxMessage.topic == "slack")).all()
    assert [post.payload for post in posts] == [
        {"channel": "#qrv-alerts", "text": f"予約ID: {reservation.code} が全店NG"}
    ]


def test_an_operators_request_for_a_customer_is_audited(stage: Session) -> None:
    olga = people.create_actor(stage, "olga", reservations="operator")

    reservation = scene.create_reservation(stage, by=olga)

    assert (reservation.user_id, reservation.assistant_id) == (olga.user_id, None)
    [entry] = stage.scalars(select(AuditEntry).where(AuditEntry.subject == "reservation")).all()
    assert (entry.action, entry.actor, entry.subject_id) == ("create", "olga", reservation.code)


def test_a_shop_that_is_out_of_use_is_not_in_the_order(stage: Session) -> None:
    scene.shop(stage, "S001").blacklisted_at = app_now(stage)
    stage.flush()

    assert scene.case(stage, scene.create_reservation(stage)).order == (scene.shop(stage, "S002").id,)
