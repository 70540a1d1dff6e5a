"""Ten minutes to pay, with Stripe's session as the referee: in whatever order paying, closing and being told happen,
money and reservation agree, and nothing is given back twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from jobs import reservations as jobs
from service.core.database.session import SYSTEM, transaction
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from service.reservations.inbox.actions import process_next_webhook
from tests.jobs.reservations_world import World
from tests.waiting import wait_for

TEN, ONE = timedelta(minutes=10), timedelta(minutes=1)
TIMED_OUT = "決済期限が切れました。再度予約をお願いします"


def session(world: World) -> dict[str, Any]:
    [found] = world.sandbox.sessions()
    return dict(found)


def timed_out(world: World) -> None:
    """Nobody has paid, and everybody was told once."""
    world.settle()
    assert world.state is State.PAYMENT_TIMEOUT
    assert (session(world)["status"], world.payment().status) == ("expired", "expired")
    assert len(world.told(TIMED_OUT)) == 1
    assert [one.purpose for one in world.letters("mail") if one.recipient == "shop"] == ["held", "released"]
    assert world.sandbox.refunds() == []
    assert world.tasks() == []


def confirmed(world: World) -> None:
    """It is paid, once, and stays so."""
    world.settle()
    assert world.state is State.CONFIRMED
    assert (session(world)["status"], world.payment().status) == ("complete", "paid")
    assert world.events().count("paid") == 1
    assert world.told(TIMED_OUT) == []
    assert [one.purpose for one in world.letters()].count("confirmed") == 1
    assert [one.purpose for one in world.letters("mail") if one.recipient == "shop"] == ["held", "booked"]
    assert world.sandbox.refunds() == []
    assert world.tasks() == []


def refunded(world: World, state: State = State.REFUNDED) -> None:
    """Stripe has given it back, once."""
    world.settle()
    assert world.state is state
    [refund] = world.sandbox.refunds()
    assert (refund["amount"], refund["status"]) == (5500, "succeeded")
    assert [one.status for one in world.refunds()] == ["succeeded"]
    assert len([one for one in world.sandbox.truth("stripe", "refunds.create") if one["did"] != ["断った"]]) == 1


def at_the_deadline(world: World) -> None:
    """The time is over and nobody has asked Stripe yet to close the page."""
    world.ask().await_link().pass_time(TEN)
    jobs.advance_reservations()
    assert world.state is State.EXPIRING


def a_shop_says_yes(world: World) -> None:
    """And nobody has asked Stripe yet for a page to pay on."""
    with pytest.MonkeyPatch.context() as patch:
        send = world.send
        patch.setattr(world, "send", lambda: send("sms", "voice", "mail"))
        world.until_state(State.CALLING_SUCCESS)
    assert world.is_waiting("payments")


def test_who_does_not_pay_in_ten_minutes_is_timed_out(world: World) -> None:
    world.ask().await_link().pass_time(TEN - timedelta(seconds=20)).settle()
    assert world.state is State.AWAITING_PAYMENT

    world.pass_time(timedelta(seconds=20)).until_state(State.PAYMENT_TIMEOUT)

    assert world.pay() | {"session": None} == {"paid": False, "reason": "expired", "session": None}
    timed_out(world)


def test_who_pays_after_the_deadline_and_before_the_page_is_closed_has_paid(world: World) -> None:
    at_the_deadline(world)

    assert world.pay()["paid"]
    world.until_state(State.CONFIRMED)

    confirmed(world)


def test_who_paid_while_closing_is_known_by_stripes_answer_alone(world: World) -> None:
    """No webhook comes: the answer to closing says that it is paid."""
    world.sandbox.fault("stripe", "drop", door="webhook")
    at_the_deadline(world)

    world.pay()
    world.send("payments")

    confirmed(world)


def test_who_pays_after_the_page_was_closed_cannot(world: World) -> None:
    at_the_deadline(world)
    world.send("payments")

    assert not world.pay()["paid"]
    timed_out(world)


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 500, "done": True}])
def test_a_lost_answer_to_closing_is_asked_for_again(
    world: World, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells us, and nobody looks at the page."""
    world.sandbox.fault("stripe", "drop", door="webhook")
    world.sandbox.fault("stripe", door="sessions.expire", count=1, **fault)
    at_the_deadline(world)
    monkeypatch.setattr(jobs, "look", lambda: None)
    world.settle()
    assert (session(world)["status"], world.state) == ("expired", State.EXPIRING)

    world.pass_time(ONE).until_state(State.PAYMENT_TIMEOUT)

    timed_out(world)


def test_paying_and_closing_at_once_has_one_end(world: World) -> None:
    ends = set()
    for _ in range(3):
        at_the_deadline(world)
        paying = threading.Thread(target=world.pay)
        paying.start()
        world.send("payments")
        paying.join(20)
        world.until(lambda: world.state in (State.CONFIRMED, State.PAYMENT_TIMEOUT))
        world.settle()
        truth = next(one for one in world.sandbox.sessions() if one["id"] == world.payment().session_id)
        assert (truth["status"], world.state) in (
            ("complete", State.CONFIRMED),
            ("expired", State.PAYMENT_TIMEOUT),
        )
        ends.add(world.state)
        assert world.sandbox.refunds() == []
    assert ends


def test_what_stripe_says_again_changes_nothing(world: World) -> None:
    world.ask().confirm()
    [told] = world.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    paid = session(world)

    world.sandbox.send_again(told["id"], times=2)
    world.stripe_says("checkout.session.completed", **paid)
    world.stripe_says("checkout.session.expired", **(paid | {"status": "expired", "payment_status": "unpaid"}))
    world.until(lambda: all(webhook.processed_at for webhook in world.webhooks()))

    confirmed(world)
    kinds = [webhook.kind for webhook in world.webhooks("stripe")]
    assert kinds.count("checkout.session.completed") == 2


def test_money_that_comes_after_the_reservation_was_closed_goes_back_once(world: World) -> None:
    """Stripe's own word that the page is closed, and then the same page paid for: that must not be, and might."""
    world.ask().await_link()
    gone = session(world) | {"status": "expired"}
    world.stripe_says("checkout.session.expired", **gone)
    world.until_state(State.PAYMENT_TIMEOUT)

    assert world.pay()["paid"]
    world.settle()
    [told] = world.sandbox.webhooks("stripe", "webhook:checkout.session.completed")
    world.sandbox.send_again(told["id"], times=2)
    world.stripe_says("checkout.session.completed", **session(world))

    world.until_state(State.REFUNDED)
    refunded(world)
    assert world.tasks() == ["payment_trouble"]


def test_who_cancels_in_time_gets_everything_back_once(world: World) -> None:
    world.ask().confirm()

    world.happen(e.CancelAsked(by="customer"))
    world.happen(e.CancelAsked(by="customer"))
    world.until_state(State.REFUNDED)

    refunded(world)
    assert world.reservation.refunded == 5500
    assert [one.purpose for one in world.letters()].count("cancelled") == 1


def test_a_refund_whose_webhook_never_comes_is_found_by_asking(world: World) -> None:
    world.ask().confirm()
    world.sandbox.fault("stripe", "drop", door="webhook")
    world.happen(e.CancelAsked(by="customer"))
    world.settle()
    assert world.state is State.REFUND_PENDING

    world.pass_time(ONE).until_state(State.REFUNDED)

    refunded(world)


def test_a_refund_that_fails_after_it_had_succeeded_is_for_people(world: World) -> None:
    world.sandbox.script("refund", "fails_later")
    world.ask().confirm()
    world.happen(e.CancelAsked(by="customer"))

    world.until(lambda: world.tasks() == ["refund_failed"])

    assert world.state is State.REFUND_PENDING
    assert [(one.status, one.error) for one in world.refunds()] == [
        ("failed", "カードが有効期限切れか、解約されています（expired_or_canceled_card）。")
    ]
    late = world.sandbox.refunds()[0] | {"status": "succeeded"}
    world.stripe_says("refund.updated", **late)
    world.settle()
    assert (world.state, world.tasks()) == (State.REFUND_PENDING, ["refund_failed"])


def test_money_that_comes_back_from_the_bank_weeks_later_is_found_by_asking(world: World) -> None:
    """Stripe's webhook of it never comes."""
    world.sandbox.script("refund", {"kind": "fails_later", "seconds": 20 * 86_400})
    world.ask().confirm()
    world.happen(e.CancelAsked(by="customer"))
    world.until_state(State.REFUNDED).settle()
    assert [one.look_at is not None for one in world.refunds()] == [True]
    world.sandbox.fault("stripe", "drop", door="webhook")

    world.pass_time(timedelta(days=19)).settle()
    assert (world.state, world.tasks()) == (State.REFUNDED, [])
    world.pass_time(timedelta(days=2)).until(lambda: world.tasks() == ["refund_failed"])

    assert (world.state, world.reservation.refunded) == (State.REFUND_PENDING, 0)


def test_a_refund_is_not_looked_at_for_ever(world: World) -> None:
    world.ask().confirm()
    world.happen(e.CancelAsked(by="customer"))
    world.until_state(State.REFUNDED).settle()

    world.pass_time(timedelta(days=31)).until(lambda: [one.look_at for one in world.refunds()] == [None])

    assert world.state is State.REFUNDED


def test_a_payment_whose_webhook_never_comes_is_found_by_asking(world: World) -> None:
    world.sandbox.fault("stripe", "drop", door="webhook")
    world.ask().await_link().pay()
    world.settle()
    assert world.state is State.AWAITING_PAYMENT

    world.pass_time(ONE).until_state(State.CONFIRMED)

    assert world.webhooks("stripe") == []
    confirmed(world)


def test_a_payment_that_is_told_before_we_know_the_page_waits_for_it(world: World) -> None:
    """The webhook is here before the answer to the request that made the page."""
    world.sandbox.fault("stripe", "late", door="sessions.create", seconds=3, count=1)
    world.ask()
    a_shop_says_yes(world)

    with world.sending("payments"):
        made = wait_for(world.sandbox.sessions)[0]
        world.sandbox.pay(made["id"])
        wait_for(lambda: [one for one in world.webhooks("stripe") if one.kind == "checkout.session.completed"])
        jobs.read_webhooks()
        assert world.state is State.CALLING_SUCCESS
        assert [one.tries for one in world.webhooks("stripe") if not one.processed_at] == [1]
    world.until_state(State.CONFIRMED)

    assert (session(world)["status"], world.sandbox.refunds()) == ("complete", [])


def test_a_page_that_is_made_for_nobody_any_more_is_closed(world: World) -> None:
    """The customer cancels while Stripe makes the page."""
    world.sandbox.fault("stripe", "late", door="sessions.create", seconds=2, count=1)
    world.ask()
    a_shop_says_yes(world)

    with world.sending("payments"):
        wait_for(world.sandbox.sessions)
        world.happen(e.CancelAsked(by="customer"))
    world.until(lambda: session(world)["status"] == "expired")
    world.settle()

    assert (world.state, world.sandbox.refunds()) == (State.CANCELLED, [])
    assert "payment_link" not in [one.purpose for one in world.letters()]


def test_who_cancels_while_paying_gets_it_back_or_was_first(world: World) -> None:
    world.ask().await_link()
    world.happen(e.CancelAsked(by="customer"))
    assert world.state is State.EXPIRING

    world.pay()
    world.until_state(State.REFUNDED)

    refunded(world)


def test_many_who_read_webhooks_at_once_take_each_of_them_once(world: World) -> None:
    world.ask().await_link().pay()
    for _ in range(6):
        world.stripe_says("checkout.session.completed", **session(world))

    def read() -> None:
        more = True
        while more:
            with transaction(SYSTEM) as db:
                more = process_next_webhook(db)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    world.until_state(State.CONFIRMED)

    confirmed(world)
    assert {webhook.tries for webhook in world.webhooks("stripe")} == {1}


def test_a_dispute_is_for_people(world: World) -> None:
    world.ask().confirm()

    world.sandbox.dispute(str(world.payment().intent))
    world.until(lambda: world.tasks() == ["dispute"])

    assert world.state is State.CONFIRMED
    told = [webhook for webhook in world.webhooks("stripe") if webhook.kind == "charge.dispute.created"]
    assert [webhook.reservation_id for webhook in told] == [world.id]


def test_a_declined_card_is_no_payment(world: World) -> None:
    world.ask().await_link()

    world.pay("declined")
    world.settle()
    assert world.state is State.AWAITING_PAYMENT
    world.pay()
    world.until_state(State.CONFIRMED)

    confirmed(world)


def test_a_stripe_that_lets_nobody_in_is_not_asked_without_end_and_people_are_told(world: World) -> None:
    closed = world.sandbox.fault("stripe", "error", door="sessions.expire", status=401)
    at_the_deadline(world)
    world.settle()

    assert world.events().count("expiry_unclear") == 1
    assert len(world.sandbox.truth("stripe", "sessions.expire")) == 2
    assert (world.state, world.tasks()) == (State.EXPIRING, ["payment_trouble"])
    world.sandbox.switch_off(closed)
    world.pass_time(TEN).until_state(State.PAYMENT_TIMEOUT)

    timed_out(world)
