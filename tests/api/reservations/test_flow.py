"""The events of a reservation, on real rows and under real locks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.problems import NotFound
from service.core.values.times import TOKYO
from service.reservations.flow import actions, queries
from service.reservations.models import Reservation, ShopService, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.events import EVENT_ADAPTER
from service.reservations.state_machine.states import Answer, State
from tests import people
from tests.api.reservations import scene
from tests.reservation_locks import SCENE


def outbox_messages(db: Session, topic: str) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def test_from_the_request_to_the_day_itself(stage: Session) -> None:
    reservation = scene.confirmed(stage, mail="aoki@example.com")
    scene.pass_time(stage, timedelta(days=6, hours=4, minutes=1))
    assert reservation.state == "confirmed"
    scene.pass_time(stage, timedelta(days=2))

    assert reservation.state == "completed"
    assert (reservation.paid, reservation.refunded, reservation.next_action_at) == (5500, 0, None)
    assert reservation.shop_id == scene.shop(stage, "S001").id
    assert None not in (reservation.paid_at, reservation.confirmed_at, reservation.closed_at)
    messages = [
        (message.channel, message.recipient, message.purpose)
        for message in stage.scalars(select(Message).order_by(Message.id))
        if message.channel == "sms" or message.recipient == "shop"
    ]
    assert messages == [
        ("sms", "customer", "request_received"),
        ("mail", "shop", "held"),
        ("sms", "customer", "payment_link"),
        ("sms", "customer", "confirmed"),
        ("mail", "shop", "booked"),
        ("sms", "customer", "reminder"),
    ]
    timeline = scene.timeline(stage, reservation)
    assert [event.number for event in timeline] == list(range(1, len(timeline) + 1))
    replayed = [*machine.replay((event.at, EVENT_ADAPTER.validate_python(event.event)) for event in timeline)]
    assert replayed[-1][2].case == scene.case(stage, reservation), "the timeline says how it came about"
    assert [outcome.case.state.value for _, _, outcome in replayed] == [event.state for event in timeline]


def test_a_call_is_sent_with_its_whole_script(stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)

    call = scene.active_call(stage, reservation)
    [message] = outbox_messages(stage, "voice")
    assert call.message_key == message.key
    assert (call.number, call.round, call.phone) == (1, 1, "+81312340001")
    assert message.payload["do"] == "call"
    assert message.payload["phone"] == "+81312340001"
    assert message.payload["max_minutes"] == 5
    assert message.payload["request_data"]["shop_name"] == "フラワー銀座"
    assert set(message.payload) == {
        *("do", "number", "phone", "task", "first_sentence", "language", "max_minutes"),
        *("request_data", "analysis_schema"),
    }


def test_the_checkout_page_leads_back_and_outlives_every_retry_of_the_sms(stage: Session) -> None:
    reservation = scene.held_by_shop(stage)

    [checkout] = outbox_messages(stage, "payments")
    assert checkout.payload["do"] == "checkout"
    assert (checkout.payload["reference"], checkout.payload["amount"]) == (reservation.code, 5500)
    assert checkout.payload["expires_in_seconds"] == 2700
    cancel_url = checkout.payload["cancel_url"]
    assert checkout.payload["success_url"] == f"{cancel_url}/done"
    assert stage.scalars(select(Payment)).one().number == 1
    link = outbox_messages(stage, "sms")[-1]
    assert link.payload["validity_seconds"] == 600
    assert link.expires_at == app_now(stage) + timedelta(minutes=30)


def test_an_ignored_event_is_stored_with_the_reason(stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    before = reservation.version

    outcome = actions.record_event(stage, reservation.id, e.RefundRetried(), source="operator", note="試しに")

    assert outcome.ignored == "返金を待っていません。"
    last = scene.timeline(stage, reservation)[-1]
    assert (last.kind, last.ignored, last.note, last.state) == (
        "refund_retried",
        "返金を待っていません。",
        "試しに",
        "requested",
    )
    assert reservation.version == before


def test_an_operators_event_is_audited(stage: Session) -> None:
    olga = people.create_actor(stage, "olga", reservations="operator")
    reservation = scene.confirmed(stage)

    cancel = e.CancelAsked(by="operator")
    actions.record_event(stage, reservation.id, cancel, source="operator", by=olga, note="ご本人の希望")

    [entry] = stage.scalars(select(AuditEntry).where(AuditEntry.subject == "reservation")).all()
    assert (entry.action, entry.actor, entry.before) == ("cancel", "olga", {"state": "予約確定"})
    assert entry.after == {"state": "返金処理中", "event": "キャンセルの依頼を受けました"}
    last = scene.timeline(stage, reservation)[-1]
    assert (last.by, last.user_id, last.note) == ("olga さん", olga.user_id, "ご本人の希望")


def test_an_event_of_an_unknown_reservation_is_not_found(stage: Session) -> None:
    with pytest.raises(NotFound):
        actions.record_event(stage, 10**9, e.Disputed(), source="stripe")


def test_money_is_refunded_once_and_the_shop_is_notified(stage: Session) -> None:
    reservation = scene.confirmed(stage)

    for _ in range(2):
        actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    [refund] = stage.scalars(select(Refund)).all()
    assert (refund.intent, refund.amount, refund.status) == (f"pi_{reservation.code}", 5500, "planned")
    [message] = [item for item in outbox_messages(stage, "payments") if item.payload["do"] == "refund"]
    assert message.payload["payment_intent"] == refund.intent
    assert "予約キャンセルのお知らせ" in outbox_messages(stage, "mail")[-1].title


def test_a_customer_who_cancels_while_the_shop_is_called_has_the_call_ended(stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)
    call = scene.active_call(stage, reservation)
    call.external_id = "call_1"
    stage.flush()

    actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    stage.refresh(call)
    assert not call.is_active
    assert outbox_messages(stage, "voice")[-1].payload == {"do": "stop", "call_id": "call_1", "number": 1}
    # The shop accepts all the same: it is notified that the customer cancelled, and the customer need not pay.
    accepted = e.CallEnded(number=1, shop=call.shop_id, answer=Answer.OK)
    actions.record_event(stage, reservation.id, accepted, source="bland")
    assert reservation.state == "cancelled"
    assert "仮予約キャンセルのお知らせ" in outbox_messages(stage, "mail")[-1].title
    assert outbox_messages(stage, "payments") == []


def test_a_call_that_was_not_placed_yet_is_discarded(stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)

    actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    [message] = outbox_messages(stage, "voice")
    stage.refresh(message)
    assert message.discarded_at is not None


def test_a_cancelled_reservation_sends_no_reminder(stage: Session) -> None:
    reservation = scene.confirmed(stage)
    scene.pass_time(stage, timedelta(days=6, hours=4, minutes=1))
    reminder = stage.scalars(select(Message).where(Message.purpose == "reminder")).one()

    cancel = e.CancelAsked(by="operator", special=True)
    actions.record_event(stage, reservation.id, cancel, source="operator")

    stage.refresh(reminder)
    message = stage.scalars(select(OutboxMessage).where(OutboxMessage.key == reminder.message_key)).one()
    stage.refresh(message)
    assert reminder.status == "dropped"
    assert message.discarded_at is not None


def test_a_customer_without_sms_gets_mails(stage: Session) -> None:
    reservation = scene.held_by_shop(stage, mail="aoki@example.com")
    actions.record_event(stage, reservation.id, e.SmsFailed(purpose="payment_link"), source="twilio")
    before = len(outbox_messages(stage, "sms"))

    actions.record_event(stage, reservation.id, e.CheckoutRetried(by_mail=True), source="operator")
    number = scene.case(stage, reservation).checkouts
    actions.record_event(stage, reservation.id, e.CheckoutReady(number=number, session="cs_2"), source="stripe")
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10, by_mail=True), source="system")
    scene.pay(stage, reservation)

    assert reservation.state == "confirmed"
    assert len(outbox_messages(stage, "sms")) == before
    messages = stage.scalars(select(Message).where(Message.recipient == "customer").order_by(Message.id)).all()
    assert [(message.channel, message.purpose) for message in messages[-2:]] == [
        ("mail", "payment_link"),
        ("mail", "confirmed"),
    ]


def test_a_shop_without_a_mail_address_is_noted_in_the_timeline(stage: Session) -> None:
    scene.shop(stage, "S001").mail = ""
    reservation = scene.held_by_shop(stage)
    unlisted = scene.create_reservation(stage)
    actions.record_event(stage, unlisted.id, e.ShopOk(shop=None, note="花の店 山田 03-9999-0000"), source="operator")

    [call_ended] = [event for event in scene.timeline(stage, reservation) if event.kind == "call_ended"]
    assert "フラワー銀座のメールアドレスがないため" in call_ended.note
    assert unlisted.shop_note == "花の店 山田 03-9999-0000"
    assert "花の店 山田 03-9999-0000のメールアドレスがないため" in scene.timeline(stage, unlisted)[-1].note


def test_tasks_are_opened_and_closed_by_events(stage: Session) -> None:
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)
    scene.record_shop_answer(stage, reservation, Answer.VAGUE)
    [task] = stage.scalars(select(Operation)).all()
    assert (task.kind, task.resolved_at) == ("vague_answer", None)
    # Opened on a Wednesday at ten: an hour of business time.
    assert task.due_at == datetime(2031, 1, 8, 11, 0, tzinfo=TOKYO)
    assert task.warn_at == datetime(2031, 1, 8, 10, 45, tzinfo=TOKYO)

    actions.record_event(stage, reservation.id, e.ShopRefused(), source="operator")

    stage.refresh(task)
    assert task.resolved_by == "システム"
    scene.pass_time(stage)
    assert scene.active_call(stage, reservation).shop_id == scene.shop(stage, "S002").id


def test_a_list_that_is_edited_in_the_middle_of_a_round_does_not_shift_it(stage: Session) -> None:
    first, second = scene.shop(stage, "S001"), scene.shop(stage, "S002")
    reservation = scene.create_reservation(stage)
    scene.pass_time(stage)
    stage.execute(update(ShopService).where(ShopService.shop_id == first.id).values(position=99))
    stage.add(ShopService(shop_id=scene.shop(stage, "S003").id, service_id=reservation.service_id, position=0))
    stage.flush()

    called = []
    while reservation.state != "all_shops_refused":
        called.append(scene.record_shop_answer(stage, reservation, Answer.NO_ANSWER).shop_id)
        scene.pass_time(stage, timedelta(minutes=5))

    assert called == [first.id, second.id, first.id, second.id]


def test_shops_are_called_when_they_answer_and_not_otherwise(stage: Session) -> None:
    first, second = scene.shop(stage, "S001"), scene.shop(stage, "S002")
    first.closed_weekdays, second.blacklisted_at = [3], None
    reservation = scene.create_reservation(stage)
    second.blacklisted_at = app_now(stage)
    stage.flush()
    scene.pass_time(stage)

    # Wednesday is the first shop's day off; the second was blacklisted after the order had been set.
    assert [event.kind for event in scene.timeline(stage, reservation)] == ["requested", "shop_skipped", "shops_closed"]
    assert reservation.next_action_at == datetime(2031, 1, 9, 9, 0, tzinfo=TOKYO)
    scene.set_clock(stage, datetime(2031, 1, 9, 8, 59, 59, tzinfo=TOKYO))
    assert actions.advance_due(stage) == 0
    scene.set_clock(stage, datetime(2031, 1, 9, 9, 0, 0, tzinfo=TOKYO))
    assert actions.advance_due(stage) == 1
    assert scene.active_call(stage, reservation).shop_id == first.id


def test_a_line_that_is_busy_with_another_reservation_is_tried_a_little_later(stage: Session) -> None:
    scene.shop(stage, "S002").blacklisted_at = app_now(stage)
    stage.flush()
    first, second = scene.create_reservation(stage), scene.create_reservation(stage)

    scene.pass_time(stage)

    assert scene.active_call(stage, first).phone == "+81312340001"
    assert second.state == "calling"
    assert second.next_action_at == app_now(stage) + timedelta(seconds=15)
    scene.record_shop_answer(stage, first, Answer.REFUSED)
    scene.pass_time(stage, timedelta(seconds=15))
    assert scene.active_call(stage, second).phone == "+81312340001"


def test_the_database_itself_allows_one_active_call_for_a_reservation_and_for_a_line(stage: Session) -> None:
    first, second = scene.create_reservation(stage), scene.create_reservation(stage)
    scene.pass_time(stage)
    first_call, second_call = scene.active_call(stage, first), scene.active_call(stage, second)

    def insert_call(reservation: Reservation, phone: str) -> None:
        values = {"number": 7, "round": 1, "shop_id": first_call.shop_id, "phone": phone}
        with stage.begin_nested():
            stage.execute(insert(PhoneCall).values(reservation_id=reservation.id, **values))

    with pytest.raises(IntegrityError, match="uq_reservations_calls_active"):
        insert_call(first, "+81399990000")
    second_call.is_active = False
    stage.flush()
    with pytest.raises(IntegrityError, match="uq_reservations_calls_line"):
        insert_call(second, first_call.phone)


def test_a_failing_reservation_does_not_block_the_others(stage: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = scene.create_reservation(stage), scene.create_reservation(stage)
    phone_lines = queries.phone_lines

    def fails(db: Session, reservation_id: int, shops: tuple[int, ...]) -> object:
        if reservation_id == broken.id:
            raise RuntimeError("a row that nobody expected")
        return phone_lines(db, reservation_id, shops)

    monkeypatch.setattr(queries, "phone_lines", fails)
    scene.pass_time(stage)

    assert (broken.state, sound.state) == ("requested", "calling")
    assert broken.next_action_at == app_now(stage) + timedelta(minutes=1)
    monkeypatch.undo()
    scene.pass_time(stage, timedelta(minutes=1))
    assert broken.state == "calling"


def test_two_steps_at_once_call_a_shop_once(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        reservation_id = scene.create_reservation(db).id
    barrier = threading.Barrier(8)

    def step(_: int) -> int:
        with Session(pooled_engine) as db, db.begin():
            barrier.wait()
            return actions.advance_due(db, 10)

    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(step, range(8)))

    with Session(pooled_engine) as db:
        assert sum(moved) == 1
        assert db.scalars(select(PhoneCall.reservation_id)).all() == [reservation_id]
        assert db.scalar(select(func.count()).where(OutboxMessage.topic == "voice")) == 1


def test_two_reservations_that_want_one_line_at_once_get_it_one_after_the_other(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        scene.shop(db, "S002").blacklisted_at = app_now(db)
        db.flush()
        for _ in range(6):
            scene.create_reservation(db)
    barrier = threading.Barrier(6)

    def step(_: int) -> None:
        with Session(pooled_engine) as db, db.begin():
            barrier.wait()
            actions.advance_due(db, 1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(step, range(6)))

    with Session(pooled_engine) as db:
        assert db.scalar(select(func.count()).where(PhoneCall.is_active)) == 1
        assert db.scalars(select(Reservation.state).distinct()).all() == ["calling"]
        failed = select(func.count()).where(TimelineEvent.ignored.is_not(None))
        assert db.scalar(failed) == 0


def test_cancellations_at_once_make_one_refund(pooled_engine: Engine) -> None:
    with Session(pooled_engine, info=SCENE) as db, db.begin():
        reservation_id = scene.confirmed(db).id
    barrier = threading.Barrier(6)

    def cancel(_: int) -> bool:
        with Session(pooled_engine) as db, db.begin():
            barrier.wait()
            outcome = actions.record_event(db, reservation_id, e.CancelAsked(by="customer"), source="customer")
            return outcome.ignored is None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(cancel, range(6))) == 1

    with Session(pooled_engine) as db:
        assert db.scalar(select(func.count()).select_from(Refund)) == 1
        numbers = db.scalars(select(TimelineEvent.number).order_by(TimelineEvent.number)).all()
        assert numbers == list(range(1, len(numbers) + 1))
        assert db.get_one(Reservation, reservation_id).state == State.REFUND_PENDING
