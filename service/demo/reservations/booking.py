"""A reservation of the demo: who asks for what, how everybody reacts, and the rows that it leaves."""

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
class Behaviour:
    """How everybody reacts. `answers`: of the calls, in order, before shops answer in their own way. `pays`: after the
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


def draw_behaviour(data: Mapping[str, Any], rng: Random, calls: int) -> Behaviour:
    """Of what the file says about it; `calls`: how many there are at most."""
    answers = data.get("answers", ())
    if "all_answers" in data:
        answers = [rng.choice(data["all_answers"]) for _ in range(calls)]
    cancels, leaves = (_draw(data.get(name), rng) for name in ("cancels", "leaves"))
    people = {}
    for task, work in data.get("people", {}).items():
        action = rng.choices([*work["actions"]], [*work["actions"].values()])[0]
        people[Task(task)] = (action, rng.randrange(*work["minutes"]) * MINUTE)
    return Behaviour(
        answers,
        timedelta(seconds=min(40 + rng.expovariate(1 / 130), 560)) if data.get("pays", True) else None,
        data.get("takes_sms", True),
        None if cancels is None else timedelta(hours=cancels),
        None if leaves is None else leaves * SECOND,
        data.get("refund_fails", False),
        people,
    )


def _draw(value: Any, rng: Random) -> Any:
    return rng.randrange(*value) if isinstance(value, list) else value


@dataclass(frozen=True)
class CalledShop:
    """`data`: its ways on the telephone, as the file has them."""

    shop: Shop
    data: Mapping[str, Any]

    @property
    def line(self) -> PhoneLine:
        closed = frozenset(self.shop.closed_weekdays or ())
        return PhoneLine(opens_at=self.shop.opens_at, closes_at=self.shop.closes_at, closed_weekdays=closed)

    def answer(self, hour: int, rng: Random) -> str:
        """How it answers at this hour in Tokyo."""
        answers: Mapping[str, float] = self.data["answers"]
        away = self.data["away"].get(str(hour))
        if away is None:
            away = 100 - sum(answers.values())
        shares = {"no_answer": away} | {
            answer: share * (100 - away) / sum(answers.values()) for answer, share in answers.items()
        }
        return rng.choices([*shares], [*shares.values()])[0]


@dataclass(eq=False)
class Booking:
    """A simulated reservation. `order`: the shops as they were called when it was asked for."""

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
    behaviour: Behaviour
    rng: Random
    case: Case | None = None
    # Columns of the reservation that the case does not have.
    values: Row = field(default_factory=lambda: {"version": 0, "shop_note": ""})
    # Of each table, without the reservation's id; a task's events stand in its row.
    rows: dict[Any, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @property
    def current_case(self) -> Case:
        if self.case is None:
            raise RuntimeError(f"{self.code} has not been asked for yet")
        return self.case

    def add(self, table: Any, **values: Any) -> Row:
        self.rows[table].append(values)
        return values
