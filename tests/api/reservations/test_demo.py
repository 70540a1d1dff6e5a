"""The demo's reservations: each could have happened, whatever the time at which the demo begins."""

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
from service.demo import reservations_payments
from service.reservations.events.rules import EVENT_ADAPTER, FINAL_STATES, SHOP_SEARCH_STATES, Answer, State, Task
from service.reservations.flow import queries
from service.reservations.flow.models import Payment, PhoneCall, Refund, Reservation, TimelineEvent
from service.reservations.incidents.models import Incident
from service.reservations.machine import rules as machine
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from service.reservations.roster.models import Shift
from service.reservations.shops.models import Shop
from stack.home import Home
from tests import people
from tests.api.reservations.demo import MOMENTS, OF_EVERY_DAY, Moment, begin
from tests.conftest import filled_database


@pytest.fixture(scope="module")
def worlds(running_servers: Home) -> Iterator[Callable[[Moment], Engine]]:
    """A database for each moment, in which the demo has begun then: whoever only looks needs none of their own."""
    with ExitStack() as held:

        @cache
        def begun(moment: Moment) -> Engine:
            name = f"genba_demo_{'_'.join(map(str, moment))}"
            return held.enter_context(filled_database(running_servers, name, lambda db: begin(db, moment)))

        yield begun


AT_EACH_MOMENT = pytest.mark.parametrize(
    "moment",
    [*MOMENTS[:OF_EVERY_DAY], *(pytest.param(one, marks=pytest.mark.deep) for one in MOMENTS[OF_EVERY_DAY:])],
    indirect=True,
)


@pytest.fixture
def moment(request: pytest.FixtureRequest) -> Moment:
    found: Moment = getattr(request, "param", MOMENTS[0])
    return found


@pytest.fixture
def _engine(worlds: Callable[[Moment], Engine], moment: Moment) -> Engine:
    """What a test does there is rolled back, as anywhere else."""
    return worlds(moment)


def lived(db: Session) -> dict[int, list[TimelineEvent]]:
    found: dict[int, list[TimelineEvent]] = {}
    for one in db.scalars(select(TimelineEvent).order_by(TimelineEvent.reservation_id, TimelineEvent.number)):
        found.setdefault(one.reservation_id, []).append(one)
    return found


@AT_EACH_MOMENT
def test_every_timeline_folds_into_the_case_that_is_stored(db: Session) -> None:
    now, timelines = app_now(db), lived(db)
    stored = {one.id: one for one in db.scalars(select(Reservation))}
    assert timelines.keys() == stored.keys()
    for key, events in timelines.items():
        outcome = None
        for one, (_, _, outcome) in zip(
            events, machine.replay((one.at, EVENT_ADAPTER.validate_python(one.event)) for one in events), strict=True
        ):
            assert (one.state, one.ignored) == (outcome.case.state.value, outcome.ignored)
        assert outcome is not None
        assert queries.case_of(stored[key]) == outcome.case
        assert [one.at for one in events] == sorted(one.at for one in events)
        assert events[-1].at <= now


@AT_EACH_MOMENT
def test_there_is_one_in_each_state_a_task_of_each_kind_and_somebody_on_call(db: Session) -> None:
    assert set(db.scalars(select(Reservation.state))) == {state.value for state in State}
    now, waiting = app_now(db), db.scalars(select(Operation).where(Operation.resolved_at.is_(None))).all()
    assert {one.kind for one in waiting} >= {
        Task.ALL_SHOPS_REFUSED, Task.SMS_FAILED, Task.CUSTOMER_ENQUIRY, Task.VAGUE_ANSWER, Task.CHANGE_REQUESTED,
        Task.LATE_CANCEL, Task.REFUND_FAILED,
    }  # fmt: skip
    assert any(one.owner_id is None for one in waiting)
    assert any(one.owner_id is not None for one in waiting)
    assert any(one.due_at < now for one in waiting)
    assert {one.level for one in db.scalars(select(Incident))} == {"critical", "high", "low"}
    shifts = db.scalars(select(Shift).order_by(Shift.starts_at)).all()
    assert all(one.ends_at <= after.starts_at for one, after in pairwise(shifts))


def test_nothing_of_the_past_goes_out_and_what_does_is_of_the_newest(db: Session) -> None:
    open_ = select(OutboxMessage).where(OutboxMessage.sent_at.is_(None))
    newest = db.scalars(select(Reservation).where(Reservation.client_request_id == "demo-now")).one()
    closing = db.scalars(select(Reservation).where(Reservation.state == State.EXPIRING)).one()
    told = [(one.topic, one.subject_id) for one in db.scalars(open_)]
    assert {code for _, code in told} == {newest.code, closing.code}
    assert ("payments", closing.code) in told
    assert db.scalars(select(Operation).where(Operation.told_at.is_(None))).all() == []
    waits = select(Reservation).where(Reservation.next_action_at <= app_now(db) + timedelta(seconds=1))
    assert [one.code for one in db.scalars(waits)] == [newest.code]


def test_the_shares_are_those_of_the_document(db: Session) -> None:
    past = db.scalars(select(Reservation).where(Reservation.client_request_id != "demo-now")).all()
    months = Counter((one.created_at.year, one.created_at.month) for one in past)
    assert 560 < len(past) < 640
    assert all(20 < count < 90 for _, count in sorted(months.items())[1:-1])
    kinds = Counter(one.kind for one in db.scalars(select(Operation)))
    of = len(past) / 100
    for task, share in ((Task.ALL_SHOPS_REFUSED, 5), (Task.VAGUE_ANSWER, 3), (Task.CHANGE_REQUESTED, 5),
                        (Task.LATE_CANCEL, 2), (Task.SMS_FAILED, 1)):  # fmt: skip
        assert 0.6 * share * of <= kinds[task] <= 1.5 * share * of, task
    timeouts = sum(one.state == State.PAYMENT_TIMEOUT for one in past)
    assert 8 * of < timeouts < 12 * of
    assert all(State(one.state) in FINAL_STATES or one.next_action_at is not None for one in past)


def test_calls_were_made_while_shops_answer_and_one_at_a_time(db: Session) -> None:
    shops = {one.id: one for one in db.scalars(select(Shop))}
    until: dict[int, datetime] = {}
    for call in db.scalars(select(PhoneCall).order_by(PhoneCall.planned_at)):
        shop, local = shops[call.shop_id], call.planned_at.astimezone(TOKYO)
        assert shop.opens_at <= local.time() < shop.closes_at
        assert local.isoweekday() not in shop.closed_weekdays
        assert call.ended_at is not None
        assert until.get(call.shop_id, call.planned_at) <= call.planned_at
        until[call.shop_id] = call.ended_at
        assert call.answer in {one.value for one in Answer}
        assert (call.answer == Answer.OK) == bool(call.reading and call.answer == "ok" and call.reading["staff"])


def test_money_agrees(db: Session) -> None:
    paid = select(func.sum(Payment.amount)).where(Payment.status == "paid")
    assert db.scalar(paid) == db.scalar(select(func.sum(Reservation.paid)))
    given_back = select(func.sum(Refund.amount)).where(Refund.status == "succeeded")
    assert db.scalar(given_back) == db.scalar(select(func.sum(Reservation.refunded)))
    assert db.scalar(select(func.count()).select_from(Message).where(Message.status == "waiting")) == 2


def test_the_pages_read_it(db: Session, client: TestClient) -> None:
    operator = db.scalars(select(User).where(User.login_id == "reservations-operator")).one()
    page = people.signed_in(db, client, operator)
    for state in State:
        found: dict[str, Any] = page.get(f"/api/reservations/reservations?state={state.value}").json()
        code = found["items"][0]["code"]
        shown = page.get(f"/api/reservations/reservations/{code}").json()
        assert shown["timeline"]
        assert all(step["agrees"] for step in page.get(f"/api/reservations/reservations/{code}/steps").json()["items"])
        assert bool(shown["operations"]) or State(state) not in SHOP_SEARCH_STATES - {State.REQUESTED, State.CALLING}


def test_the_demos_stripe_knows_what_may_still_be_paid_or_given_back(db: Session) -> None:
    told = {one["id"]: one for one in reservations_payments.known(db)}
    wanted = select(Payment).join(Reservation, Reservation.id == Payment.reservation_id)
    for state in (State.AWAITING_PAYMENT, State.EXPIRING, State.CONFIRMED, State.REFUND_PENDING):
        for payment in db.scalars(wanted.where(Reservation.state == state)):
            assert told[str(payment.session_id)]["intent"] == payment.intent
            assert (payment.intent is None) == (state in (State.AWAITING_PAYMENT, State.EXPIRING))
    waiting = db.scalars(select(Reservation).where(Reservation.state == State.AWAITING_PAYMENT)).one()
    back = next(one["cancel_url"] for one in told.values() if one["metadata"]["reservation"] == waiting.code)
    assert queries.reservation_by_link(db, "pay", back.rpartition("/")[2]).code == waiting.code


@pytest.mark.parametrize("moment", [MOMENTS[1]], indirect=True)
def test_who_waits_for_the_shops_to_open_is_not_said_to_be_on_the_telephone(db: Session, client: TestClient) -> None:
    operator = db.scalars(select(User).where(User.login_id == "reservations-operator")).one()
    found = people.signed_in(db, client, operator).get("/api/reservations/reservations?state=calling").json()["items"]
    assert [(one["state_title"], one["waits_until"]) for one in found] == [("店舗への電話待ち", "2031-01-09T00:00:00Z")]
