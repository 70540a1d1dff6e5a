"""Operators and ticks that act on the same subject at the same time: one of them succeeds, the others see its
result."""

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
from service.reservations.desk import schemas as desk_schemas
from service.reservations.flow import actions as flow
from service.reservations.models import Reservation, TimelineEvent
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.outgoing.models import Payment
from service.reservations.queue import actions as queue
from service.reservations.state_machine.states import Answer, State, Task
from tests import people
from tests.api.reservations import scene
from tests.reservation_locks import SCENE


def cancel_at_desk(db: Session, by: Actor, code: str, version: int) -> None:
    desk.cancel(db, by, code, desk_schemas.Cancellation(version=version, reason="お客様の希望"))


def run_concurrently(pooled_engine: Engine, *jobs: Callable[[Session], object]) -> list[object]:
    """Runs each in a transaction of its own. Returns their results, refusals included."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[Session], object]) -> object:
        try:
            with Session(pooled_engine) as db, db.begin():
                app_now(db)  # so that all of them are connected
                barrier.wait()
                return job(db)
        except (Conflict, Stale) as refused:
            return refused

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_of_two_operators_who_claim_a_task_at_once_one_has_it(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        reservation = scene.create_reservation(db)
        task = operations.open_operation(db, reservation.id, reservation.code, Task.LATE_CANCEL).id
        operators = [
            people.create_actor(db, name, reservations="operator") for name in ("olivia", "oscar", "otto", "ophelia")
        ]

    results = run_concurrently(
        pooled_engine, *[lambda db, by=by: queue.claim(db, by, task, edits.Edit(version=1)) for by in operators]
    )

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Stale", "Stale", "Stale"]
    winner = operators[[result is None for result in results].index(True)]
    with Session(pooled_engine) as db:
        operation = db.get_one(Operation, task)
        assert (operation.owner_id, operation.version) == (winner.user_id, 2)
        claims = select(func.count()).where(OperationEvent.operation_id == task, OperationEvent.kind == "claimed")
        assert db.scalar(claims) == 1
    for refused in results:
        if isinstance(refused, Stale):
            assert refused.current["owner"]["name"] == winner.name


def test_a_late_task_is_notified_once_by_concurrent_ticks(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        reservation = scene.create_reservation(db)
        operations.open_operation(db, reservation.id, reservation.code, Task.VAGUE_ANSWER)
        scene.set_clock(db, app_now(db) + timedelta(hours=2))

    counts = run_concurrently(pooled_engine, *[queue.notify_due_operations] * 6)

    assert sorted(map(int, map(str, counts))) == [0, 0, 0, 0, 0, 1]
    with Session(pooled_engine) as db:
        titles = db.scalars(select(OutboxMessage.title).where(OutboxMessage.topic == "slack")).all()
        assert len([title for title in titles if "期限を過ぎました" in title]) == 1


def test_of_an_operator_and_the_deadline_at_once_one_succeeds(pooled_engine: Engine) -> None:
    """At the deadline the operator cancels the version that was read before it: the first one succeeds, and an
    operator who is second sees the new state."""
    for _ in range(4):
        with Session(pooled_engine, info=SCENE) as db, db.begin():
            reservation = scene.awaiting_payment(db)
            code, version, reservation_id = reservation.code, reservation.version, reservation.id
            by = people.create_actor(db, f"olivia-{reservation_id}", reservations="operator")
            scene.set_clock(db, app_now(db) + timedelta(minutes=10))

        _, cancelled = run_concurrently(
            pooled_engine,
            lambda db: flow.advance_due(db, 10),
            partial(cancel_at_desk, by=by, code=code, version=version),
        )

        with Session(pooled_engine) as db:
            query = select(TimelineEvent.kind).where(
                TimelineEvent.reservation_id == reservation_id, TimelineEvent.state == "expiring"
            )
            kinds = db.scalars(query.order_by(TimelineEvent.number)).all()
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


def test_two_operators_who_record_a_vague_shops_ok_at_once_make_one_payment(pooled_engine: Engine) -> None:
    with Session(pooled_engine, info=SCENE) as db, db.begin():
        reservation = scene.create_reservation(db)
        scene.pass_time(db)
        shop = scene.record_shop_answer(db, reservation, Answer.VAGUE).shop_id
        code, version, reservation_id = reservation.code, reservation.version, reservation.id
        operators = [people.create_actor(db, name, reservations="operator") for name in ("olivia", "oscar", "otto")]

    agreement = desk_schemas.ShopAgreed(version=version, shop_id=shop)
    results = run_concurrently(
        pooled_engine, *[lambda db, by=by: desk.record_shop_ok(db, by, code, agreement) for by in operators]
    )

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Stale", "Stale"]
    with Session(pooled_engine) as db:
        payments = select(func.count()).where(Payment.reservation_id == reservation_id)
        assert db.scalar(payments) == 1
