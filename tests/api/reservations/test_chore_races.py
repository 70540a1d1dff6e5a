"""定期作業 that somebody changes while the tick plans the coming weeks."""

from __future__ import annotations

from sqlalchemy import Engine, delete, select, text
from sqlalchemy.orm import Session

from service.reservations.chores import actions
from service.reservations.chores.models import Chore, ChoreTurn
from service.reservations.chores.rules import Rhythm
from tests import people
from tests.concurrent_transactions import beside


def test_who_ends_a_chore_and_the_tick_that_plans_it_do_not_wait_in_a_circle(several: Engine) -> None:
    with Session(several) as db, db.begin():
        actions.plan(db)
        chore = db.scalars(select(Chore.id).where(Chore.rhythm == Rhythm.DAILY).order_by(Chore.id)).first()
        assert chore is not None
        # For the tick to plan anew, which locks the chore against its removal.
        db.execute(delete(ChoreTurn).where(ChoreTurn.chore_id == chore))
        alice = people.actor(db, "alice", reservations="admin")

    with Session(several) as tick:
        tick.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations chores'))"))  # what planning begins with
        beside(several, tick, lambda db: actions.end(db, alice, chore), lambda: actions.plan(tick))

    with Session(several) as db:
        assert db.get_one(Chore, chore).archived_at is not None
        assert (
            db.scalars(select(ChoreTurn.id).where(ChoreTurn.chore_id == chore, ChoreTurn.outcome.is_(None))).all() == []
        )
