"""People and the time at the same thing in the same moment: one of them does it, the others see that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.core import edits
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.problems import Conflict, Stale
from service.reservations.desk import actions as desk
from service.reservations.desk import schemas as at_the_desk
from service.reservations.events.rules import Answer, State, Task
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Payment, Reservation, TimelineEvent
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.queue import actions as queue
from tests import people
from tests.api.reservations import scene


def cancelled_at_the_desk(db: Session, by: Actor, code: str, version: int) -> None:
    desk.cancel(db, by, code, at_the_desk.Cancellation(version=version, reason="お客様の希望"))


def at_once(several: Engine, *work: Callable[[Session], object]) -> list[object]:
    """Each in a transaction of its own; what came of it, a refusal included."""
    together = threading.Barrier(len(work))

    def do(one: Callable[[Session], object]) -> object:
        try:
            with Session(several) as db, db.begin():
                app_now(db)  # so that all of them are connected
                together.wait()
                return one(db)
        except (Conflict, Stale) as refused:
            return refused

    with ThreadPoolExecutor(len(work)) as crowd:
        return list(crowd.map(do, work))


def test_of_two_operators_who_claim_a_task_at_once_one_has_it(several: Engine) -> None:
    with Session(several) as db, db.begin():
        reservation = scene.ask(db)
        task = operations.open_operation(db, reservation.id, reservation.code, Task.LATE_CANCEL).id
        operators = [people.actor(db, name, reservations="operator") for name in ("olivia", "oscar", "otto", "ophelia")]

    came = at_once(several, *[lambda db, by=by: queue.claim(db, by, task, edits.Edit(version=1)) for by in operators])

    assert sorted(type(one).__name__ for one in came) == ["NoneType", "Stale", "Stale", "Stale"]
    winner = operators[[one is None for one in came].index(True)]
    with Session(several) as db:
        operation = db.get_one(Operation, task)
        assert (operation.owner_id, operation.version) == (winner.user_id, 2)
        claims = select(func.count()).where(OperationEvent.operation_id == task, OperationEvent.kind == "claimed")
        assert db.scalar(claims) == 1
    for refused in came:
        if isinstance(refused, Stale):
            assert refused.current["owner"]["name"] == winner.name


def test_that_a_task_is_late_is_told_once_however_many_watch(several: Engine) -> None:
    with Session(several) as db, db.begin():
        reservation = scene.ask(db)
        operations.open_operation(db, reservation.id, reservation.code, Task.VAGUE_ANSWER)
        scene.set_clock(db, app_now(db) + timedelta(hours=2))

    told = at_once(several, *[queue.notify_due_operations] * 6)

    assert sorted(map(int, map(str, told))) == [0, 0, 0, 0, 0, 1]
    with Session(several) as db:
        titles = db.scalars(select(OutboxMessage.title).where(OutboxMessage.topic == "slack")).all()
        assert len([title for title in titles if "期限を過ぎました" in title]) == 1


def test_an_operator_and_the_time_at_once_do_one_thing(several: Engine) -> None:
    """At the deadline the operator cancels on what was read before it: whichever is first has it, and an operator who
    is second is told what it is by now."""
    for _ in range(4):
        with Session(several) as db, db.begin():
            made = scene.awaiting(db)
            code, version, reservation_id = made.code, made.version, made.id
            by = people.actor(db, f"olivia-{reservation_id}", reservations="operator")
            scene.set_clock(db, app_now(db) + timedelta(minutes=10))

        _, cancelled = at_once(
            several,
            lambda db: flow.advance_due(db, 10),
            partial(cancelled_at_the_desk, by=by, code=code, version=version),
        )

        with Session(several) as db:
            kept = select(TimelineEvent.kind).where(
                TimelineEvent.reservation_id == reservation_id, TimelineEvent.state == "expiring"
            )
            kinds = db.scalars(kept.order_by(TimelineEvent.number)).all()
            expires = select(func.count()).where(
                OutboxMessage.subject_id == code, OutboxMessage.payload["do"].astext == "expire"
            )
            assert db.scalar(expires) == 1
            assert State(db.get_one(Reservation, reservation_id).state) is State.EXPIRING
        if isinstance(cancelled, Stale):
            assert kinds == ["deadline_passed"]
            assert cancelled.current["state"] == "決済の締め切り処理中"
        else:
            assert (cancelled, kinds) == (None, ["cancel_asked"])


def test_two_operators_who_take_a_vague_shop_s_word_at_once_make_one_page_to_pay_on(several: Engine) -> None:
    with Session(several) as db, db.begin():
        made = scene.ask(db)
        scene.pass_time(db)
        shop = scene.shop_says(db, made, Answer.VAGUE).shop_id
        code, version, reservation_id = made.code, made.version, made.id
        operators = [people.actor(db, name, reservations="operator") for name in ("olivia", "oscar", "otto")]

    word = at_the_desk.ShopAgreed(version=version, shop_id=shop)
    came = at_once(several, *[lambda db, by=by: desk.record_shop_ok(db, by, code, word) for by in operators])

    assert sorted(type(one).__name__ for one in came) == ["NoneType", "Stale", "Stale"]
    with Session(several) as db:
        payments = select(func.count()).where(Payment.reservation_id == reservation_id)
        assert db.scalar(payments) == 1
