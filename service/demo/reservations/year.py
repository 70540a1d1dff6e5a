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
from service.demo.reservations.booking import Booking, draw_behaviour
from service.demo.reservations.environment import Environment
from service.demo.reservations.rows import store
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.state_machine.states import FINAL_STATES, State


def fill(db: Session) -> None:
    """Nothing, when there are reservations already."""
    if db.scalars(select(Reservation.id).limit(1)).all():
        return
    now = app_now(db)
    environment = Environment(db, now)
    past, scenes = _past_bookings(environment, now), today.scenes(environment, now)
    for booking in [*past, *(scene.booking for scene in scenes)]:
        environment.simulation.add(booking)
    today.plan(environment, scenes, now)
    environment.simulation.run()
    ids = store(
        db,
        [*(booking for booking in past if _is_settled(booking)), *today.finish(environment, scenes, now)],
    )
    today.begin(db, environment, ids, now)
    # What was filled in this very transaction has no statistics: without them, figures over it are looped through.
    db.execute(text("SET LOCAL enable_nestloop = off"))


def _past_bookings(environment: Environment, now: datetime) -> list[Booking]:
    rng, year = Random(20260216), load("reservations")["year"]
    days, first, last = year["days"], year["first_rate"], year["last_rate"]
    hours, weights = [int(hour) for hour in year["hours"]], [*year["hours"].values()]
    behaviours: list[Mapping[str, Any]] = []
    bookings: list[Booking] = []
    outstanding = 0.0
    for back in range(days, -1, -1):
        day = local_date(now) - back * DAY
        outstanding += first + (last - first) * (days - back) / days
        while outstanding >= 1:
            outstanding -= 1
            asked_at = at(day, time(rng.choices(hours, weights)[0], rng.randrange(60), rng.randrange(60)))
            behaviours = behaviours or _shuffled_behaviours(rng)
            behaviour = behaviours.pop()
            if asked_at < now - timedelta(hours=2):
                bookings.append(_booking(environment, behaviour, asked_at, Random(f"{len(bookings)} {rng.random()}")))
    return bookings


def _shuffled_behaviours(rng: Random) -> list[Mapping[str, Any]]:
    """A hundred, in any order."""
    behaviours = [behaviour for behaviour in load("reservations")["behaviours"] for _ in range(behaviour["share"])]
    rng.shuffle(behaviours)
    return behaviours


def _booking(environment: Environment, data: Mapping[str, Any], asked_at: datetime, rng: Random) -> Booking:
    service = rng.choices([*environment.service_data], [one["share"] for one in environment.service_data.values()])[0]
    behaviour = draw_behaviour(data, rng, 2 * len(environment.orders[service]))
    ahead = 1 + min(int(rng.expovariate(1 / 6)), 40) + (4 if behaviour.cancels is not None else 0)
    hour, minute = rng.randrange(*environment.service_data[service]["hours"]), rng.choice((0, 0, 30))
    return environment.booking(
        service, asked_at, at(local_date(asked_at) + ahead * DAY, time(hour, minute)), behaviour, rng
    )


def _is_settled(booking: Booking) -> bool:
    """Nothing of it is under way: what the demo's vendors know nothing of cannot go on."""
    if booking.case is None or any(operation["resolved_at"] is None for operation in booking.rows[Operation]):
        return False
    return booking.case.state in FINAL_STATES or (booking.case.state is State.CONFIRMED and booking.case.call is None)
