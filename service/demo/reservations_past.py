"""The demo's reservations of the last twelve months, about fifty a month, in the shares that the document estimates:
5 % refused by all shops, 10 % not paid in time, 3 % vague answers, 5 % changes, 2 % late cancellations, 1 % no SMS.

The same for every demo that begins at the same moment. They are history: nothing is sent for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from random import Random

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date
from service.demo import reservations_today as today
from service.demo.reservations_cast import MINUTE, Fate, Life
from service.demo.reservations_stage import DAYS, Stage, store
from service.reservations.events.rules import FINAL_STATES, State, Task
from service.reservations.flow.models import Reservation

# A day's requests at the beginning and at the end, fifty a month on average.
FIRST_RATE, LAST_RATE = 1.2, 2.1
# When people think of it: the hours of a day and how often each.
ASKED_AT = {
    8: 2,
    9: 4,
    10: 6,
    11: 7,
    12: 10,
    13: 7,
    14: 5,
    15: 5,
    16: 5,
    17: 7,
    18: 8,
    19: 8,
    20: 7,
    21: 6,
    22: 4,
    23: 2,
}
SHARES = {"bouquet": 45, "cake": 35, "platter": 20}
_HOURS = {"bouquet": (10, 19), "cake": (11, 19), "platter": (11, 18)}


_NOES = ("refused", "no_answer", "refused", "busy", "refused", "voicemail")


def fill(db: Session) -> None:
    """Nothing, when there are reservations already."""
    if db.scalars(select(Reservation.id).limit(1)).all():
        return
    now = app_now(db)
    stage = Stage(db, now)
    past, scenes = _asked_for(stage, now), today.scenes(stage, now)
    for life in past:
        stage.world.add(life)
    today.play(stage, scenes, now)
    stage.world.run()
    ids = store(db, [*(life for life in past if _is_settled(life)), *today.finish(stage, scenes, now)])
    today.begin(db, stage, ids, now)
    # What was filled in this very transaction has no statistics: without them, figures over it are looped through.
    db.execute(text("SET LOCAL enable_nestloop = off"))


def _asked_for(stage: Stage, now: datetime) -> list[Life]:
    chance = Random(20260212)
    last = local_date(now)
    fates: list[Callable[[Random, int], Fate]] = []
    lives: list[Life] = []
    owed = 0.0
    for back in range(DAYS, -1, -1):
        day = last - back * DAY
        owed += FIRST_RATE + (LAST_RATE - FIRST_RATE) * (DAYS - back) / DAYS
        while owed >= 1:
            owed -= 1
            asked_at = at(day, time(chance.choices([*ASKED_AT], [*ASKED_AT.values()])[0], chance.randrange(60)))
            asked_at += timedelta(seconds=chance.randrange(60))
            service = chance.choices([*SHARES], [*SHARES.values()])[0]
            starts_at = _wanted(service, day, chance)
            if not fates:
                fates = _deck(chance)
            make = fates.pop()
            if asked_at >= now - timedelta(hours=2):
                continue
            own_chance = Random(f"{len(lives)} {chance.random()}")
            fate = make(own_chance, 2 * len(stage.orders[service]))
            if fate.cancels is not None:
                starts_at += 4 * DAY
            lives.append(stage.life(service, asked_at, starts_at, fate, own_chance))
    return lives


def _wanted(service: str, day: date, chance: Random) -> datetime:
    opens, closes = _HOURS[service]
    ahead = 1 + min(int(chance.expovariate(1 / 6)), 40)
    return at(day + ahead * DAY, time(chance.randrange(opens, closes), chance.choice((0, 0, 30))))


def _pays(chance: Random) -> timedelta:
    return timedelta(seconds=min(40 + chance.expovariate(1 / 130), 560))


def _deck(chance: Random) -> list[Callable[[Random, int], Fate]]:
    """A hundred fates in the document's shares, in any order."""
    shares: list[tuple[Callable[[Random, int], Fate], int]] = [
        (_refused, 5), (_late_payer, 10), (_vague, 3), (_change, 5), (_late_cancel, 2), (_no_sms, 1),
        (_cancelled, 4), (_left, 2), (_plain, 68),
    ]  # fmt: skip
    listed = [make for make, share in shares for _ in range(share)]
    chance.shuffle(listed)
    return listed


def _plain(chance: Random, _: int) -> Fate:
    return Fate(pays=_pays(chance))


def _refused(chance: Random, calls: int) -> Fate:
    does = chance.choices(("cancelled", "rearranged", "unlisted"), (5, 3, 2))[0]
    after = chance.randrange(18, 50) * MINUTE
    noes = tuple(chance.choice(_NOES) for _ in range(calls))
    return Fate(answers=noes, pays=_pays(chance), people={Task.ALL_SHOPS_REFUSED: (does, after)})


def _late_payer(chance: Random, _: int) -> Fate:
    return Fate(pays=None)


def _vague(chance: Random, _: int) -> Fate:
    does = "agreed" if chance.random() < 0.6 else "refused"
    people = {Task.VAGUE_ANSWER: (does, chance.randrange(12, 75) * MINUTE)}
    return Fate(answers=("vague",), pays=_pays(chance), people=people)


def _change(chance: Random, _: int) -> Fate:
    does = "accepted" if chance.random() < 0.7 else "declined"
    people = {Task.CHANGE_REQUESTED: (does, chance.randrange(20, 140) * MINUTE)}
    return Fate(answers=("change_requested",), pays=_pays(chance), people=people)


def _late_cancel(chance: Random, _: int) -> Fate:
    people = {Task.LATE_CANCEL: (chance.choice(("let_off", "explained")), chance.randrange(25, 110) * MINUTE)}
    return Fate(pays=_pays(chance), cancels=timedelta(hours=chance.randrange(20, 44)), people=people)


def _no_sms(chance: Random, _: int) -> Fate:
    people = {Task.SMS_FAILED: ("mail", chance.randrange(10, 28) * MINUTE)}
    return Fate(takes_sms=False, pays=_pays(chance), people=people)


def _cancelled(chance: Random, _: int) -> Fate:
    return Fate(pays=_pays(chance), cancels=timedelta(hours=chance.randrange(50, 90)))


def _left(chance: Random, _: int) -> Fate:
    return Fate(leaves=timedelta(seconds=chance.randrange(20, 90)))


def _is_settled(life: Life) -> bool:
    """Nothing of it is under way: what the demo's vendors know nothing of cannot go on."""
    if life.case is None or any(one["resolved_at"] is None for one in life.operations):
        return False
    return life.case.state in FINAL_STATES or (life.case.state is State.CONFIRMED and life.case.call is None)
