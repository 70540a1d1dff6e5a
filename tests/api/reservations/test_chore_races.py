"""定期作業 that an administrator changes while the tick plans the coming weeks."""

from __future__ import annotations

from sqlalchemy import Engine, delete, select, text
from sqlalchemy.orm import Session

from service.reservations.chores import actions
from service.reservations.chores.models import Chore, ChoreTurn
from service.reservations.chores.rules import Rhythm
from tests import people
from tests.concurrent_transactions import run_concurrently


def test_ending_a_chore_and_planning_it_do_not_deadlock(pooled_engine: Engine) -> None:
    with Session(pooled_engine) as db, db.begin():
        actions.plan(db)
        chore_id = db.scalars(select(Chore.id).where(Chore.rhythm == Rhythm.DAILY).order_by(Chore.id)).first()
        assert chore_id is not None
        # So that the tick plans it again, which locks the chore against its removal.
        db.execute(delete(ChoreTurn).where(ChoreTurn.chore_id == chore_id))
        alice = people.create_actor(db, "alice", reservations="admin")

    with Session(pooled_engine) as tick:
        # The first lock of planning.
        tick.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations chores'))"))
        run_concurrently(pooled_engine, tick, lambda db: actions.end(db, alice, chore_id), lambda: actions.plan(tick))

    with Session(pooled_engine) as db:
        assert db.get_one(Chore, chore_id).archived_at is not None
        assert (
            db.scalars(select(ChoreTurn.id).where(ChoreTurn.chore_id == chore_id, ChoreTurn.outcome.is_(None))).all()
            == []
        )
