"""The demo's reservations of the last twelve months, about fifty a month, in the shares that the document estimates.

The same for every demo that begins at the same moment. They are history: nothing is sent for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from random import Random
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date
from service.demo.files import load
from service.demo.reservations import today
from service.demo.reservations.ground import Ground
from service.demo.reservations.life import Life, draw_fate
from service.demo.reservations.rows import store
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.state_machine.states import FINAL_STATES, State


def fill(db: Session) -> None:
    """Nothing, when there are reservations already."""
    if db.scalars(select(Reservation.id).limit(1)).all():
        return
    now = app_now(db)
    ground = Ground(db, now)
    past, scenes = _asked_for(ground, now), today.scenes(ground, now)
    for life in [*past, *(scene.life for scene in scenes)]:
        ground.world.add(life)
    today.plan(ground, scenes, now)
    ground.world.run()
    ids = store(db, [*(life for life in past if _is_settled(life)), *today.finish(ground, scenes, now)])
    today.begin(db, ground, ids, now)
    # What was filled in this very transaction has no statistics: without them, figures over it are looped through.
    db.execute(text("SET LOCAL enable_nestloop = off"))


def _asked_for(ground: Ground, now: datetime) -> list[Life]:
    chance, year = Random(20260216), load("reservations")["year"]
    days, first, last = year["days"], year["first_rate"], year["last_rate"]
    hours, weights = [int(hour) for hour in year["hours"]], [*year["hours"].values()]
    deck: list[Mapping[str, Any]] = []
    lives: list[Life] = []
    owed = 0.0
    for back in range(days, -1, -1):
        day = local_date(now) - back * DAY
        owed += first + (last - first) * (days - back) / days
        while owed >= 1:
            owed -= 1
            asked_at = at(day, time(chance.choices(hours, weights)[0], chance.randrange(60), chance.randrange(60)))
            deck = deck or _shuffled_fates(chance)
            told = deck.pop()
            if asked_at < now - timedelta(hours=2):
                lives.append(_life(ground, told, asked_at, Random(f"{len(lives)} {chance.random()}")))
    return lives


def _shuffled_fates(chance: Random) -> list[Mapping[str, Any]]:
    """A hundred, in any order."""
    listed = [told for told in load("reservations")["fates"] for _ in range(told["share"])]
    chance.shuffle(listed)
    return listed


def _life(ground: Ground, told: Mapping[str, Any], asked_at: datetime, chance: Random) -> Life:
    service = chance.choices([*ground.told], [one["share"] for one in ground.told.values()])[0]
    fate = draw_fate(told, chance, 2 * len(ground.orders[service]))
    ahead = 1 + min(int(chance.expovariate(1 / 6)), 40) + (4 if fate.cancels is not None else 0)
    hour, minute = chance.randrange(*ground.told[service]["hours"]), chance.choice((0, 0, 30))
    return ground.life(service, asked_at, at(local_date(asked_at) + ahead * DAY, time(hour, minute)), fate, chance)


def _is_settled(life: Life) -> bool:
    """Nothing of it is under way: what the demo's vendors know nothing of cannot go on."""
    if life.case is None or any(one["resolved_at"] is None for one in life.rows[Operation]):
        return False
    return life.case.state in FINAL_STATES or (life.case.state is State.CONFIRMED and life.case.call is None)
