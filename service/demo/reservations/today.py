"""The demo's present: a reservation in each state, a task of each kind, and who is on call.

Each was lived through like the past, up to now. From here on it goes on by itself: what waits for the time, for a
payment or for a shop is moved on by the jobs and answered by the vendors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.settings import settings
from service.core.values.times import DAY, TOKYO, at, is_business_day, local_date
from service.core.values.working_time import Calendar, working_time_between
from service.demo.files import Row, event, insert_rows, load
from service.demo.reservations import incidents
from service.demo.reservations.ground import FIRST_CUSTOMER, Ground, customer
from service.demo.reservations.life import MINUTE, SECOND, Life, draw_fate
from service.reservations.flow import actions as flow
from service.reservations.flow import queries
from service.reservations.models import Reservation
from service.reservations.operations.models import OperationEvent
from service.reservations.outgoing.actions import carry_out
from service.reservations.outgoing.models import Payment
from service.reservations.roster.models import Shift
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State, Task

# Between these all shops of a bouquet and some of a cake can be reached, and there is time for what follows.
OPENS, CLOSES = time(9, 1), time(19, 55)


@dataclass(frozen=True)
class Scene:
    """`told`: as the file has it."""

    life: Life
    told: Mapping[str, Any]


class Steady(Random):
    """Vendors take neither long nor short."""

    def random(self) -> float:
        return 0.5


def scenes(ground: Ground, now: datetime) -> list[Scene]:
    return [_scene(ground, told, now) for told in load("reservations_today")["scenes"]]


def _scene(ground: Ground, told: Mapping[str, Any], now: datetime) -> Scene:
    """Of a customer of its own, for a day next week if nothing else is said."""
    number = told["number"]
    asked_at = _asked_at(told["asked"], ground.calendars["business"], now)
    starts = told.get("starts", {"day": 5 + number % 4, "hour": 11 + number % 6})
    fate = draw_fate(told, Steady(number), 0)
    name, phone, mail = customer(FIRST_CUSTOMER + number)
    who = {"customer": name, "phone": phone, "mail": told.get("mail", mail), "wishes": "", "by": None}
    more = who | {"assistant_id": ground.assistant}
    return Scene(ground.life(told["service"], asked_at, _day(now, starts), fate, Steady(number), **more), told)


def _asked_at(asked: Mapping[str, Any], business: Calendar, now: datetime) -> datetime:
    earlier = timedelta(minutes=asked.get("minus", 0))
    if "day" in asked:
        return _day(now, asked)
    if "business" in asked:
        return ago(now, timedelta(minutes=asked["business"]), business) - earlier
    if "reachable" in asked:
        return reachable(now - timedelta(minutes=asked["reachable"])) - earlier
    # Both of its calls are over, and the second round has not begun.
    return min(now - 210 * SECOND, reachable(now) + 90 * SECOND)


def _day(now: datetime, told: Mapping[str, int]) -> datetime:
    return at(local_date(now) + told["day"] * DAY, time(told["hour"]))


def reachable(moment: datetime) -> datetime:
    """The last moment up to then at which shops can be reached."""
    local = moment.astimezone(TOKYO)
    if local.time() < OPENS:
        return at(local.date() - DAY, CLOSES)
    return min(moment, at(local.date(), CLOSES))


def ago(now: datetime, span: timedelta, calendar: Calendar) -> datetime:
    """The moment since which so much of the calendar's time has passed."""
    early, late = now - 30 * DAY, now
    while late - early > SECOND:
        middle = early + (late - early) / 2
        if working_time_between(middle, now, calendar) > span:
            early = middle
        else:
            late = middle
    return early


def plan(ground: Ground, listed: list[Scene], now: datetime) -> None:
    """What people do in them."""
    for scene in listed:
        if act := scene.told.get("acts"):
            by = ground.people[0] if act["source"] == "operator" else None
            does = partial(ground.world.does, scene.life, act["does"])
            more = {"source": act["source"], "by": by, "note": act.get("note", "")}
            ground.world.later(now - act["seconds"] * SECOND, partial(does, **more))


def finish(ground: Ground, listed: list[Scene], now: datetime) -> list[Life]:
    """What people did about the tasks up to now. Those that wait for a vendor's word about a call are left out: the
    demo's vendors know of none."""
    desk = ground.world.desk
    for scene in listed:
        life, closed = scene.life, scene.life.values.get("closed_at")
        if owner := scene.told.get("owner"):
            person = ground.people[owner["who"]]
            for one in desk.open_tasks(life, [Task(owner["task"])]):
                when = min(one["opened_at"] + 3 * MINUTE, now)
                desk.claim(one, person, when)
                one[OperationEvent].append(event(min(when + 4 * MINUTE, now), "note", person, owner["note"]))
        if "enquiry" in scene.told and closed is not None:
            desk.open(life, Task.CUSTOMER_ENQUIRY, min(closed + 40 * MINUTE, now), scene.told["enquiry"])
        for one in desk.open_tasks(life, Task):
            desk.tell_lateness(one, now)
    return [scene.life for scene in listed if scene.life.case is not None and scene.life.case.call is None]


def begin(db: Session, ground: Ground, ids: Mapping[str, int], now: datetime) -> None:
    """What is under way goes on; the newest request has only just come."""
    open_pages = select(Payment).where(Payment.reservation_id.in_(ids.values()), Payment.status == "open")
    for payment in db.scalars(open_pages):
        payment.url = f"{settings().stripe_base_url.rstrip('/')}/checkout/c/pay/{payment.session_id}"
        payment.look_at = real_now() + MINUTE
    for one in db.scalars(select(Reservation).where(Reservation.state == State.EXPIRING.value)):
        case = queries.case_of(one)
        carry_out(db, one, case, [e.Expire(session=case.session or "")], now, moved=False)
    newest, (name, phone, mail) = load("reservations_today")["newest"], customer(FIRST_CUSTOMER)
    who: Row = {"assistant_id": ground.assistant, "customer_name": name, "phone": phone, "mail": mail}
    flow.create(db, starts_at=_day(now, newest), **who, **newest["values"])
    _shifts(db, ground, now)
    incidents.fill(db, ground.people, now)


def _shifts(db: Session, ground: Ground, now: datetime) -> None:
    on_call, today = load("reservations_today")["on_call"], local_date(now)
    monday, holidays = today - today.weekday() * DAY, ground.calendars["business"].holidays
    rows = []
    # The night before Monday may still be going on.
    for number in range(-1, on_call["nights"]):
        day, whose = monday + number * DAY, number // 7 % len(on_call["phones"])
        begins = on_call["evening"] if is_business_day(day, holidays) else on_call["morning"]
        when = {"starts_at": at(day, begins), "ends_at": at(day + DAY, on_call["morning"])}
        rows.append(when | {"user_id": ground.people[whose].user_id, "phone": on_call["phones"][whose]})
    insert_rows(db, Shift, rows)
