"""What counts when: reservations, money, cancellations and links, on Tokyo's days and months."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from service.core.values.times import DAY, Month
from service.reservations.events import rules as e
from service.reservations.events.rules import Answer
from service.reservations.figures import queries
from service.reservations.figures.rules import Period, Rate
from service.reservations.flow import actions
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo


def month(db: Session, year: int, number: int) -> Period:
    return queries.period(db, *Month(year, number).bounds())


def day(db: Session, *parts: int) -> Period:
    since = tokyo(*parts)
    return queries.period(db, since, since + DAY)


def test_nothing_is_nothing(stage: Session) -> None:
    found = month(stage, 2031, 1)

    assert found == Period(0, Rate(0, 0), Rate(0, 0), Rate(0, 0), 0, 0, {}, {}, {})
    assert (found.success.share, found.sales) == (None, 0)


def test_each_outcome_counts_when_it_became_clear(stage: Session) -> None:
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0))
    outcomes.timed_out(stage, outcomes.linked(stage, tokyo(2031, 1, 8, 11, 0), service_code="cake", plan_code="4"))
    # Still looked for: it is neither.
    outcomes.asked(stage, tokyo(2031, 1, 8, 12, 0))

    found = day(stage, 2031, 1, 8)
    assert found.requested == 3
    assert found.success == Rate(1, 2)
    assert found.payment == Rate(1, 2)
    assert (found.paid, found.refunded, found.sales) == (5500, 0, 5500)
    assert dict(found.by_service) == {"花束": 2, "ホールケーキ": 1}
    assert dict(found.by_shop) == {"フラワー銀座": 1}
    assert list(found.by_service) == ["花束", "ホールケーキ"]


def test_who_can_still_pay_has_not_failed_to(stage: Session) -> None:
    reservation = outcomes.linked(stage, tokyo(2031, 1, 8, 10, 0))
    assert day(stage, 2031, 1, 8).payment == Rate(0, 0)

    outcomes.timed_out(stage, reservation)
    assert day(stage, 2031, 1, 8).payment == Rate(0, 1)


def test_a_link_that_is_sent_again_is_one_link(stage: Session) -> None:
    reservation = outcomes.linked(stage, tokyo(2031, 1, 8, 10, 0))
    actions.record_event(stage, reservation.id, e.LinkLost(), source="twilio")
    scene.set_clock(stage, tokyo(2031, 1, 8, 10, 5))
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10), source="twilio")
    outcomes.pay(stage, reservation, tokyo(2031, 1, 8, 10, 6))

    assert day(stage, 2031, 1, 8).payment == Rate(1, 1)


def test_money_after_the_end_is_no_success_and_comes_to_nothing(stage: Session) -> None:
    reservation = outcomes.timed_out(stage, outcomes.linked(stage, tokyo(2031, 1, 8, 10, 0)))
    session = scene.case(stage, reservation).session or ""
    actions.record_event(stage, reservation.id, e.Paid(session=session, intent="pi_late", amount=5500), source="stripe")
    found = day(stage, 2031, 1, 8)

    # It went from the timeout to 返金処理中: a failure, counted once.
    assert (found.success, found.payment, found.cancelled) == (Rate(0, 1), Rate(0, 1), Rate(0, 0))


def test_of_the_confirmed_ones_that_ended_some_were_cancelled(stage: Session) -> None:
    kept, given_up = (outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, minute)) for minute in (0, 5))
    refund = outcomes.cancelled(stage, given_up, tokyo(2031, 1, 10, 9, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 10, 9, 1))
    assert day(stage, 2031, 1, 10).cancelled == Rate(1, 1)

    outcomes.completed(stage, kept)
    found = month(stage, 2031, 1)
    assert found.cancelled == Rate(1, 2)
    # A cancellation takes no success back.
    assert found.success == Rate(2, 2)
    assert (found.paid, found.refunded, found.sales) == (11000, 5500, 5500)
    # Cancelled before a shop had it: no cancellation of a confirmed one.
    actions.record_event(
        stage, outcomes.asked(stage, tokyo(2031, 1, 20, 9, 0)).id, e.CancelAsked(by="customer"), source="customer"
    )
    found = month(stage, 2031, 1)
    assert (found.cancelled, found.success) == (Rate(1, 2), Rate(2, 3))


def test_a_refund_that_failed_after_all_is_none(stage: Session) -> None:
    refund = outcomes.cancelled(stage, outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0)), tokyo(2031, 1, 9, 10, 0))
    outcomes.refund(stage, refund, tokyo(2031, 1, 9, 10, 1))
    assert month(stage, 2031, 1).sales == 0

    outcomes.refund(stage, refund, tokyo(2031, 1, 12, 10, 0), "failed")
    assert month(stage, 2031, 1).sales == 5500


def test_people_s_work_counts_by_kind_when_it_began(stage: Session) -> None:
    first = outcomes.asked(stage, tokyo(2031, 1, 8, 10, 0))
    scene.pass_time(stage)
    scene.shop_says(stage, first, Answer.VAGUE)

    assert dict(day(stage, 2031, 1, 8).operations) == {"vague_answer": 1}
    assert dict(day(stage, 2031, 1, 9).operations) == {}


def test_a_shop_in_no_list_is_said_to_be_so(stage: Session) -> None:
    reservation = outcomes.asked(stage, tokyo(2031, 1, 8, 10, 0))
    scene.pass_time(stage)
    scene.shop_says(stage, reservation, Answer.VAGUE)
    actions.record_event(stage, reservation.id, e.ShopOk(shop=None, note="花のいずみ"), source="operator")
    ready = e.CheckoutReady(number=1, session=f"cs_{reservation.code}_1")
    actions.record_event(stage, reservation.id, ready, source="stripe")
    scene.page_at_stripe(stage, reservation)
    actions.record_event(stage, reservation.id, e.LinkSent(minutes=10), source="twilio")
    outcomes.pay(stage, reservation, tokyo(2031, 1, 8, 10, 5))

    assert dict(day(stage, 2031, 1, 8).by_shop) == {"一覧にない店舗": 1}


def test_shops_of_one_name_are_told_apart(stage: Session) -> None:
    scene.shop(stage, "S003").name = "フラワー銀座"
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 0))
    outcomes.confirmed(stage, tokyo(2031, 1, 8, 10, 5), service_code="cake", plan_code="4")

    assert set(day(stage, 2031, 1, 8).by_shop) == {"フラワー銀座（S001）", "フラワー銀座（S003）"}


# The boundaries of Tokyo's days and months


def last_moment(until: datetime) -> datetime:
    return until - timedelta(seconds=1)


def test_the_last_second_of_a_day_is_that_days_and_the_next_one_the_next_days(stage: Session) -> None:
    midnight = tokyo(2031, 1, 9)  # 15:00 the day before in UTC
    outcomes.asked(stage, last_moment(midnight))
    outcomes.asked(stage, midnight)
    # 9:00 in Tokyo is where UTC's day begins: nothing turns there.
    outcomes.asked(stage, tokyo(2031, 1, 9, 8, 59, 59))
    outcomes.asked(stage, tokyo(2031, 1, 9, 9, 0))

    assert [day(stage, 2031, 1, number).requested for number in (8, 9, 10)] == [1, 3, 0]


def test_paid_before_midnight_and_given_back_after_it_are_two_months_money(stage: Session) -> None:
    reservation = outcomes.linked(stage, tokyo(2031, 1, 31, 19, 50))
    outcomes.pay(stage, reservation, tokyo(2031, 1, 31, 19, 59, 59))
    refund = outcomes.cancelled(stage, reservation, last_moment(tokyo(2031, 2, 1)))
    outcomes.refund(stage, refund, tokyo(2031, 2, 1))

    january, february = month(stage, 2031, 1), month(stage, 2031, 2)
    assert (january.sales, february.sales) == (5500, -5500)
    # Whoever cancels, cancels when he says so.
    assert (january.cancelled, february.cancelled) == (Rate(1, 1), Rate(0, 0))


def test_the_leap_day_is_februarys(stage: Session) -> None:
    leap = tokyo(2032, 2, 29, 23, 59, 59)
    outcomes.asked(stage, leap)
    outcomes.asked(stage, tokyo(2032, 3, 1))

    assert (month(stage, 2032, 2).requested, month(stage, 2032, 3).requested) == (1, 1)
    assert day(stage, 2032, 2, 29).requested == 1


def test_the_year_ends_in_tokyo(stage: Session) -> None:
    outcomes.asked(stage, tokyo(2031, 12, 31, 23, 59, 59))
    outcomes.asked(stage, tokyo(2032, 1, 1))

    assert (month(stage, 2031, 12).requested, month(stage, 2032, 1).requested) == (1, 1)
