"""A reservation from the request to its end, with every vendor: each step happens there, and only once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from jobs import reservations as jobs
from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.reservations.models import ShopService
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import PhoneCall
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State
from tests.api.reservations import scene
from tests.jobs.reservations_world import FIRST, SECOND, World
from tests.waiting import wait_for


def test_a_request_becomes_a_confirmed_reservation_and_each_vendor_did_each_thing_once(world: World) -> None:
    world.request_reservation(mail="hanako@customer.test").confirm().run_until_idle()

    assert world.state is State.CONFIRMED
    assert world.events() == ["requested", "call_placed", "call_ended", "checkout_ready", "link_sent", "paid"]
    [call] = world.sandbox.calls()
    assert (call["to"], call["overlapped"]) == (FIRST, False)
    [session] = world.sandbox.sessions()
    assert (session["status"], session["amount_total"]) == ("complete", 5500)
    assert world.sandbox.refunds() == []
    texts = [sms["body"] for sms in world.sandbox.sms()]
    assert len(texts) == 3
    assert [message.status for message in world.messages()] == ["delivered"] * 3
    assert all(webhook.outcome for webhook in world.webhooks())
    assert world.tasks() == []
    reservation = world.reservation
    assert (reservation.paid, reservation.shop_id is not None) == (5500, True)


def test_a_yes_is_stored_with_its_transcript_and_the_deciding_sentence(world: World) -> None:
    world.sandbox.script("shop", {"kind": "ok", "staff": "高橋"}, phone=FIRST)

    world.request_reservation().await_link()

    [call] = world.calls()
    assert (call.answer, call.read_answer, call.is_active, call.look_at) == ("ok", "ok", False, None)
    assert call.reading is not None
    assert call.transcript is not None
    assert call.reading["staff"] == "高橋"
    assert call.transcript[call.reading["line"]] == {"is_shop": True, "text": call.reading["quote"]}
    assert (call.external_id, call.placed_at is not None, call.seconds is not None) == (
        world.sandbox.calls()[0]["call_id"],
        True,
        True,
    )


def test_a_shop_that_refuses_is_followed_by_the_next(world: World) -> None:
    world.sandbox.script("shop", "refused", phone=FIRST)

    world.request_reservation().await_link()

    assert [call["to"] for call in world.sandbox.calls()] == [FIRST, SECOND]
    assert [call.answer for call in world.calls()] == ["refused", "ok"]
    assert world.tasks(is_open=False) == []


def test_an_unanswered_call_uses_up_a_turn_and_the_second_round_begins_after_a_pause(world: World) -> None:
    world.sandbox.script("shop", "voicemail", phone=FIRST)
    world.sandbox.script("shop", "busy", phone=SECOND)

    world.request_reservation().run_until(lambda: [call.answer for call in world.calls()] == ["voicemail", "busy"])
    world.run_until_idle()
    assert len(world.sandbox.calls()) == 2
    world.pass_time(timedelta(minutes=5)).await_link()

    assert [(call["to"], call["overlapped"]) for call in world.sandbox.calls()] == [
        (FIRST, False),
        (SECOND, False),
        (FIRST, False),
    ]
    assert [(call.round, call.answer) for call in world.calls()] == [(1, "voicemail"), (1, "busy"), (2, "ok")]


def test_two_rounds_end_after_two_calls_to_each_shop_and_customer_and_staff_are_notified_once(world: World) -> None:
    world.sandbox.script("shop", then="refused")

    world.request_reservation().run_until(lambda: [call.answer for call in world.calls()] == ["refused", "refused"])
    world.pass_time(timedelta(minutes=5)).run_until_state(State.ALL_SHOPS_REFUSED).run_until_idle()

    assert [call["to"] for call in world.sandbox.calls()] == [FIRST, SECOND, FIRST, SECOND]
    assert len(world.sent_sms("現在、予約できませんでした")) == 1
    assert world.tasks() == ["all_shops_refused"]
    code = world.reservation.code
    assert [post["text"] for post in world.sandbox.posts()] == [f"予約ID: {code} が全店NG"]
    assert world.sandbox.sessions() == []


@pytest.mark.parametrize("answer", ["vague", "ok_without_name"])
def test_an_answer_that_is_no_clear_yes_waits_for_staff(world: World, answer: str) -> None:
    world.sandbox.script("shop", answer, phone=FIRST)

    world.request_reservation().run_until_state(State.PENDING_SHOP_RESPONSE).run_until_idle()

    assert len(world.sandbox.calls()) == 1
    assert world.sandbox.sessions() == []
    assert world.tasks() == ["vague_answer"]
    code = world.reservation.code
    assert [post["text"] for post in world.sandbox.posts()] == [f"予約ID: {code} が曖昧な回答"]
    world.record_event(e.ShopOk(shop=world.calls()[0].shop_id), source="operator")
    world.confirm()
    assert (world.tasks(), len(world.sandbox.calls())) == ([], 1)


def test_a_change_that_a_shop_wants_waits_for_staff(world: World) -> None:
    world.sandbox.script("shop", {"kind": "change_time", "time": "15:00"}, phone=FIRST)

    world.request_reservation().run_until_state(State.CHANGE_REQUESTED).run_until_idle()

    [call] = world.calls()
    assert call.reading is not None
    assert call.reading["change"] == "開始時間を15時に変更"
    assert world.tasks() == ["change_requested"]
    assert [operation.detail for operation in world.rows(Operation)] == [
        "店舗が変更を求めました。開始時間を15時に変更。"
    ]
    assert world.sandbox.sessions() == []
    world.record_event(e.ChangeRefused(), source="operator")
    world.await_link()
    assert [call["to"] for call in world.sandbox.calls()] == [FIRST, SECOND]


def test_a_shop_that_hangs_up_before_it_answers_is_followed_by_the_next(world: World) -> None:
    world.sandbox.script("shop", "hang_up", phone=FIRST)

    world.request_reservation().await_link()

    assert [call.answer for call in world.calls()] == ["no_result", "ok"]


def run_until_call_is_on(world: World) -> None:
    def is_on() -> bool:
        statuses = [call["status"] for call in world.sandbox.calls()]
        return statuses == ["in-progress"] and world.calls()[0].placed_at is not None

    world.run_until(is_on)


def test_a_cancellation_during_a_call_ends_the_call_and_sends_no_link(world: World) -> None:
    world.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=FIRST)
    world.request_reservation()
    run_until_call_is_on(world)

    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_idle()

    assert world.state is State.CANCELLED
    assert len(world.sandbox.truth("bland", "calls.stop")) == 1
    assert [call["status"] for call in world.sandbox.calls()] == ["completed"]
    assert world.sandbox.sessions() == []
    assert [message.purpose for message in world.messages()] == ["request_received", "cancelled"]


def test_a_yes_that_comes_after_the_customer_cancelled_is_taken_back_at_the_shop(world: World) -> None:
    """The shop said yes and hung up before the call could be ended."""
    world.sandbox.fault("bland", "drop", operation="webhook")
    world.request_reservation().run_until(lambda: [call["status"] for call in world.sandbox.calls()] == ["completed"])

    world.record_event(e.CancelAsked(by="customer"))
    world.pass_time(timedelta(minutes=1)).run_until(lambda: world.calls()[0].read_answer == "ok")
    world.run_until_idle()

    assert world.state is State.CANCELLED
    assert world.sandbox.sessions() == []
    assert [message.purpose for message in world.messages("mail") if message.recipient == "shop"] == ["released"]
    assert [message.address for message in world.messages("mail")] == ["ginza@flower.example"]


def test_a_call_that_was_not_placed_yet_is_never_placed_after_a_cancellation(world: World) -> None:
    world.request_reservation()
    jobs.advance_reservations()

    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_idle()

    assert world.sandbox.calls() == []
    assert world.state is State.CANCELLED


def test_a_call_that_is_being_placed_while_the_customer_cancels_is_ended_when_it_is_known(world: World) -> None:
    world.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=FIRST)
    world.sandbox.fault("bland", "late", operation="calls.create", seconds=2, count=1)
    world.request_reservation()
    jobs.advance_reservations()

    with world.sending("voice"):
        wait_for(world.sandbox.calls)
        world.record_event(e.CancelAsked(by="customer"))
    world.run_until_idle()

    assert len(world.sandbox.truth("bland", "calls.stop")) == 1
    assert [call["completed"] for call in world.sandbox.calls()] == [True]
    assert (world.state, world.sandbox.sessions()) == (State.CANCELLED, [])


def give_up_on_first_shop(world: World) -> None:
    """The first shop's yes is at the vendor, but its webhook is lost and the call is not polled for now."""
    world.sandbox.fault("bland", "drop", operation="webhook", count=1)
    world.request_reservation()
    jobs.advance_reservations()
    world.send("voice")
    wait_for(lambda: [call["status"] for call in world.sandbox.calls()] == ["completed"])
    poll_first_call_at(world, None)
    world.pass_time(timedelta(minutes=15)).run_until(lambda: len(world.calls()) == 2 and world.calls()[1].placed_at)
    assert world.calls()[0].answer == "no_result"


def poll_first_call_at(world: World, at: datetime | None) -> None:
    with transaction(SYSTEM) as db:
        db.execute(update(PhoneCall).where(PhoneCall.number == 1).values(look_at=at))


def test_a_late_yes_wins_while_no_other_shop_has_said_so_and_the_call_after_it_is_ended(world: World) -> None:
    world.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=SECOND)
    give_up_on_first_shop(world)

    poll_first_call_at(world, real_now())
    world.await_link().run_until_idle()

    assert world.reservation.shop_id == world.calls()[0].shop_id
    assert len(world.sandbox.truth("bland", "calls.stop")) == 1
    assert len(world.sandbox.sessions()) == 1
    assert len(world.sandbox.calls()) == 2


def test_a_late_yes_after_another_shops_is_taken_back_and_staff_are_notified(world: World) -> None:
    give_up_on_first_shop(world)
    world.await_link()

    poll_first_call_at(world, real_now())
    world.run_until(lambda: world.calls()[0].read_answer == "ok")
    world.run_until_idle()

    assert world.reservation.shop_id == world.calls()[1].shop_id
    assert world.tasks() == ["second_ok"]
    assert [message.address for message in world.messages("mail") if message.purpose == "released"] == [
        "ginza@flower.example"
    ]
    assert len(world.sandbox.sessions()) == 1


def test_a_call_whose_webhook_never_comes_is_found_by_polling(world: World) -> None:
    world.sandbox.fault("bland", "drop", operation="webhook")
    world.request_reservation().run_until(lambda: [call["status"] for call in world.sandbox.calls()] == ["completed"])

    world.pass_time(timedelta(seconds=30)).await_link()

    assert world.webhooks("bland") == []
    assert [call.answer for call in world.calls()] == ["ok"]


def test_a_call_that_ends_before_its_id_is_known_is_matched_by_our_own_key(world: World) -> None:
    """The webhook arrives before the answer to the request that placed the call."""
    world.sandbox.fault("bland", "late", operation="calls.create", seconds=3, count=1)
    world.request_reservation()
    jobs.advance_reservations()

    with world.sending("voice"):
        wait_for(lambda: world.webhooks("bland"))
        jobs.read_webhooks()
        assert world.calls()[0].external_id == world.sandbox.calls()[0]["call_id"]
    world.await_link()

    assert [call.answer for call in world.calls()] == ["ok"]
    assert len(world.sandbox.calls()) == 1


def test_the_order_of_shops_is_that_of_the_request_whatever_becomes_of_the_list(world: World) -> None:
    world.sandbox.script("shop", then="refused")
    world.request_reservation().run_until(lambda: [call.answer for call in world.calls()] == ["refused"])

    with transaction(SYSTEM) as db:
        scene.shop(db, "S001").blacklisted_at = scene.shop(db, "S001").created_at
        db.execute(update(ShopService).values(position=ShopService.position * -1))
    try:
        world.run_until(lambda: [call.answer for call in world.calls()] == ["refused", "refused"])
        world.pass_time(timedelta(minutes=5)).run_until_state(State.ALL_SHOPS_REFUSED)
    finally:
        with transaction(SYSTEM) as db:
            scene.shop(db, "S001").blacklisted_at = None
            db.execute(update(ShopService).values(position=ShopService.position * -1))

    # The blacklisted shop is skipped in its turn.
    assert [call["to"] for call in world.sandbox.calls()] == [FIRST, SECOND, SECOND]
    assert world.events().count("shop_skipped") == 1


def test_a_request_that_no_shop_offers_goes_to_staff_at_once(world: World) -> None:
    with transaction(SYSTEM) as db:
        for code in ("S001", "S002"):
            scene.shop(db, code).archived_at = scene.shop(db, code).created_at
    try:
        world.request_reservation().run_until_state(State.ALL_SHOPS_REFUSED).run_until_idle()
    finally:
        with transaction(SYSTEM) as db:
            for code in ("S001", "S002"):
                scene.shop(db, code).archived_at = None

    assert (world.sandbox.calls(), world.tasks()) == ([], ["all_shops_refused"])
    assert len(world.sent_sms("現在、予約できませんでした")) == 1


def test_a_call_that_could_not_be_placed_in_time_is_never_placed(world: World) -> None:
    """The vendor was down until it was the next shop's turn."""
    outage = world.sandbox.fault("bland", "error", operation="calls.create", status=503)
    world.request_reservation()
    jobs.advance_reservations()
    world.send("voice")
    world.pass_time(timedelta(minutes=16)).run_jobs()
    assert [call.answer for call in world.calls()] == ["no_result", None]

    world.sandbox.switch_off(outage)
    world.pass_time(timedelta(minutes=1)).await_link()

    assert [call["to"] for call in world.sandbox.calls()] == [SECOND]
    assert world.sandbox.truth("bland", "calls.stop") == []
