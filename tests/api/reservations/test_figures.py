"""What counts when: reservations, money, cancellations and links, in Tokyo's days and months."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from service.core.values.times import DAY, Month
from service.reservations.figures import queries
from service.reservations.figures.rules import Period, Rate
from service.reservations.flow import actions
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import Answer
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo


def month(db: Session, year: int, number: int) -> Period:
    return queries.period(db, *Month(year, number).bounds())


def day(db: Session, *parts: int) -> Period:
    since = tokyo(*parts)
    return queries.period(db, since, since + DAY)


def test_a_month_without_reservations_is_zero(stage: Session) -> None:
    figures = month(stage, 2031, 1)

    assert figures == Period(0, Rate(0, 0), Rate(0, 0), Rate(0, 0), 0, 0, {}, {}, {})
    assert (figures.success.share, figures.sales) == (None, 0)


def test_each_outcome_counts_when_it_became_clear(stage: Session) -> None:
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0))
    outcomes.timed_out(
        stage, outcomes.awaiting_payment(stage, tokyo(2031, 1, 8, 11, 0), service_code="cake", plan_code="4")
    )
    # The shop search goes on: it is neither.
    outcomes.requested(stage, tokyo(2031, 1, 8, 12, 0))

    figures = day(stage, 2031, 1, 8)
    assert figures.requested == 3
    assert figures.success == Rate(1, 2)
    assert figures.payment == Rate(1, 2)
    assert (figures.paid, figures.refunded, figures.sales) == (5500, 0, 5500)
    assert dict(figures.by_service) == {"花束": 2, "ホールケーキ": 1}
    assert dict(figures.by_shop) == {"フラワー銀座": 1}
    assert list(figures.by_service) == ["花束", "ホールケーキ"]


def test_an_open_payment_is_not_a_failed_one(stage: Session) -> None:
    reservation = outcomes.awaiting_payment(stage, tokyo(2031, 1, 8, 10, 0))
    assert day(stage, 2031, 1, 8).payment == Rate(0, 0)

    outcomes.timed_out(stage, reservation)
    assert day(stage, 2031, 1, 8).payment == Rate(0, 1)


def test_a_link_that_is_sent_again_is_one_link(stage: Session) -> None:
    reservation = outcomes.awaiting_payment(stage, tokyo(2031, 1, 8, 10, 0))
    actions.record_event(stage, reservation.id, e.LinkLost(), source="twilio")
    scene.set_clock(stage, tokyo(2031, 1, 8, 10, 5))
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10), source="twilio")
    outcomes.pay(stage, reservation, tokyo(2031, 1, 8, 10, 6))

    assert day(stage, 2031, 1, 8).payment == Rate(1, 1)


def test_a_payment_after_the_timeout_is_no_success(stage: Session) -> None:
    reservation = outcomes.timed_out(stage, outcomes.awaiting_payment(stage, tokyo(2031, 1, 8, 10, 0)))
    session = scene.case(stage, reservation).session or ""
    actions.record_event(stage, reservation.id, e.Paid(session=session, intent="pi_late", amount=5500), source="stripe")
    figures = day(stage, 2031, 1, 8)

    # From the timeout it went to 返金処理中: a failure, counted once.
    assert (figures.success, figures.payment, figures.cancelled) == (Rate(0, 1), Rate(0, 1), Rate(0, 0))


def test_the_cancellation_rate_counts_ended_confirmed_reservations(stage: Session) -> None:
    first, second = (outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, minute)) for minute in (0, 5))
    refund = outcomes.cancelled(stage, second, tokyo(2031, 1, 10, 9, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 10, 9, 1))
    assert day(stage, 2031, 1, 10).cancelled == Rate(1, 1)

    outcomes.completed(stage, first)
    figures = month(stage, 2031, 1)
    assert figures.cancelled == Rate(1, 2)
    # A cancellation does not undo the success.
    assert figures.success == Rate(2, 2)
    assert (figures.paid, figures.refunded, figures.sales) == (11000, 5500, 5500)
    # Cancelled before a shop held it: no cancellation of a confirmed reservation.
    actions.record_event(
        stage, outcomes.requested(stage, tokyo(2031, 1, 20, 9, 0)).id, e.CancelAsked(by="customer"), source="customer"
    )
    figures = month(stage, 2031, 1)
    assert (figures.cancelled, figures.success) == (Rate(1, 2), Rate(2, 3))


def test_a_refund_that_fails_later_does_not_count(stage: Session) -> None:
    refund = outcomes.cancelled(stage, outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0)), tokyo(2031, 1, 9, 10, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 9, 10, 1))
    assert month(stage, 2031, 1).sales == 0

    outcomes.refund(stage, refund, tokyo(2031, 1, 12, 10, 0), "failed")
    assert month(stage, 2031, 1).sales == 5500


def test_manual_tasks_count_by_kind_when_they_were_opened(stage: Session) -> None:
    first = outcomes.requested(stage, tokyo(2031, 1, 8, 10, 0))
    scene.pass_time(stage)
    scene.record_shop_answer(stage, first, Answer.VAGUE)

    assert dict(day(stage, 2031, 1, 8).operations) == {"vague_answer": 1}
    assert dict(day(stage, 2031, 1, 9).operations) == {}


def test_an_unlisted_shop_is_labelled_so(stage: Session) -> None:
    reservation = outcomes.requested(stage, tokyo(2031, 1, 8, 10, 0))
    scene.pass_time(stage)
    scene.record_shop_answer(stage, reservation, Answer.VAGUE)
    actions.record_event(stage, reservation.id, e.ShopOk(shop=None, note="花のいずみ"), source="operator")
    ready = e.CheckoutReady(number=1, session=f"cs_{reservation.code}_1")
    actions.record_event(stage, reservation.id, ready, source="stripe")
    scene.open_checkout(stage, reservation)
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10), source="twilio")
    outcomes.pay(stage, reservation, tokyo(2031, 1, 8, 10, 5))

    assert dict(day(stage, 2031, 1, 8).by_shop) == {"一覧にない店舗": 1}


def test_shops_of_one_name_are_distinguished(stage: Session) -> None:
    scene.shop(stage, "S003").name = "フラワー銀座"
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0))
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 5), service_code="cake", plan_code="4")

    assert set(day(stage, 2031, 1, 8).by_shop) == {"フラワー銀座（S001）", "フラワー銀座（S003）"}


# The boundaries of Tokyo's days and months


def last_second(until: datetime) -> datetime:
    return until - timedelta(seconds=1)


def test_the_last_second_of_a_day_is_that_days_and_the_next_one_the_next_days(stage: Session) -> None:
    midnight = tokyo(2031, 1, 9)  # 15:00 the day before in UTC
    outcomes.requested(stage, last_second(midnight))
    outcomes.requested(stage, midnight)
    # UTC's day begins at 9:00 in Tokyo: it is no boundary here.
    outcomes.requested(stage, tokyo(2031, 1, 9, 8, 59, 59))
    outcomes.requested(stage, tokyo(2031, 1, 9, 9, 0))

    assert [day(stage, 2031, 1, number).requested for number in (8, 9, 10)] == [1, 3, 0]


def test_paid_before_midnight_and_refunded_after_it_count_in_two_months(stage: Session) -> None:
    reservation = outcomes.awaiting_payment(stage, tokyo(2031, 1, 31, 19, 50))
    outcomes.pay(stage, reservation, tokyo(2031, 1, 31, 19, 59, 59))
    refund = outcomes.cancelled(stage, reservation, last_second(tokyo(2031, 2, 1)))
    outcomes.refund(stage, refund, tokyo(2031, 2, 1))

    january, february = month(stage, 2031, 1), month(stage, 2031, 2)
    assert (january.sales, february.sales) == (5500, -5500)
    # A cancellation counts when it is requested.
    assert (january.cancelled, february.cancelled) == (Rate(1, 1), Rate(0, 0))


def test_the_leap_day_is_februarys(stage: Session) -> None:
    leap = tokyo(2032, 2, 29, 23, 59, 59)
    outcomes.requested(stage, leap)
    outcomes.requested(stage, tokyo(2032, 3, 1))

    assert (month(stage, 2032, 2).requested, month(stage, 2032, 3).requested) == (1, 1)
    assert day(stage, 2032, 2, 29).requested == 1


def test_the_year_ends_in_tokyo(stage: Session) -> None:
    outcomes.requested(stage, tokyo(2031, 12, 31, 23, 59, 59))
    outcomes.requested(stage, tokyo(2032, 1, 1))

    assert (month(stage, 2031, 12).requested, month(stage, 2032, 1).requested) == (1, 1)
