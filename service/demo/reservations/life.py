"""A reservation of the demo: who asks for what, what the world does about it, and the rows that it leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from service.core.access.auth import Actor
from service.demo.files import Row
from service.reservations.models import Plan, Service, Shop
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.shop_search import PhoneLine
from service.reservations.state_machine.states import Task

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Fate:
    """What the world does. `answers`: of the calls, in order, before shops answer in their own way. `pays`: after the
    link; None: never. `cancels`: how long before its time the customer does. `people`: what operators find out about a
    task, and after how much working time; a task that is not named is left to them.
    """

    answers: Sequence[str]
    pays: timedelta | None
    takes_sms: bool
    cancels: timedelta | None
    leaves: timedelta | None
    refund_fails: bool
    people: Mapping[Task, tuple[str, timedelta]]


def draw_fate(told: Mapping[str, Any], chance: Random, calls: int) -> Fate:
    """Of what the file says about it; `calls`: how many there are at most."""
    answers = told.get("answers", ())
    if "all_answers" in told:
        answers = [chance.choice(told["all_answers"]) for _ in range(calls)]
    cancels, leaves = (_draw(told.get(name), chance) for name in ("cancels", "leaves"))
    people = {}
    for task, work in told.get("people", {}).items():
        does = chance.choices([*work["does"]], [*work["does"].values()])[0]
        people[Task(task)] = (does, chance.randrange(*work["minutes"]) * MINUTE)
    return Fate(
        answers,
        timedelta(seconds=min(40 + chance.expovariate(1 / 130), 560)) if told.get("pays", True) else None,
        told.get("takes_sms", True),
        None if cancels is None else timedelta(hours=cancels),
        None if leaves is None else leaves * SECOND,
        told.get("refund_fails", False),
        people,
    )


def _draw(value: Any, chance: Random) -> Any:
    return chance.randrange(*value) if isinstance(value, list) else value


@dataclass(frozen=True)
class CalledShop:
    """`told`: its ways on the telephone, as the file has them."""

    shop: Shop
    told: Mapping[str, Any]

    @property
    def line(self) -> PhoneLine:
        closed = frozenset(self.shop.closed_weekdays or ())
        return PhoneLine(opens_at=self.shop.opens_at, closes_at=self.shop.closes_at, closed_weekdays=closed)

    def answer(self, hour: int, chance: Random) -> str:
        """How it answers at this hour in Tokyo."""
        answers: Mapping[str, float] = self.told["answers"]
        away = self.told["away"].get(str(hour))
        if away is None:
            away = 100 - sum(answers.values())
        shares = {"no_answer": away} | {
            answer: share * (100 - away) / sum(answers.values()) for answer, share in answers.items()
        }
        return chance.choices([*shares], [*shares.values()])[0]


@dataclass(eq=False)
class Life:
    """`order`: the shops as they were called when it was asked for."""

    code: str
    at: datetime
    service: Service
    plan: Plan
    starts_at: datetime
    order: tuple[int, ...]
    customer: str
    phone: str
    mail: str
    wishes: str
    assistant_id: int | None
    by: Actor | None
    fate: Fate
    chance: Random
    case: Case | None = None
    # Columns of the reservation that the case does not have.
    values: Row = field(default_factory=lambda: {"version": 0, "shop_note": ""})
    # Of each table, without the reservation's id; a task's events stand in its row.
    rows: dict[Any, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @property
    def now(self) -> Case:
        if self.case is None:
            raise RuntimeError(f"{self.code} has not been asked for yet")
        return self.case

    def add(self, table: Any, **values: Any) -> Row:
        self.rows[table].append(values)
        return values
