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
from tests.jobs.reservation_scenario import FIRST, SECOND, Scenario
from tests.waiting import wait_for


def test_a_request_becomes_a_confirmed_reservation_and_each_vendor_did_each_thing_once(scenario: Scenario) -> None:
    scenario.request_reservation(mail="hanako@customer.test").confirm().run_until_idle()

    assert scenario.state is State.CONFIRMED
    assert scenario.events() == ["requested", "call_placed", "call_ended", "checkout_ready", "link_sent", "paid"]
    [call] = scenario.sandbox.calls()
    assert (call["to"], call["overlapped"]) == (FIRST, False)
    [session] = scenario.sandbox.sessions()
    assert (session["status"], session["amount_total"]) == ("complete", 5500)
    assert scenario.sandbox.refunds() == []
    texts = [sms["body"] for sms in scenario.sandbox.sms()]
    assert len(texts) == 3
    assert [message.status for message in scenario.messages()] == ["delivered"] * 3
    assert all(webhook.outcome for webhook in scenario.webhooks())
    assert scenario.tasks() == []
    reservation = scenario.reservation
    assert (reservation.paid, reservation.shop_id is not None) == (5500, True)


def test_a_yes_is_stored_with_its_transcript_and_the_deciding_sentence(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "staff": "高橋"}, phone=FIRST)

    scenario.request_reservation().await_link()

    [call] = scenario.calls()
    assert (call.answer, call.read_answer, call.is_active, call.look_at) == ("ok", "ok", False, None)
    assert call.reading is not None
    assert call.transcript is not None
    assert call.reading["staff"] == "高橋"
    assert call.transcript[call.reading["line"]] == {"is_shop": True, "text": call.reading["quote"]}
    assert (call.external_id, call.placed_at is not None, call.seconds is not None) == (
        scenario.sandbox.calls()[0]["call_id"],
        True,
        True,
    )


def test_a_shop_that_refuses_is_followed_by_the_next(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", "refused", phone=FIRST)

    scenario.request_reservation().await_link()

    assert [call["to"] for call in scenario.sandbox.calls()] == [FIRST, SECOND]
    assert [call.answer for call in scenario.calls()] == ["refused", "ok"]
    assert scenario.tasks(is_open=False) == []


def test_an_unanswered_call_uses_up_a_turn_and_the_second_round_begins_after_a_pause(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", "voicemail", phone=FIRST)
    scenario.sandbox.script("shop", "busy", phone=SECOND)

    scenario.request_reservation().run_until(
        lambda: [call.answer for call in scenario.calls()] == ["voicemail", "busy"]
    )
    scenario.run_until_idle()
    assert len(scenario.sandbox.calls()) == 2
    scenario.pass_time(timedelta(minutes=5)).await_link()

    assert [(call["to"], call["overlapped"]) for call in scenario.sandbox.calls()] == [
        (FIRST, False),
        (SECOND, False),
        (FIRST, False),
    ]
    assert [(call.round, call.answer) for call in scenario.calls()] == [(1, "voicemail"), (1, "busy"), (2, "ok")]


def test_two_rounds_end_after_two_calls_to_each_shop_and_customer_and_staff_are_notified_once(
    scenario: Scenario,
) -> None:
    scenario.sandbox.script("shop", then="refused")

    scenario.request_reservation().run_until(
        lambda: [call.answer for call in scenario.calls()] == ["refused", "refused"]
    )
    scenario.pass_time(timedelta(minutes=5)).run_until_state(State.ALL_SHOPS_REFUSED).run_until_idle()

    assert [call["to"] for call in scenario.sandbox.calls()] == [FIRST, SECOND, FIRST, SECOND]
    assert len(scenario.sent_sms("現在、予約できませんでした")) == 1
    assert scenario.tasks() == ["all_shops_refused"]
    code = scenario.reservation.code
    assert [post["text"] for post in scenario.sandbox.posts()] == [f"予約ID: {code} が全店NG"]
    assert scenario.sandbox.sessions() == []


@pytest.mark.parametrize("answer", ["vague", "ok_without_name"])
def test_an_answer_that_is_no_clear_yes_waits_for_staff(scenario: Scenario, answer: str) -> None:
    scenario.sandbox.script("shop", answer, phone=FIRST)

    scenario.request_reservation().run_until_state(State.PENDING_SHOP_RESPONSE).run_until_idle()

    assert len(scenario.sandbox.calls()) == 1
    assert scenario.sandbox.sessions() == []
    assert scenario.tasks() == ["vague_answer"]
    code = scenario.reservation.code
    assert [post["text"] for post in scenario.sandbox.posts()] == [f"予約ID: {code} が曖昧な回答"]
    scenario.record_event(e.ShopOk(shop=scenario.calls()[0].shop_id), source="operator")
    scenario.confirm()
    assert (scenario.tasks(), len(scenario.sandbox.calls())) == ([], 1)


def test_a_change_that_a_shop_wants_waits_for_staff(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "change_time", "time": "15:00"}, phone=FIRST)

    scenario.request_reservation().run_until_state(State.CHANGE_REQUESTED).run_until_idle()

    [call] = scenario.calls()
    assert call.reading is not None
    assert call.reading["change"] == "開始時間を15時に変更"
    assert scenario.tasks() == ["change_requested"]
    assert [operation.detail for operation in scenario.rows(Operation)] == [
        "店舗が変更を求めました。開始時間を15時に変更。"
    ]
    assert scenario.sandbox.sessions() == []
    scenario.record_event(e.ChangeRefused(), source="operator")
    scenario.await_link()
    assert [call["to"] for call in scenario.sandbox.calls()] == [FIRST, SECOND]


def test_a_shop_that_hangs_up_before_it_answers_is_followed_by_the_next(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", "hang_up", phone=FIRST)

    scenario.request_reservation().await_link()

    assert [call.answer for call in scenario.calls()] == ["no_result", "ok"]


def run_until_call_is_on(scenario: Scenario) -> None:
    def is_on() -> bool:
        statuses = [call["status"] for call in scenario.sandbox.calls()]
        return statuses == ["in-progress"] and scenario.calls()[0].placed_at is not None

    scenario.run_until(is_on)


def test_a_cancellation_during_a_call_ends_the_call_and_sends_no_link(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=FIRST)
    scenario.request_reservation()
    run_until_call_is_on(scenario)

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_idle()

    assert scenario.state is State.CANCELLED
    assert len(scenario.sandbox.truth("bland", "calls.stop")) == 1
    assert [call["status"] for call in scenario.sandbox.calls()] == ["completed"]
    assert scenario.sandbox.sessions() == []
    assert [message.purpose for message in scenario.messages()] == ["request_received", "cancelled"]


def test_a_yes_that_comes_after_the_customer_cancelled_is_taken_back_at_the_shop(scenario: Scenario) -> None:
    """The shop said yes and hung up before the call could be ended."""
    scenario.sandbox.fault("bland", "drop", operation="webhook")
    scenario.request_reservation().run_until(
        lambda: [call["status"] for call in scenario.sandbox.calls()] == ["completed"]
    )

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.pass_time(timedelta(minutes=1)).run_until(lambda: scenario.calls()[0].read_answer == "ok")
    scenario.run_until_idle()

    assert scenario.state is State.CANCELLED
    assert scenario.sandbox.sessions() == []
    assert [message.purpose for message in scenario.messages("mail") if message.recipient == "shop"] == ["released"]
    assert [message.address for message in scenario.messages("mail")] == ["ginza@flower.example"]


def test_a_call_that_was_not_placed_yet_is_never_placed_after_a_cancellation(scenario: Scenario) -> None:
    scenario.request_reservation()
    jobs.advance_reservations()

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_idle()

    assert scenario.sandbox.calls() == []
    assert scenario.state is State.CANCELLED


def test_a_call_that_is_being_placed_while_the_customer_cancels_is_ended_when_it_is_known(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=FIRST)
    scenario.sandbox.fault("bland", "late", operation="calls.create", seconds=2, count=1)
    scenario.request_reservation()
    jobs.advance_reservations()

    with scenario.sending("voice"):
        wait_for(scenario.sandbox.calls)
        scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_idle()

    assert len(scenario.sandbox.truth("bland", "calls.stop")) == 1
    assert [call["completed"] for call in scenario.sandbox.calls()] == [True]
    assert (scenario.state, scenario.sandbox.sessions()) == (State.CANCELLED, [])


def give_up_on_first_shop(scenario: Scenario) -> None:
    """The first shop's yes is at the vendor, but its webhook is lost and the call is not polled for now."""
    scenario.sandbox.fault("bland", "drop", operation="webhook", count=1)
    scenario.request_reservation()
    jobs.advance_reservations()
    scenario.send("voice")
    wait_for(lambda: [call["status"] for call in scenario.sandbox.calls()] == ["completed"])
    poll_first_call_at(scenario, None)
    scenario.pass_time(timedelta(minutes=15)).run_until(
        lambda: len(scenario.calls()) == 2 and scenario.calls()[1].placed_at
    )
    assert scenario.calls()[0].answer == "no_result"


def poll_first_call_at(scenario: Scenario, at: datetime | None) -> None:
    with transaction(SYSTEM) as db:
        db.execute(update(PhoneCall).where(PhoneCall.number == 1).values(look_at=at))


def test_a_late_yes_wins_while_no_other_shop_has_said_so_and_the_call_after_it_is_ended(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", {"kind": "ok", "seconds": 200}, phone=SECOND)
    give_up_on_first_shop(scenario)

    poll_first_call_at(scenario, real_now())
    scenario.await_link().run_until_idle()

    assert scenario.reservation.shop_id == scenario.calls()[0].shop_id
    assert len(scenario.sandbox.truth("bland", "calls.stop")) == 1
    assert len(scenario.sandbox.sessions()) == 1
    assert len(scenario.sandbox.calls()) == 2


def test_a_late_yes_after_another_shops_is_taken_back_and_staff_are_notified(scenario: Scenario) -> None:
    give_up_on_first_shop(scenario)
    scenario.await_link()

    poll_first_call_at(scenario, real_now())
    scenario.run_until(lambda: scenario.calls()[0].read_answer == "ok")
    scenario.run_until_idle()

    assert scenario.reservation.shop_id == scenario.calls()[1].shop_id
    assert scenario.tasks() == ["second_ok"]
    assert [message.address for message in scenario.messages("mail") if message.purpose == "released"] == [
        "ginza@flower.example"
    ]
    assert len(scenario.sandbox.sessions()) == 1


def test_a_call_whose_webhook_never_comes_is_found_by_polling(scenario: Scenario) -> None:
    scenario.sandbox.fault("bland", "drop", operation="webhook")
    scenario.request_reservation().run_until(
        lambda: [call["status"] for call in scenario.sandbox.calls()] == ["completed"]
    )

    scenario.pass_time(timedelta(seconds=30)).await_link()

    assert scenario.webhooks("bland") == []
    assert [call.answer for call in scenario.calls()] == ["ok"]


def test_a_call_that_ends_before_its_id_is_known_is_matched_by_our_own_key(scenario: Scenario) -> None:
    """The webhook arrives before the answer to the request that placed the call."""
    scenario.sandbox.fault("bland", "late", operation="calls.create", seconds=3, count=1)
    scenario.request_reservation()
    jobs.advance_reservations()

    with scenario.sending("voice"):
        wait_for(lambda: scenario.webhooks("bland"))
        jobs.read_webhooks()
        assert scenario.calls()[0].external_id == scenario.sandbox.calls()[0]["call_id"]
    scenario.await_link()

    assert [call.answer for call in scenario.calls()] == ["ok"]
    assert len(scenario.sandbox.calls()) == 1


def test_the_order_of_shops_is_that_of_the_request_whatever_becomes_of_the_list(scenario: Scenario) -> None:
    scenario.sandbox.script("shop", then="refused")
    scenario.request_reservation().run_until(lambda: [call.answer for call in scenario.calls()] == ["refused"])

    with transaction(SYSTEM) as db:
        scene.shop(db, "S001").blacklisted_at = scene.shop(db, "S001").created_at
        db.execute(update(ShopService).values(position=ShopService.position * -1))
    try:
        scenario.run_until(lambda: [call.answer for call in scenario.calls()] == ["refused", "refused"])
        scenario.pass_time(timedelta(minutes=5)).run_until_state(State.ALL_SHOPS_REFUSED)
    finally:
        with transaction(SYSTEM) as db:
            scene.shop(db, "S001").blacklisted_at = None
            db.execute(update(ShopService).values(position=ShopService.position * -1))

    # The blacklisted shop is skipped in its turn.
    assert [call["to"] for call in scenario.sandbox.calls()] == [FIRST, SECOND, SECOND]
    assert scenario.events().count("shop_skipped") == 1


def test_a_request_that_no_shop_offers_goes_to_staff_at_once(scenario: Scenario) -> None:
    with transaction(SYSTEM) as db:
        for code in ("S001", "S002"):
            scene.shop(db, code).archived_at = scene.shop(db, code).created_at
    try:
        scenario.request_reservation().run_until_state(State.ALL_SHOPS_REFUSED).run_until_idle()
    finally:
        with transaction(SYSTEM) as db:
            for code in ("S001", "S002"):
                scene.shop(db, code).archived_at = None

    assert (scenario.sandbox.calls(), scenario.tasks()) == ([], ["all_shops_refused"])
    assert len(scenario.sent_sms("現在、予約できませんでした")) == 1


def test_a_call_that_could_not_be_placed_in_time_is_never_placed(scenario: Scenario) -> None:
    """The vendor was down until it was the next shop's turn."""
    outage = scenario.sandbox.fault("bland", "error", operation="calls.create", status=503)
    scenario.request_reservation()
    jobs.advance_reservations()
    scenario.send("voice")
    scenario.pass_time(timedelta(minutes=16)).run_jobs()
    assert [call.answer for call in scenario.calls()] == ["no_result", None]

    scenario.sandbox.switch_off(outage)
    scenario.pass_time(timedelta(minutes=1)).await_link()

    assert [call["to"] for call in scenario.sandbox.calls()] == [SECOND]
    assert scenario.sandbox.truth("bland", "calls.stop") == []
