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
from service.demo.reservations.booking import MINUTE, SECOND, Booking, draw_behaviour
from service.demo.reservations.environment import FIRST_CUSTOMER, Environment, customer
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
    """`data`: as the file has it."""

    booking: Booking
    data: Mapping[str, Any]


class Steady(Random):
    """Vendors take neither long nor short."""

    def random(self) -> float:
        return 0.5


def scenes(environment: Environment, now: datetime) -> list[Scene]:
    return [_scene(environment, data, now) for data in load("reservations_today")["scenes"]]


def _scene(environment: Environment, data: Mapping[str, Any], now: datetime) -> Scene:
    """Of a customer of its own, for a day next week if nothing else is said."""
    number = data["number"]
    asked_at = _requested_at(data["asked"], environment.calendars["business"], now)
    starts = data.get("starts", {"day": 5 + number % 4, "hour": 11 + number % 6})
    behaviour = draw_behaviour(data, Steady(number), 0)
    name, phone, mail = customer(FIRST_CUSTOMER + number)
    who = {"customer": name, "phone": phone, "mail": data.get("mail", mail), "wishes": "", "by": None}
    more = who | {"assistant_id": environment.assistant}
    return Scene(
        environment.booking(data["service"], asked_at, _day(now, starts), behaviour, Steady(number), **more), data
    )


def _requested_at(when: Mapping[str, Any], business: Calendar, now: datetime) -> datetime:
    earlier = timedelta(minutes=when.get("minus", 0))
    if "day" in when:
        return _day(now, when)
    if "business" in when:
        return ago(now, timedelta(minutes=when["business"]), business) - earlier
    if "reachable" in when:
        return reachable(now - timedelta(minutes=when["reachable"])) - earlier
    # Both of its calls are over, and the second round has not begun.
    return min(now - 210 * SECOND, reachable(now) + 90 * SECOND)


def _day(now: datetime, data: Mapping[str, int]) -> datetime:
    return at(local_date(now) + data["day"] * DAY, time(data["hour"]))


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


def plan(environment: Environment, listed: list[Scene], now: datetime) -> None:
    """What people do in them."""
    for scene in listed:
        if act := scene.data.get("act"):
            by = environment.people[0] if act["source"] == "operator" else None
            perform = partial(environment.simulation.perform, scene.booking, act["action"])
            more = {"source": act["source"], "by": by, "note": act.get("note", "")}
            environment.simulation.schedule(now - act["seconds"] * SECOND, partial(perform, **more))


def finish(environment: Environment, listed: list[Scene], now: datetime) -> list[Booking]:
    """What people did about the tasks up to now. Those that wait for a vendor's word about a call are left out: the
    demo's vendors know of none."""
    desk = environment.simulation.desk
    for scene in listed:
        booking, closed = scene.booking, scene.booking.values.get("closed_at")
        if owner := scene.data.get("owner"):
            person = environment.people[owner["who"]]
            for operation in desk.open_tasks(booking, [Task(owner["task"])]):
                when = min(operation["opened_at"] + 3 * MINUTE, now)
                desk.claim(operation, person, when)
                operation[OperationEvent].append(event(min(when + 4 * MINUTE, now), "note", person, owner["note"]))
        if "enquiry" in scene.data and closed is not None:
            desk.open(booking, Task.CUSTOMER_ENQUIRY, min(closed + 40 * MINUTE, now), scene.data["enquiry"])
        for operation in desk.open_tasks(booking, Task):
            desk.record_lateness(operation, now)
    return [scene.booking for scene in listed if scene.booking.case is not None and scene.booking.case.call is None]


def begin(db: Session, environment: Environment, ids: Mapping[str, int], now: datetime) -> None:
    """What is under way goes on; the newest request has only just come."""
    open_pages = select(Payment).where(Payment.reservation_id.in_(ids.values()), Payment.status == "open")
    for payment in db.scalars(open_pages):
        payment.url = f"{settings().stripe_base_url.rstrip('/')}/checkout/c/pay/{payment.session_id}"
        payment.look_at = real_now() + MINUTE
    for reservation in db.scalars(select(Reservation).where(Reservation.state == State.EXPIRING.value)):
        case = queries.case_of(reservation)
        carry_out(db, reservation, case, [e.Expire(session=case.session or "")], now, moved=False)
    newest, (name, phone, mail) = load("reservations_today")["newest"], customer(FIRST_CUSTOMER)
    who: Row = {"assistant_id": environment.assistant, "customer_name": name, "phone": phone, "mail": mail}
    flow.create(db, starts_at=_day(now, newest), **who, **newest["values"])
    _shifts(db, environment, now)
    incidents.fill(db, environment.people, now)


def _shifts(db: Session, environment: Environment, now: datetime) -> None:
    on_call, today = load("reservations_today")["on_call"], local_date(now)
    monday, holidays = today - today.weekday() * DAY, environment.calendars["business"].holidays
    rows = []
    # The night before Monday may still be going on.
    for number in range(-1, on_call["nights"]):
        day, whose = monday + number * DAY, number // 7 % len(on_call["phones"])
        begins = on_call["evening"] if is_business_day(day, holidays) else on_call["morning"]
        when = {"starts_at": at(day, begins), "ends_at": at(day + DAY, on_call["morning"])}
        rows.append(when | {"user_id": environment.people[whose].user_id, "phone": on_call["phones"][whose]})
    insert_rows(db, Shift, rows)
