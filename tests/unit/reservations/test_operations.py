"""Targets of 手動対応 (2.3.2): 緊急 around the clock, all others in business hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from service.core.values import targets
from service.core.values.targets import NEAR, read
from service.core.values.times import TOKYO
from service.core.values.working_time import add_working_time, calendar
from service.reservations.desk.rules import effect_text, is_waiting_for, without_tokens
from service.reservations.operations.rules import PRIORITIES, TARGETS, Priority, is_business_hours
from service.reservations.queue.rules import ESTIMATED_MINUTES, PROCEDURES
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.states import Purpose, State, Task

# Monday, Coming of Age Day.
HOLIDAYS = frozenset({date(2031, 1, 13)})
BUSINESS, ALWAYS = calendar("business", HOLIDAYS), calendar("always", HOLIDAYS)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2031, 1, day, hour, minute, tzinfo=TOKYO)


def due_time(priority: Priority, opened: datetime) -> datetime:
    target = TARGETS[priority]
    return target.due_at(opened, ALWAYS if target.calendar == "always" else BUSINESS)


def test_priorities_and_targets_match_the_specification() -> None:
    assert PRIORITIES[Task.SMS_FAILED] == PRIORITIES[Task.PAYMENT_TROUBLE] == Priority.URGENT
    assert PRIORITIES[Task.ALL_SHOPS_REFUSED] == PRIORITIES[Task.VAGUE_ANSWER] == Priority.HIGH
    assert PRIORITIES[Task.CHANGE_REQUESTED] == PRIORITIES[Task.LATE_CANCEL] == Priority.MEDIUM
    assert PRIORITIES[Task.CUSTOMER_ENQUIRY] == Priority.LOW
    spans = {priority: target.span for priority, target in TARGETS.items()}
    assert spans == {
        Priority.URGENT: timedelta(minutes=30),
        Priority.HIGH: timedelta(hours=1),
        Priority.MEDIUM: timedelta(hours=2),
        Priority.LOW: timedelta(hours=24),
    }


@pytest.mark.parametrize(
    ("priority", "opened", "expected"),
    [
        (Priority.URGENT, at(11, 2, 50), at(11, 3, 20)),  # a Saturday night
        (Priority.HIGH, at(8, 10), at(8, 11)),
        (Priority.HIGH, at(10, 17, 30), at(14, 9, 30)),  # over the weekend and the holiday
        (Priority.HIGH, at(11, 12), at(14, 10)),
        (Priority.MEDIUM, at(8, 20), at(9, 11)),
        (Priority.LOW, at(9, 9), at(14, 15)),  # nine hours of Thursday and Friday, six of Tuesday
    ],
)
def test_targets_count_only_working_time(priority: Priority, opened: datetime, expected: datetime) -> None:
    assert due_time(priority, opened) == expected


def test_the_warning_comes_after_three_quarters_of_the_span() -> None:
    target, opened = TARGETS[Priority.HIGH], at(10, 17, 30)
    warn_at = add_working_time(opened, target.span - target.span / NEAR, BUSINESS)
    assert warn_at == at(14, 9, 15)
    due_at = target.due_at(opened, BUSINESS)
    states = [read(target, due_at, now, BUSINESS).state for now in (at(12, 12), at(14, 9, 14), warn_at, at(14, 9, 31))]
    assert states == [targets.State.RUNNING, targets.State.RUNNING, targets.State.NEAR, targets.State.OVERDUE]


def test_nights_weekends_and_holidays_are_not_business_hours() -> None:
    times = [at(8, 9), at(8, 17, 59), at(8, 18), at(8, 8, 59), at(11, 12), at(13, 12)]
    assert [is_business_hours(BUSINESS, time) for time in times] == [True, True, False, False, False, False]


def test_every_task_has_a_procedure_and_some_have_an_estimate() -> None:
    assert set(PROCEDURES) == set(Task)
    assert all(steps and all(step.endswith(("。", "）。")) for step in steps) for steps in PROCEDURES.values())
    assert ESTIMATED_MINUTES[Task.LATE_CANCEL] == "20〜30分"


def test_a_task_that_a_reservation_waits_for_cannot_be_closed() -> None:
    case = Case(state=State.PENDING_SHOP_RESPONSE, since=at(8, 10), starts_at=at(15, 10), price=5500, order=(1,))
    assert is_waiting_for(case, Task.VAGUE_ANSWER)
    assert not is_waiting_for(case, Task.CUSTOMER_ENQUIRY)
    assert not is_waiting_for(case.model_copy(update={"state": State.CALLING}), Task.VAGUE_ANSWER)
    assert is_waiting_for(case.model_copy(update={"refund_fails": True}), Task.REFUND_FAILED)


def test_every_effect_has_its_own_text() -> None:
    effects: list[e.Effect] = [
        e.ToCustomer(purpose=Purpose.CONFIRMED),
        e.ToShop(purpose=Purpose.HELD, shop=1),
        e.ToShop(purpose=Purpose.HELD, shop=None),
        e.Call(number=1, shop=1),
        e.StopCall(number=1),
        e.Checkout(number=1, amount=5500),
        e.Expire(session="cs"),
        e.Refund(number=1, intent="pi", amount=5500),
        e.ForPeople(task=Task.DISPUTE),
        e.Solved(tasks=(Task.DISPUTE,)),
    ]
    effect_texts = [
        effect_text({"kind": type(effect).__name__, **effect.model_dump(mode="json")}, {1: "花"}) for effect in effects
    ]
    assert effect_texts[:3] == [
        "依頼者へ予約確定のお知らせ（SMS）",
        "花へ仮予約のお知らせ（メール）",
        "一覧にない店舗へ仮予約のお知らせ（電話などで）",
    ]
    assert len(set(effect_texts)) == len(effect_texts)


def test_tokens_in_urls_of_a_shown_message_are_removed() -> None:
    text = without_tokens("https://example.jp/pay/AbC-12_x と https://example.jp/cancel/zzz まで")
    assert text == "https://example.jp/pay/… と https://example.jp/cancel/… まで"
