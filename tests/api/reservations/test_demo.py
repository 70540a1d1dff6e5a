"""The demo's reservations: each could have happened, whatever the time at which the demo starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.demo.reservations import payments
from service.reservations.flow import queries
from service.reservations.incidents.models import Incident
from service.reservations.models import Reservation, Shop, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.roster.models import Shift
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.events import EVENT_ADAPTER
from service.reservations.state_machine.states import FINAL_STATES, SHOP_SEARCH_STATES, Answer, State, Task
from stack.home import Home
from tests import people
from tests.api.reservations.demo import EVERYDAY_COUNT, START_TIMES, StartTime, fill_demo
from tests.conftest import seeded_database


@pytest.fixture(scope="module")
def demo_databases(running_servers: Home) -> Iterator[Callable[[StartTime], Engine]]:
    """A database for each start time, filled by a demo that starts then; tests that only read share it."""
    with ExitStack() as stack:

        @cache
        def engine_for(start_time: StartTime) -> Engine:
            name = f"genba_demo_{'_'.join(map(str, start_time))}"
            return stack.enter_context(seeded_database(running_servers, name, lambda db: fill_demo(db, start_time)))

        yield engine_for


AT_EACH_START_TIME = pytest.mark.parametrize(
    "start_time",
    [
        *START_TIMES[:EVERYDAY_COUNT],
        *(pytest.param(start_time, marks=pytest.mark.deep) for start_time in START_TIMES[EVERYDAY_COUNT:]),
    ],
    indirect=True,
)


@pytest.fixture
def start_time(request: pytest.FixtureRequest) -> StartTime:
    value: StartTime = getattr(request, "param", START_TIMES[0])
    return value


@pytest.fixture
def _engine(demo_databases: Callable[[StartTime], Engine], start_time: StartTime) -> Engine:
    """A test's changes are rolled back, as everywhere."""
    return demo_databases(start_time)


def read_timelines(db: Session) -> dict[int, list[TimelineEvent]]:
    timelines: dict[int, list[TimelineEvent]] = {}
    for event in db.scalars(select(TimelineEvent).order_by(TimelineEvent.reservation_id, TimelineEvent.number)):
        timelines.setdefault(event.reservation_id, []).append(event)
    return timelines


@AT_EACH_START_TIME
def test_every_timeline_folds_into_the_case_that_is_stored(db: Session) -> None:
    now, timelines = app_now(db), read_timelines(db)
    stored = {reservation.id: reservation for reservation in db.scalars(select(Reservation))}
    assert timelines.keys() == stored.keys()
    for key, events in timelines.items():
        outcome = None
        for event, (_, _, outcome) in zip(
            events,
            machine.replay((event.at, EVENT_ADAPTER.validate_python(event.event)) for event in events),
            strict=True,
        ):
            assert (event.state, event.ignored) == (outcome.case.state.value, outcome.ignored)
        assert outcome is not None
        assert queries.case_of(stored[key]) == outcome.case
        assert [event.at for event in events] == sorted(event.at for event in events)
        assert events[-1].at <= now


@AT_EACH_START_TIME
def test_the_demo_has_each_state_each_kind_of_task_and_an_on_call_shift(db: Session) -> None:
    assert set(db.scalars(select(Reservation.state))) == {state.value for state in State}
    now, open_tasks = app_now(db), db.scalars(select(Operation).where(Operation.resolved_at.is_(None))).all()
    assert {task.kind for task in open_tasks} >= {
        Task.ALL_SHOPS_REFUSED,
        Task.SMS_FAILED,
        Task.CUSTOMER_ENQUIRY,
        Task.VAGUE_ANSWER,
        Task.CHANGE_REQUESTED,
        Task.LATE_CANCEL,
        Task.REFUND_FAILED,
    }
    assert any(task.owner_id is None for task in open_tasks)
    assert any(task.owner_id is not None for task in open_tasks)
    assert any(task.due_at < now for task in open_tasks)
    assert {incident.level for incident in db.scalars(select(Incident))} == {"critical", "high", "low"}
    shifts = db.scalars(select(Shift).order_by(Shift.starts_at)).all()
    assert all(shift.ends_at <= following.starts_at for shift, following in pairwise(shifts))


def test_only_messages_of_the_newest_reservations_are_unsent(db: Session) -> None:
    unsent = select(OutboxMessage).where(OutboxMessage.sent_at.is_(None))
    newest = db.scalars(select(Reservation).where(Reservation.client_request_id == "demo-now")).one()
    closing = db.scalars(select(Reservation).where(Reservation.state == State.EXPIRING)).one()
    pending = [(message.topic, message.subject_id) for message in db.scalars(unsent)]
    assert {code for _, code in pending} == {newest.code, closing.code}
    assert ("payments", closing.code) in pending
    assert db.scalars(select(Operation).where(Operation.told_at.is_(None))).all() == []
    due = select(Reservation).where(Reservation.next_action_at <= app_now(db) + timedelta(seconds=1))
    assert [reservation.code for reservation in db.scalars(due)] == [newest.code]


def test_the_shares_are_those_of_the_document(db: Session) -> None:
    past = db.scalars(select(Reservation).where(Reservation.client_request_id != "demo-now")).all()
    months = Counter((reservation.created_at.year, reservation.created_at.month) for reservation in past)
    assert 560 < len(past) < 640
    assert all(20 < count < 90 for _, count in sorted(months.items())[1:-1])
    kinds = Counter(operation.kind for operation in db.scalars(select(Operation)))
    one_percent = len(past) / 100
    for task, share in (
        (Task.ALL_SHOPS_REFUSED, 5),
        (Task.VAGUE_ANSWER, 3),
        (Task.CHANGE_REQUESTED, 5),
        (Task.LATE_CANCEL, 2),
        (Task.SMS_FAILED, 1),
    ):
        assert 0.6 * share * one_percent <= kinds[task] <= 1.5 * share * one_percent, task
    timeouts = sum(reservation.state == State.PAYMENT_TIMEOUT for reservation in past)
    assert 8 * one_percent < timeouts < 12 * one_percent
    assert all(
        State(reservation.state) in FINAL_STATES or reservation.next_action_at is not None for reservation in past
    )


def test_calls_were_made_while_shops_answer_and_one_at_a_time(db: Session) -> None:
    shops = {shop.id: shop for shop in db.scalars(select(Shop))}
    busy_until: dict[int, datetime] = {}
    for call in db.scalars(select(PhoneCall).order_by(PhoneCall.planned_at)):
        shop, local = shops[call.shop_id], call.planned_at.astimezone(TOKYO)
        assert shop.opens_at <= local.time() < shop.closes_at
        assert local.isoweekday() not in shop.closed_weekdays
        assert call.ended_at is not None
        assert busy_until.get(call.shop_id, call.planned_at) <= call.planned_at
        busy_until[call.shop_id] = call.ended_at
        assert call.answer in {answer.value for answer in Answer}
        assert (call.answer == Answer.OK) == bool(call.reading and call.answer == "ok" and call.reading["staff"])


def test_money_agrees(db: Session) -> None:
    paid = select(func.sum(Payment.amount)).where(Payment.status == "paid")
    assert db.scalar(paid) == db.scalar(select(func.sum(Reservation.paid)))
    refunded = select(func.sum(Refund.amount)).where(Refund.status == "succeeded")
    assert db.scalar(refunded) == db.scalar(select(func.sum(Reservation.refunded)))
    assert db.scalar(select(func.count()).select_from(Message).where(Message.status == "waiting")) == 2


def test_the_pages_read_it(db: Session, client: TestClient) -> None:
    operator = db.scalars(select(User).where(User.login_id == "reservations-operator")).one()
    signed_in = people.signed_in_client(db, client, operator)
    for state in State:
        body: dict[str, Any] = signed_in.get(f"/api/reservations/reservations?state={state.value}").json()
        code = body["items"][0]["code"]
        detail = signed_in.get(f"/api/reservations/reservations/{code}").json()
        assert detail["timeline"]
        assert all(
            step["agrees"] for step in signed_in.get(f"/api/reservations/reservations/{code}/steps").json()["items"]
        )
        assert bool(detail["operations"]) or State(state) not in SHOP_SEARCH_STATES - {State.REQUESTED, State.CALLING}


def test_the_demos_stripe_has_what_can_still_be_paid_or_refunded(db: Session) -> None:
    sessions = {session["id"]: session for session in payments.open_payments(db)}
    of_reservations = select(Payment).join(Reservation, Reservation.id == Payment.reservation_id)
    for state in (State.AWAITING_PAYMENT, State.EXPIRING, State.CONFIRMED, State.REFUND_PENDING):
        for payment in db.scalars(of_reservations.where(Reservation.state == state)):
            assert sessions[str(payment.session_id)]["intent"] == payment.intent
            assert (payment.intent is None) == (state in (State.AWAITING_PAYMENT, State.EXPIRING))
    waiting = db.scalars(select(Reservation).where(Reservation.state == State.AWAITING_PAYMENT)).one()
    cancel_url = next(
        session["cancel_url"] for session in sessions.values() if session["metadata"]["reservation"] == waiting.code
    )
    assert queries.reservation_by_link(db, "pay", cancel_url.rpartition("/")[2]).code == waiting.code


@pytest.mark.parametrize("start_time", [START_TIMES[1]], indirect=True)
def test_a_reservation_that_waits_for_opening_hours_is_not_shown_as_on_the_telephone(
    db: Session, client: TestClient
) -> None:
    operator = db.scalars(select(User).where(User.login_id == "reservations-operator")).one()
    items = (
        people.signed_in_client(db, client, operator)
        .get("/api/reservations/reservations?state=calling")
        .json()["items"]
    )
    assert [(item["state_title"], item["waits_until"]) for item in items] == [
        ("店舗への電話待ち", "2031-01-09T00:00:00Z")
    ]
