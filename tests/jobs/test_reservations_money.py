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
from tests.jobs.reservations_world import World
from tests.waiting import wait_for

TEN, ONE = timedelta(minutes=10), timedelta(minutes=1)
TIMED_OUT = "決済期限が切れました。再度予約をお願いします"


def stripe_session(world: World) -> dict[str, Any]:
    [session] = world.sandbox.sessions()
    return dict(session)


def check_timed_out(world: World) -> None:
    """Nothing is paid; customer and shop were notified once."""
    world.run_until_idle()
    assert world.state is State.PAYMENT_TIMEOUT
    assert (stripe_session(world)["status"], world.payment().status) == ("expired", "expired")
    assert len(world.sent_sms(TIMED_OUT)) == 1
    assert [message.purpose for message in world.messages("mail") if message.recipient == "shop"] == [
        "held",
        "released",
    ]
    assert world.sandbox.refunds() == []
    assert world.tasks() == []


def check_confirmed(world: World) -> None:
    """It is paid once and stays paid."""
    world.run_until_idle()
    assert world.state is State.CONFIRMED
    assert (stripe_session(world)["status"], world.payment().status) == ("complete", "paid")
    assert world.events().count("paid") == 1
    assert world.sent_sms(TIMED_OUT) == []
    assert [message.purpose for message in world.messages()].count("confirmed") == 1
    assert [message.purpose for message in world.messages("mail") if message.recipient == "shop"] == ["held", "booked"]
    assert world.sandbox.refunds() == []
    assert world.tasks() == []


def check_refunded(world: World, state: State = State.REFUNDED) -> None:
    """Stripe has refunded it, once."""
    world.run_until_idle()
    assert world.state is state
    [refund] = world.sandbox.refunds()
    assert (refund["amount"], refund["status"]) == (5500, "succeeded")
    assert [refund.status for refund in world.refunds()] == ["succeeded"]
    assert len([entry for entry in world.sandbox.truth("stripe", "refunds.create") if entry["did"] != ["断った"]]) == 1


def run_until_deadline(world: World) -> None:
    """The deadline has passed; the request to Stripe to close the page is not sent yet."""
    world.request_reservation().await_link().pass_time(TEN)
    jobs.advance_reservations()
    assert world.state is State.EXPIRING


def run_until_shop_accepts(world: World) -> None:
    """A shop has accepted; the request to Stripe for a payment page is not sent yet."""
    with pytest.MonkeyPatch.context() as patch:
        send = world.send
        patch.setattr(world, "send", lambda: send("sms", "voice", "mail"))
        world.run_until_state(State.CALLING_SUCCESS)
    assert world.is_due("payments")


def test_a_customer_who_does_not_pay_in_ten_minutes_times_out(world: World) -> None:
    world.request_reservation().await_link().pass_time(TEN - timedelta(seconds=20)).run_until_idle()
    assert world.state is State.AWAITING_PAYMENT

    world.pass_time(timedelta(seconds=20)).run_until_state(State.PAYMENT_TIMEOUT)

    assert world.pay() | {"session": None} == {"paid": False, "reason": "expired", "session": None}
    check_timed_out(world)


def test_a_payment_after_the_deadline_and_before_the_page_is_closed_counts(world: World) -> None:
    run_until_deadline(world)

    assert world.pay()["paid"]
    world.run_until_state(State.CONFIRMED)

    check_confirmed(world)


def test_a_payment_while_closing_is_known_from_stripes_answer_alone(world: World) -> None:
    """No webhook comes: the answer to closing says that it is paid."""
    world.sandbox.fault("stripe", "drop", operation="webhook")
    run_until_deadline(world)

    world.pay()
    world.send("payments")

    check_confirmed(world)


def test_a_closed_page_cannot_be_paid(world: World) -> None:
    run_until_deadline(world)
    world.send("payments")

    assert not world.pay()["paid"]
    check_timed_out(world)


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_lost_answer_to_closing_is_asked_for_again(
    world: World, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No webhook comes, and the page is not polled."""
    world.sandbox.fault("stripe", "drop", operation="webhook")
    world.sandbox.fault("stripe", operation="sessions.expire", count=1, **fault)
    run_until_deadline(world)
    monkeypatch.setattr(jobs, "look", lambda: None)
    world.run_until_idle()
    assert (stripe_session(world)["status"], world.state) == ("expired", State.EXPIRING)

    world.pass_time(ONE).run_until_state(State.PAYMENT_TIMEOUT)

    check_timed_out(world)


def test_paying_and_closing_at_once_has_one_end(world: World) -> None:
    states = set()
    for _ in range(3):
        run_until_deadline(world)
        paying = threading.Thread(target=world.pay)
        paying.start()
        world.send("payments")
        paying.join(20)
        world.run_until(lambda: world.state in (State.CONFIRMED, State.PAYMENT_TIMEOUT))
        world.run_until_idle()
        page = next(session for session in world.sandbox.sessions() if session["id"] == world.payment().session_id)
        assert (page["status"], world.state) in (
            ("complete", State.CONFIRMED),
            ("expired", State.PAYMENT_TIMEOUT),
        )
        states.add(world.state)
        assert world.sandbox.refunds() == []
    assert states


def test_repeated_stripe_events_change_nothing(world: World) -> None:
    world.request_reservation().confirm()
    [completed] = world.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    paid = stripe_session(world)

    world.sandbox.send_again(completed["id"], times=2)
    world.post_stripe_event("checkout.session.completed", **paid)
    world.post_stripe_event("checkout.session.expired", **(paid | {"status": "expired", "payment_status": "unpaid"}))
    world.run_until(lambda: all(webhook.processed_at for webhook in world.webhooks()))

    check_confirmed(world)
    kinds = [webhook.kind for webhook in world.webhooks("stripe")]
    assert kinds.count("checkout.session.completed") == 2


def test_money_that_comes_after_the_reservation_was_closed_goes_back_once(world: World) -> None:
    """Stripe reports the page as expired, and then a payment on it. This should not happen, but it may."""
    world.request_reservation().await_link()
    expired = stripe_session(world) | {"status": "expired"}
    world.post_stripe_event("checkout.session.expired", **expired)
    world.run_until_state(State.PAYMENT_TIMEOUT)

    assert world.pay()["paid"]
    world.run_until_idle()
    [completed] = world.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    world.sandbox.send_again(completed["id"], times=2)
    world.post_stripe_event("checkout.session.completed", **stripe_session(world))

    world.run_until_state(State.REFUNDED)
    check_refunded(world)
    assert world.tasks() == ["payment_trouble"]


def test_a_customer_who_cancels_in_time_gets_everything_back_once(world: World) -> None:
    world.request_reservation().confirm()

    world.record_event(e.CancelAsked(by="customer"))
    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_state(State.REFUNDED)

    check_refunded(world)
    assert world.reservation.refunded == 5500
    assert [message.purpose for message in world.messages()].count("cancelled") == 1


def test_a_refund_whose_webhook_never_comes_is_found_by_polling(world: World) -> None:
    world.request_reservation().confirm()
    world.sandbox.fault("stripe", "drop", operation="webhook")
    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_idle()
    assert world.state is State.REFUND_PENDING

    world.pass_time(ONE).run_until_state(State.REFUNDED)

    check_refunded(world)


def test_a_refund_that_fails_after_its_success_opens_a_manual_task(world: World) -> None:
    world.sandbox.script("refund", "fails_later")
    world.request_reservation().confirm()
    world.record_event(e.CancelAsked(by="customer"))

    world.run_until(lambda: world.tasks() == ["refund_failed"])

    assert world.state is State.REFUND_PENDING
    assert [(refund.status, refund.error) for refund in world.refunds()] == [
        ("failed", "カードが有効期限切れか、解約されています（expired_or_canceled_card）。")
    ]
    late = world.sandbox.refunds()[0] | {"status": "succeeded"}
    world.post_stripe_event("refund.updated", **late)
    world.run_until_idle()
    assert (world.state, world.tasks()) == (State.REFUND_PENDING, ["refund_failed"])


def test_money_that_comes_back_from_the_bank_weeks_later_is_found_by_asking(world: World) -> None:
    """Stripe's webhook about it never comes."""
    world.sandbox.script("refund", {"kind": "fails_later", "seconds": 20 * 86_400})
    world.request_reservation().confirm()
    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_state(State.REFUNDED).run_until_idle()
    assert [refund.look_at is not None for refund in world.refunds()] == [True]
    world.sandbox.fault("stripe", "drop", operation="webhook")

    world.pass_time(timedelta(days=19)).run_until_idle()
    assert (world.state, world.tasks()) == (State.REFUNDED, [])
    world.pass_time(timedelta(days=2)).run_until(lambda: world.tasks() == ["refund_failed"])

    assert (world.state, world.reservation.refunded) == (State.REFUND_PENDING, 0)


OF_MESSAGE = (
    *("id", "key", "topic", "payload", "created_at", "tries"),
    *("expires_at", "area", "tenant_id", "subject", "subject_id"),
)


def test_a_refund_that_stripe_reported_stays_done_when_its_request_is_given_up(world: World) -> None:
    """The answer of the first try was lost, Stripe's webhook came, and then the key was revoked."""
    world.request_reservation().confirm()
    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_state(State.REFUNDED).run_until_idle()
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

    assert (world.state, world.tasks()) == (State.REFUNDED, [])
    assert [refund.status for refund in world.refunds()] == ["succeeded"]


def test_a_refund_is_not_polled_forever(world: World) -> None:
    world.request_reservation().confirm()
    world.record_event(e.CancelAsked(by="customer"))
    world.run_until_state(State.REFUNDED).run_until_idle()

    world.pass_time(timedelta(days=31)).run_until(lambda: [refund.look_at for refund in world.refunds()] == [None])

    assert world.state is State.REFUNDED


def test_a_payment_whose_webhook_never_comes_is_found_by_polling(world: World) -> None:
    world.sandbox.fault("stripe", "drop", operation="webhook")
    world.request_reservation().await_link().pay()
    world.run_until_idle()
    assert world.state is State.AWAITING_PAYMENT

    world.pass_time(ONE).run_until_state(State.CONFIRMED)

    assert world.webhooks("stripe") == []
    check_confirmed(world)


def test_a_payment_webhook_before_the_page_is_known_waits_for_it(world: World) -> None:
    """The webhook arrives before the answer to the request that created the page."""
    world.sandbox.fault("stripe", "late", operation="sessions.create", seconds=3, count=1)
    world.request_reservation()
    run_until_shop_accepts(world)

    with world.sending("payments"):
        session = wait_for(world.sandbox.sessions)[0]
        world.sandbox.pay(session["id"])
        wait_for(
            lambda: [webhook for webhook in world.webhooks("stripe") if webhook.kind == "checkout.session.completed"]
        )
        jobs.read_webhooks()
        assert world.state is State.CALLING_SUCCESS
        assert [webhook.tries for webhook in world.webhooks("stripe") if not webhook.processed_at] == [1]
    world.run_until_state(State.CONFIRMED)

    assert (stripe_session(world)["status"], world.sandbox.refunds()) == ("complete", [])


def test_a_page_created_after_the_cancellation_is_closed(world: World) -> None:
    """The customer cancels while Stripe creates the page."""
    world.sandbox.fault("stripe", "late", operation="sessions.create", seconds=2, count=1)
    world.request_reservation()
    run_until_shop_accepts(world)

    with world.sending("payments"):
        wait_for(world.sandbox.sessions)
        world.record_event(e.CancelAsked(by="customer"))
    world.run_until(lambda: stripe_session(world)["status"] == "expired")
    world.run_until_idle()

    assert (world.state, world.sandbox.refunds()) == (State.CANCELLED, [])
    assert "payment_link" not in [message.purpose for message in world.messages()]


def test_a_payment_after_the_cancellation_is_refunded(world: World) -> None:
    world.request_reservation().await_link()
    world.record_event(e.CancelAsked(by="customer"))
    assert world.state is State.EXPIRING

    world.pay()
    world.run_until_state(State.REFUNDED)

    check_refunded(world)


def test_concurrent_readers_process_each_webhook_once(world: World) -> None:
    world.request_reservation().await_link().pay()
    for _ in range(6):
        world.post_stripe_event("checkout.session.completed", **stripe_session(world))

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
    world.run_until_state(State.CONFIRMED)

    check_confirmed(world)
    assert {webhook.tries for webhook in world.webhooks("stripe")} == {1}


def test_a_dispute_opens_a_manual_task(world: World) -> None:
    world.request_reservation().confirm()

    world.sandbox.dispute(str(world.payment().intent))
    world.run_until(lambda: world.tasks() == ["dispute"])

    assert world.state is State.CONFIRMED
    disputes = [webhook for webhook in world.webhooks("stripe") if webhook.kind == "charge.dispute.created"]
    assert [webhook.reservation_id for webhook in disputes] == [world.id]


def test_a_declined_card_is_no_payment(world: World) -> None:
    world.request_reservation().await_link()

    world.pay("declined")
    world.run_until_idle()
    assert world.state is State.AWAITING_PAYMENT
    world.pay()
    world.run_until_state(State.CONFIRMED)

    check_confirmed(world)


def test_a_stripe_that_refuses_the_key_is_not_asked_forever_and_staff_are_notified(world: World) -> None:
    fault = world.sandbox.fault("stripe", "error", operation="sessions.expire", status=401)
    run_until_deadline(world)
    world.run_until_idle()

    assert world.events().count("expiry_unclear") == 1
    assert len(world.sandbox.truth("stripe", "sessions.expire")) == 2
    assert (world.state, world.tasks()) == (State.EXPIRING, ["payment_trouble"])
    world.sandbox.switch_off(fault)
    world.pass_time(TEN).run_until_state(State.PAYMENT_TIMEOUT)

    check_timed_out(world)
