"""What happens to a reservation: on real rows, under real locks."""

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
from service.core.problems import NotFound, Stale
from service.core.values.times import TOKYO
from service.reservations.events import rules as e
from service.reservations.events.rules import EVENT_ADAPTER, Answer, State
from service.reservations.flow import actions, queries
from service.reservations.flow.models import Payment, PhoneCall, Refund, Reservation, TimelineEvent
from service.reservations.machine import rules as machine
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from service.reservations.shops.models import ShopService
from tests import people
from tests.api.reservations import scene


def sent(db: Session, topic: str) -> list[OutboxMessage]:
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
    told = [
        (one.channel, one.recipient, one.purpose)
        for one in stage.scalars(select(Message).order_by(Message.id))
        if one.channel == "sms" or one.recipient == "shop"
    ]
    assert told == [
        ("sms", "customer", "request_received"),
        ("mail", "shop", "held"),
        ("sms", "customer", "payment_link"),
        ("sms", "customer", "confirmed"),
        ("mail", "shop", "booked"),
        ("sms", "customer", "reminder"),
    ]
    timeline = scene.timeline(stage, reservation)
    assert [one.number for one in timeline] == list(range(1, len(timeline) + 1))
    again = [*machine.replay((one.at, EVENT_ADAPTER.validate_python(one.event)) for one in timeline)]
    assert again[-1][2].case == scene.case(stage, reservation), "the timeline says how it came about"
    assert [outcome.case.state.value for _, _, outcome in again] == [one.state for one in timeline]


def test_a_call_goes_out_with_all_that_is_said(stage: Session) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)

    call = scene.call(stage, reservation)
    [message] = sent(stage, "voice")
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


def test_the_page_to_pay_on_leads_back_here_and_outlives_every_try_of_the_sms(stage: Session) -> None:
    reservation = scene.held(stage)

    [checkout] = sent(stage, "payments")
    assert checkout.payload["do"] == "checkout"
    assert (checkout.payload["reference"], checkout.payload["amount"]) == (reservation.code, 5500)
    assert checkout.payload["expires_in_seconds"] == 2700
    back = checkout.payload["cancel_url"]
    assert checkout.payload["success_url"] == f"{back}/done"
    assert stage.scalars(select(Payment)).one().number == 1
    link = sent(stage, "sms")[-1]
    assert link.payload["validity_seconds"] == 600
    assert link.expires_at == app_now(stage) + timedelta(minutes=30)


def test_what_changes_nothing_is_kept_with_the_reason(stage: Session) -> None:
    reservation = scene.ask(stage)
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


def test_what_a_person_does_is_audited_and_refused_when_they_look_at_old_things(stage: Session) -> None:
    olga = people.actor(stage, "olga", reservations="operator")
    reservation = scene.confirmed(stage)
    seen = reservation.version

    cancel = e.CancelAsked(by="operator")
    actions.record_event(
        stage, reservation.id, cancel, source="operator", by=olga, note="ご本人の希望", expect_version=seen
    )
    with pytest.raises(Stale) as stale:
        actions.record_event(stage, reservation.id, cancel, source="operator", by=olga, expect_version=seen)

    assert "今は「返金処理中」" in stale.value.detail
    assert stale.value.current == {"version": seen + 1, "state": "返金処理中"}
    [entry] = stage.scalars(select(AuditEntry).where(AuditEntry.subject == "reservation")).all()
    assert (entry.action, entry.actor, entry.before) == ("cancel", "olga", {"state": "予約確定"})
    assert entry.after == {"state": "返金処理中", "event": "キャンセルの依頼を受けました"}
    last = scene.timeline(stage, reservation)[-1]
    assert (last.by, last.user_id, last.note) == ("olga さん", olga.user_id, "ご本人の希望")


def test_what_is_not_there_cannot_happen(stage: Session) -> None:
    with pytest.raises(NotFound):
        actions.record_event(stage, 10**9, e.Disputed(), source="stripe")


def test_money_goes_back_once_and_the_shop_hears_of_it(stage: Session) -> None:
    reservation = scene.confirmed(stage)

    for _ in range(2):
        actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    [refund] = stage.scalars(select(Refund)).all()
    assert (refund.intent, refund.amount, refund.status) == (f"pi_{reservation.code}", 5500, "planned")
    [message] = [one for one in sent(stage, "payments") if one.payload["do"] == "refund"]
    assert message.payload["payment_intent"] == refund.intent
    assert "予約キャンセルのお知らせ" in sent(stage, "mail")[-1].title


def test_a_customer_who_cancels_while_the_shop_is_called_has_the_call_ended(stage: Session) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)
    call = scene.call(stage, reservation)
    call.external_id = "call_1"
    stage.flush()

    actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    stage.refresh(call)
    assert not call.is_active
    assert sent(stage, "voice")[-1].payload == {"do": "stop", "call_id": "call_1", "number": 1}
    # The shop says yes all the same: it learns that nobody comes, and nobody is asked to pay.
    yes = e.CallEnded(number=1, shop=call.shop_id, answer=Answer.OK)
    actions.record_event(stage, reservation.id, yes, source="bland")
    assert reservation.state == "cancelled"
    assert "仮予約キャンセルのお知らせ" in sent(stage, "mail")[-1].title
    assert sent(stage, "payments") == []


def test_a_call_that_nobody_has_begun_to_place_is_not_placed_any_more(stage: Session) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)

    actions.record_event(stage, reservation.id, e.CancelAsked(by="customer"), source="customer")

    [message] = sent(stage, "voice")
    stage.refresh(message)
    assert message.discarded_at is not None


def test_nobody_is_reminded_of_what_was_cancelled(stage: Session) -> None:
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


def test_who_has_no_number_for_sms_but_a_mail_address_is_written_to(stage: Session) -> None:
    reservation = scene.held(stage, mail="aoki@example.com")
    actions.record_event(stage, reservation.id, e.SmsFailed(purpose="payment_link"), source="twilio")
    before = len(sent(stage, "sms"))

    actions.record_event(stage, reservation.id, e.CheckoutRetried(by_mail=True), source="operator")
    number = scene.case(stage, reservation).checkouts
    actions.record_event(stage, reservation.id, e.CheckoutReady(number=number, session="cs_2"), source="stripe")
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10, by_mail=True), source="system")
    scene.pay(stage, reservation)

    assert reservation.state == "confirmed"
    assert len(sent(stage, "sms")) == before
    told = stage.scalars(select(Message).where(Message.recipient == "customer").order_by(Message.id)).all()
    assert [(one.channel, one.purpose) for one in told[-2:]] == [("mail", "payment_link"), ("mail", "confirmed")]


def test_a_shop_without_an_address_is_left_to_people_and_the_timeline_says_so(stage: Session) -> None:
    scene.shop(stage, "S001").mail = ""
    reservation = scene.held(stage)
    unlisted = scene.ask(stage)
    actions.record_event(stage, unlisted.id, e.ShopOk(shop=None, note="花の店 山田 03-9999-0000"), source="operator")

    [held] = [one for one in scene.timeline(stage, reservation) if one.kind == "call_ended"]
    assert "フラワー銀座のメールアドレスがないため" in held.note
    assert unlisted.shop_note == "花の店 山田 03-9999-0000"
    assert "花の店 山田 03-9999-0000のメールアドレスがないため" in scene.timeline(stage, unlisted)[-1].note


def test_tasks_come_and_go_with_what_happens(stage: Session) -> None:
    reservation = scene.ask(stage)
    scene.pass_time(stage)
    scene.shop_says(stage, reservation, Answer.VAGUE)
    [task] = stage.scalars(select(Operation)).all()
    assert (task.kind, task.resolved_at) == ("vague_answer", None)
    # Opened on a Wednesday at ten: an hour of business time.
    assert task.due_at == datetime(2031, 1, 8, 11, 0, tzinfo=TOKYO)
    assert task.warn_at == datetime(2031, 1, 8, 10, 45, tzinfo=TOKYO)

    actions.record_event(stage, reservation.id, e.ShopRefused(), source="operator")

    stage.refresh(task)
    assert task.resolved_by == "システム"
    scene.pass_time(stage)
    assert scene.call(stage, reservation).shop_id == scene.shop(stage, "S002").id


def test_a_list_that_is_edited_in_the_middle_of_a_round_does_not_shift_it(stage: Session) -> None:
    first, second = scene.shop(stage, "S001"), scene.shop(stage, "S002")
    reservation = scene.ask(stage)
    scene.pass_time(stage)
    stage.execute(update(ShopService).where(ShopService.shop_id == first.id).values(position=99))
    stage.add(ShopService(shop_id=scene.shop(stage, "S003").id, service_id=reservation.service_id, position=0))
    stage.flush()

    called = []
    while reservation.state != "all_shops_refused":
        called.append(scene.shop_says(stage, reservation, Answer.NO_ANSWER).shop_id)
        scene.pass_time(stage, timedelta(minutes=5))

    assert called == [first.id, second.id, first.id, second.id]


def test_shops_are_called_when_they_answer_and_not_otherwise(stage: Session) -> None:
    first, second = scene.shop(stage, "S001"), scene.shop(stage, "S002")
    first.closed_weekdays, second.blacklisted_at = [3], None
    reservation = scene.ask(stage)
    second.blacklisted_at = app_now(stage)
    stage.flush()
    scene.pass_time(stage)

    # Wednesday is the first one's day off; the second was put out of use after the order had been made.
    assert [one.kind for one in scene.timeline(stage, reservation)] == ["requested", "shop_skipped", "shops_closed"]
    assert reservation.next_action_at == datetime(2031, 1, 9, 9, 0, tzinfo=TOKYO)
    scene.set_clock(stage, datetime(2031, 1, 9, 8, 59, 59, tzinfo=TOKYO))
    assert actions.advance_due(stage) == 0
    scene.set_clock(stage, datetime(2031, 1, 9, 9, 0, 0, tzinfo=TOKYO))
    assert actions.advance_due(stage) == 1
    assert scene.call(stage, reservation).shop_id == first.id


def test_a_line_that_is_busy_with_another_reservation_is_tried_a_little_later(stage: Session) -> None:
    scene.shop(stage, "S002").blacklisted_at = app_now(stage)
    stage.flush()
    one, other = scene.ask(stage), scene.ask(stage)

    scene.pass_time(stage)

    assert scene.call(stage, one).phone == "+81312340001"
    assert other.state == "calling"
    assert other.next_action_at == app_now(stage) + timedelta(seconds=15)
    scene.shop_says(stage, one, Answer.REFUSED)
    scene.pass_time(stage, timedelta(seconds=15))
    assert scene.call(stage, other).phone == "+81312340001"


def test_the_database_itself_allows_one_active_call_for_a_reservation_and_for_a_line(stage: Session) -> None:
    one, other = scene.ask(stage), scene.ask(stage)
    scene.pass_time(stage)
    call, elsewhere = scene.call(stage, one), scene.call(stage, other)

    def call_as_well(reservation: Reservation, phone: str) -> None:
        values = {"number": 7, "round": 1, "shop_id": call.shop_id, "phone": phone}
        with stage.begin_nested():
            stage.execute(insert(PhoneCall).values(reservation_id=reservation.id, **values))

    with pytest.raises(IntegrityError, match="uq_reservations_calls_active"):
        call_as_well(one, "+81399990000")
    elsewhere.is_active = False
    stage.flush()
    with pytest.raises(IntegrityError, match="uq_reservations_calls_line"):
        call_as_well(other, call.phone)


def test_one_that_cannot_be_moved_on_does_not_hold_up_the_others(
    stage: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = scene.ask(stage), scene.ask(stage)
    real = queries.phone_lines

    def fails(db: Session, reservation_id: int, shops: tuple[int, ...]) -> object:
        if reservation_id == broken.id:
            raise RuntimeError("a row that nobody expected")
        return real(db, reservation_id, shops)

    monkeypatch.setattr(queries, "phone_lines", fails)
    scene.pass_time(stage)

    assert (broken.state, sound.state) == ("requested", "calling")
    assert broken.next_action_at == app_now(stage) + timedelta(minutes=1)
    monkeypatch.undo()
    scene.pass_time(stage, timedelta(minutes=1))
    assert broken.state == "calling"


def test_two_steps_at_once_call_a_shop_once(several: Engine) -> None:
    with Session(several) as db, db.begin():
        made = scene.ask(db).id
    together = threading.Barrier(8)

    def step(_: int) -> int:
        with Session(several) as db, db.begin():
            together.wait()
            return actions.advance_due(db, 10)

    with ThreadPoolExecutor(8) as crowd:
        moved = list(crowd.map(step, range(8)))

    with Session(several) as db:
        assert sum(moved) == 1
        assert db.scalars(select(PhoneCall.reservation_id)).all() == [made]
        assert db.scalar(select(func.count()).where(OutboxMessage.topic == "voice")) == 1


def test_two_reservations_that_want_one_line_at_once_get_it_one_after_the_other(several: Engine) -> None:
    with Session(several) as db, db.begin():
        scene.shop(db, "S002").blacklisted_at = app_now(db)
        db.flush()
        for _ in range(6):
            scene.ask(db)
    together = threading.Barrier(6)

    def step(_: int) -> None:
        with Session(several) as db, db.begin():
            together.wait()
            actions.advance_due(db, 1)

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(step, range(6)))

    with Session(several) as db:
        assert db.scalar(select(func.count()).where(PhoneCall.is_active)) == 1
        assert db.scalars(select(Reservation.state).distinct()).all() == ["calling"]
        failed = select(func.count()).where(TimelineEvent.ignored.is_not(None))
        assert db.scalar(failed) == 0


def test_two_who_cancel_at_once_get_one_refund(several: Engine) -> None:
    with Session(several) as db, db.begin():
        made = scene.confirmed(db).id
    together = threading.Barrier(6)

    def cancel(_: int) -> bool:
        with Session(several) as db, db.begin():
            together.wait()
            outcome = actions.record_event(db, made, e.CancelAsked(by="customer"), source="customer")
            return outcome.ignored is None

    with ThreadPoolExecutor(6) as crowd:
        assert sum(crowd.map(cancel, range(6))) == 1

    with Session(several) as db:
        assert db.scalar(select(func.count()).select_from(Refund)) == 1
        numbers = db.scalars(select(TimelineEvent.number).order_by(TimelineEvent.number)).all()
        assert numbers == list(range(1, len(numbers) + 1))
        assert db.get_one(Reservation, made).state == State.REFUND_PENDING
