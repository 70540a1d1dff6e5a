"""Ten minutes to pay; Stripe's session decides. In any order of payment, closing and webhooks, money and reservation
agree, and no refund is made twice."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs import reservations as jobs
from service.core.database.session import SYSTEM, transaction
from service.core.outbox.records import Claimed, OutboxMessage, Settled
from service.reservations.inbox.actions import process_next_webhook
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State
from service.reservations.vendor_events.payments import handle_payment_result
from tests.jobs.reservation_scenario import Scenario
from tests.waiting import wait_for

TEN, ONE = timedelta(minutes=10), timedelta(minutes=1)
TIMED_OUT = "決済期限が切れました。再度予約をお願いします"


def stripe_session(scenario: Scenario) -> dict[str, Any]:
    [session] = scenario.sandbox.sessions()
    return dict(session)


def check_timed_out(scenario: Scenario) -> None:
    """Nothing is paid; customer and shop were notified once."""
    scenario.run_until_idle()
    assert scenario.state is State.PAYMENT_TIMEOUT
    assert (stripe_session(scenario)["status"], scenario.payment().status) == ("expired", "expired")
    assert len(scenario.sent_sms(TIMED_OUT)) == 1
    assert [message.purpose for message in scenario.messages("mail") if message.recipient == "shop"] == [
        "held",
        "released",
    ]
    assert scenario.sandbox.refunds() == []
    assert scenario.tasks() == []


def check_confirmed(scenario: Scenario) -> None:
    """It is paid once and stays paid."""
    scenario.run_until_idle()
    assert scenario.state is State.CONFIRMED
    assert (stripe_session(scenario)["status"], scenario.payment().status) == ("complete", "paid")
    assert scenario.events().count("paid") == 1
    assert scenario.sent_sms(TIMED_OUT) == []
    assert [message.purpose for message in scenario.messages()].count("confirmed") == 1
    assert [message.purpose for message in scenario.messages("mail") if message.recipient == "shop"] == [
        "held",
        "booked",
    ]
    assert scenario.sandbox.refunds() == []
    assert scenario.tasks() == []


def check_refunded(scenario: Scenario, state: State = State.REFUNDED) -> None:
    """Stripe has refunded it, once."""
    scenario.run_until_idle()
    assert scenario.state is state
    [refund] = scenario.sandbox.refunds()
    assert (refund["amount"], refund["status"]) == (5500, "succeeded")
    assert [refund.status for refund in scenario.refunds()] == ["succeeded"]
    assert (
        len([entry for entry in scenario.sandbox.truth("stripe", "refunds.create") if entry["did"] != ["断った"]]) == 1
    )


def run_until_deadline(scenario: Scenario) -> None:
    """The deadline has passed; the request to Stripe to close the page is not sent yet."""
    scenario.request_reservation().await_link().pass_time(TEN)
    jobs.advance_reservations()
    assert scenario.state is State.EXPIRING


def run_until_shop_accepts(scenario: Scenario) -> None:
    """A shop has accepted; the request to Stripe for a payment page is not sent yet."""
    with pytest.MonkeyPatch.context() as patch:
        send = scenario.send
        patch.setattr(scenario, "send", lambda: send("sms", "voice", "mail"))
        scenario.run_until_state(State.CALLING_SUCCESS)
    assert scenario.is_due("payments")


def test_a_customer_who_does_not_pay_in_ten_minutes_times_out(scenario: Scenario) -> None:
    scenario.request_reservation().await_link().pass_time(TEN - timedelta(seconds=20)).run_until_idle()
    assert scenario.state is State.AWAITING_PAYMENT

    scenario.pass_time(timedelta(seconds=20)).run_until_state(State.PAYMENT_TIMEOUT)

    assert scenario.pay() | {"session": None} == {"paid": False, "reason": "expired", "session": None}
    check_timed_out(scenario)


def test_a_payment_after_the_deadline_and_before_the_page_is_closed_counts(scenario: Scenario) -> None:
    run_until_deadline(scenario)

    assert scenario.pay()["paid"]
    scenario.run_until_state(State.CONFIRMED)

    check_confirmed(scenario)


def test_a_payment_while_closing_is_known_from_stripes_answer_alone(scenario: Scenario) -> None:
    """No webhook comes: the answer to closing says that it is paid."""
    scenario.sandbox.fault("stripe", "drop", operation="webhook")
    run_until_deadline(scenario)

    scenario.pay()
    scenario.send("payments")

    check_confirmed(scenario)


def test_a_closed_page_cannot_be_paid(scenario: Scenario) -> None:
    run_until_deadline(scenario)
    scenario.send("payments")

    assert not scenario.pay()["paid"]
    check_timed_out(scenario)


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_lost_answer_to_closing_is_asked_for_again(
    scenario: Scenario, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No webhook comes, and the page is not polled."""
    scenario.sandbox.fault("stripe", "drop", operation="webhook")
    scenario.sandbox.fault("stripe", operation="sessions.expire", count=1, **fault)
    run_until_deadline(scenario)
    monkeypatch.setattr(jobs, "look", lambda: None)
    scenario.run_until_idle()
    assert (stripe_session(scenario)["status"], scenario.state) == ("expired", State.EXPIRING)

    scenario.pass_time(ONE).run_until_state(State.PAYMENT_TIMEOUT)

    check_timed_out(scenario)


def test_paying_and_closing_at_once_has_one_end(scenario: Scenario) -> None:
    states = set()
    for _ in range(3):
        run_until_deadline(scenario)
        paying = threading.Thread(target=scenario.pay)
        paying.start()
        scenario.send("payments")
        paying.join(20)
        scenario.run_until(lambda: scenario.state in (State.CONFIRMED, State.PAYMENT_TIMEOUT))
        scenario.run_until_idle()
        page = next(
            session for session in scenario.sandbox.sessions() if session["id"] == scenario.payment().session_id
        )
        assert (page["status"], scenario.state) in (
            ("complete", State.CONFIRMED),
            ("expired", State.PAYMENT_TIMEOUT),
        )
        states.add(scenario.state)
        assert scenario.sandbox.refunds() == []
    assert states


def test_repeated_stripe_events_change_nothing(scenario: Scenario) -> None:
    scenario.request_reservation().confirm()
    [completed] = scenario.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    paid = stripe_session(scenario)

    scenario.sandbox.send_again(completed["id"], times=2)
    scenario.post_stripe_event("checkout.session.completed", **paid)
    scenario.post_stripe_event("checkout.session.expired", **(paid | {"status": "expired", "payment_status": "unpaid"}))
    scenario.run_until(lambda: all(webhook.processed_at for webhook in scenario.webhooks()))

    check_confirmed(scenario)
    kinds = [webhook.kind for webhook in scenario.webhooks("stripe")]
    assert kinds.count("checkout.session.completed") == 2


def test_money_that_comes_after_the_reservation_was_closed_goes_back_once(scenario: Scenario) -> None:
    """Stripe reports the page as expired, and then a payment on it. This should not happen, but it may."""
    scenario.request_reservation().await_link()
    expired = stripe_session(scenario) | {"status": "expired"}
    scenario.post_stripe_event("checkout.session.expired", **expired)
    scenario.run_until_state(State.PAYMENT_TIMEOUT)

    assert scenario.pay()["paid"]
    scenario.run_until_idle()
    [completed] = scenario.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    scenario.sandbox.send_again(completed["id"], times=2)
    scenario.post_stripe_event("checkout.session.completed", **stripe_session(scenario))

    scenario.run_until_state(State.REFUNDED)
    check_refunded(scenario)
    assert scenario.tasks() == ["payment_trouble"]


def test_a_customer_who_cancels_in_time_gets_everything_back_once(scenario: Scenario) -> None:
    scenario.request_reservation().confirm()

    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_state(State.REFUNDED)

    check_refunded(scenario)
    assert scenario.reservation.refunded == 5500
    assert [message.purpose for message in scenario.messages()].count("cancelled") == 1


def test_a_refund_whose_webhook_never_comes_is_found_by_polling(scenario: Scenario) -> None:
    scenario.request_reservation().confirm()
    scenario.sandbox.fault("stripe", "drop", operation="webhook")
    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_idle()
    assert scenario.state is State.REFUND_PENDING

    scenario.pass_time(ONE).run_until_state(State.REFUNDED)

    check_refunded(scenario)


def test_a_refund_that_fails_after_its_success_opens_a_manual_task(scenario: Scenario) -> None:
    scenario.sandbox.script("refund", "fails_later")
    scenario.request_reservation().confirm()
    scenario.record_event(e.CancelAsked(by="customer"))

    scenario.run_until(lambda: scenario.tasks() == ["refund_failed"])

    assert scenario.state is State.REFUND_PENDING
    assert [(refund.status, refund.error) for refund in scenario.refunds()] == [
        ("failed", "カードが有効期限切れか、解約されています（expired_or_canceled_card）。")
    ]
    late = scenario.sandbox.refunds()[0] | {"status": "succeeded"}
    scenario.post_stripe_event("refund.updated", **late)
    scenario.run_until_idle()
    assert (scenario.state, scenario.tasks()) == (State.REFUND_PENDING, ["refund_failed"])


def test_money_that_comes_back_from_the_bank_weeks_later_is_found_by_asking(scenario: Scenario) -> None:
    """Stripe's webhook about it never comes."""
    scenario.sandbox.script("refund", {"kind": "fails_later", "seconds": 20 * 86_400})
    scenario.request_reservation().confirm()
    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_state(State.REFUNDED).run_until_idle()
    assert [refund.look_at is not None for refund in scenario.refunds()] == [True]
    scenario.sandbox.fault("stripe", "drop", operation="webhook")

    scenario.pass_time(timedelta(days=19)).run_until_idle()
    assert (scenario.state, scenario.tasks()) == (State.REFUNDED, [])
    scenario.pass_time(timedelta(days=2)).run_until(lambda: scenario.tasks() == ["refund_failed"])

    assert (scenario.state, scenario.reservation.refunded) == (State.REFUND_PENDING, 0)


OF_MESSAGE = (
    *("id", "key", "topic", "payload", "created_at", "tries"),
    *("expires_at", "area", "tenant_id", "subject", "subject_id"),
)


def test_a_refund_that_stripe_reported_stays_done_when_its_request_is_given_up(scenario: Scenario) -> None:
    """The answer of the first try was lost, Stripe's webhook came, and then the key was revoked."""
    scenario.request_reservation().confirm()
    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_state(State.REFUNDED).run_until_idle()
    with transaction(SYSTEM) as db:
        [request] = [row for row in db.scalars(select(OutboxMessage)) if row.payload.get("do") == "refund"]
        given_up = Claimed(
            **{field: getattr(request, field) for field in OF_MESSAGE},
            lease=uuid.uuid4(),
            attempt=2,
            in_doubt=False,
            insisted=False,
            expired=False,
        )
        handle_payment_result(db, Settled(given_up, "dead", error="キーが無効です。"))

    assert (scenario.state, scenario.tasks()) == (State.REFUNDED, [])
    assert [refund.status for refund in scenario.refunds()] == ["succeeded"]


def test_a_refund_is_not_polled_forever(scenario: Scenario) -> None:
    scenario.request_reservation().confirm()
    scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until_state(State.REFUNDED).run_until_idle()

    scenario.pass_time(timedelta(days=31)).run_until(
        lambda: [refund.look_at for refund in scenario.refunds()] == [None]
    )

    assert scenario.state is State.REFUNDED


def test_a_payment_whose_webhook_never_comes_is_found_by_polling(scenario: Scenario) -> None:
    scenario.sandbox.fault("stripe", "drop", operation="webhook")
    scenario.request_reservation().await_link().pay()
    scenario.run_until_idle()
    assert scenario.state is State.AWAITING_PAYMENT

    scenario.pass_time(ONE).run_until_state(State.CONFIRMED)

    assert scenario.webhooks("stripe") == []
    check_confirmed(scenario)


def test_a_payment_webhook_before_the_page_is_known_waits_for_it(scenario: Scenario) -> None:
    """The webhook arrives before the answer to the request that created the page."""
    scenario.sandbox.fault("stripe", "late", operation="sessions.create", seconds=3, count=1)
    scenario.request_reservation()
    run_until_shop_accepts(scenario)

    with scenario.sending("payments"):
        session = wait_for(scenario.sandbox.sessions)[0]
        scenario.sandbox.pay(session["id"])
        wait_for(
            lambda: [webhook for webhook in scenario.webhooks("stripe") if webhook.kind == "checkout.session.completed"]
        )
        jobs.read_webhooks()
        assert scenario.state is State.CALLING_SUCCESS
        assert [webhook.tries for webhook in scenario.webhooks("stripe") if not webhook.processed_at] == [1]
    scenario.run_until_state(State.CONFIRMED)

    assert (stripe_session(scenario)["status"], scenario.sandbox.refunds()) == ("complete", [])


def test_a_page_created_after_the_cancellation_is_closed(scenario: Scenario) -> None:
    """The customer cancels while Stripe creates the page."""
    scenario.sandbox.fault("stripe", "late", operation="sessions.create", seconds=2, count=1)
    scenario.request_reservation()
    run_until_shop_accepts(scenario)

    with scenario.sending("payments"):
        wait_for(scenario.sandbox.sessions)
        scenario.record_event(e.CancelAsked(by="customer"))
    scenario.run_until(lambda: stripe_session(scenario)["status"] == "expired")
    scenario.run_until_idle()

    assert (scenario.state, scenario.sandbox.refunds()) == (State.CANCELLED, [])
    assert "payment_link" not in [message.purpose for message in scenario.messages()]


def test_a_payment_after_the_cancellation_is_refunded(scenario: Scenario) -> None:
    scenario.request_reservation().await_link()
    scenario.record_event(e.CancelAsked(by="customer"))
    assert scenario.state is State.EXPIRING

    scenario.pay()
    scenario.run_until_state(State.REFUNDED)

    check_refunded(scenario)


def test_concurrent_readers_process_each_webhook_once(scenario: Scenario) -> None:
    scenario.request_reservation().await_link().pay()
    for _ in range(6):
        scenario.post_stripe_event("checkout.session.completed", **stripe_session(scenario))

    def read() -> None:
        has_more = True
        while has_more:
            with transaction(SYSTEM) as db:
                has_more = process_next_webhook(db)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    scenario.run_until_state(State.CONFIRMED)

    check_confirmed(scenario)
    assert {webhook.tries for webhook in scenario.webhooks("stripe")} == {1}


def test_a_dispute_opens_a_manual_task(scenario: Scenario) -> None:
    scenario.request_reservation().confirm()

    scenario.sandbox.dispute(str(scenario.payment().intent))
    scenario.run_until(lambda: scenario.tasks() == ["dispute"])

    assert scenario.state is State.CONFIRMED
    disputes = [webhook for webhook in scenario.webhooks("stripe") if webhook.kind == "charge.dispute.created"]
    assert [webhook.reservation_id for webhook in disputes] == [scenario.id]


def test_a_declined_card_is_no_payment(scenario: Scenario) -> None:
    scenario.request_reservation().await_link()

    scenario.pay("declined")
    scenario.run_until_idle()
    assert scenario.state is State.AWAITING_PAYMENT
    scenario.pay()
    scenario.run_until_state(State.CONFIRMED)

    check_confirmed(scenario)


def test_a_stripe_that_refuses_the_key_is_not_asked_forever_and_staff_are_notified(scenario: Scenario) -> None:
    fault = scenario.sandbox.fault("stripe", "error", operation="sessions.expire", status=401)
    run_until_deadline(scenario)
    scenario.run_until_idle()

    assert scenario.events().count("expiry_unclear") == 1
    assert len(scenario.sandbox.truth("stripe", "sessions.expire")) == 2
    assert (scenario.state, scenario.tasks()) == (State.EXPIRING, ["payment_trouble"])
    scenario.sandbox.switch_off(fault)
    scenario.pass_time(TEN).run_until_state(State.PAYMENT_TIMEOUT)

    check_timed_out(scenario)
