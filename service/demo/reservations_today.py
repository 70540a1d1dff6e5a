"""The demo's present: a reservation in each state, a task of each kind, and who is on call.

Each was lived through like the past, up to now. From here on it goes on by itself: what waits for the time, for a
payment or for a shop is moved on by the jobs and answered by the vendors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.settings import settings
from service.core.values.times import DAY, TOKYO, at, is_business_day, local_date
from service.core.values.working_time import Calendar, working_time_between
from service.demo import reservations_incidents as incidents
from service.demo.reservations_cast import MINUTE, Fate, Life, Person
from service.demo.reservations_stage import Stage, customer
from service.reservations.events import rules as e
from service.reservations.events.rules import State, Task
from service.reservations.flow import actions as flow
from service.reservations.flow import queries
from service.reservations.flow.models import Payment, Reservation
from service.reservations.outgoing.actions import carry_out
from service.reservations.roster.models import Shift

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
# Between these all shops of a bouquet and some of a cake can be reached, and there is time for what follows.
OPENS, CLOSES = time(9, 1), time(19, 55)
# Customers from here on are nobody's of the past.
FIRST_CUSTOMER = 300
ON_CALL = ("+819000009001", "+819000009002")
EVENING, MORNING = time(18), time(9)
NIGHTS = 14
_Then = Callable[[Stage, Life, datetime], None]


@dataclass(frozen=True)
class Scene:
    """`plan`: what people do in it; `then`: what they have done about its tasks."""

    life: Life
    plan: _Then | None = None
    then: _Then | None = None


class Steady(Random):
    """Vendors take neither long nor short."""

    def random(self) -> float:
        return 0.5


def scenes(stage: Stage, now: datetime) -> list[Scene]:
    operator, admin = stage.people
    business = stage.calendars["business"]
    vague, change = ago(now, 20 * MINUTE, business), ago(now, 160 * MINUTE, business)
    refused, landline = ago(now, 50 * MINUTE, business), reachable(now - 12 * MINUTE)
    calling = min(now - 210 * SECOND, reachable(now) + 90 * SECOND)
    talked = reachable(now - 45 * MINUTE)
    made = partial(_scene, stage)
    return [
        # 全店舗予約NG, nobody's and nearly late.
        made(1, "bouquet", refused - 10 * MINUTE, Fate(("refused", "no_answer", "refused", "refused"))),
        # 曖昧な回答, somebody's.
        made(
            2, "cake", vague - 2 * MINUTE, Fate(("vague",)),
            then=_claimed(operator, Task.VAGUE_ANSWER, "店長は外出中。戻る時刻にかけ直します。"),
        ),
        # 予約内容の変更依頼, nobody's and late.
        made(3, "cake", change - 2 * MINUTE, Fate(("change_requested",))),
        # 期限超過後のキャンセル依頼.
        made(4, "bouquet", _day(now, -4, 11), Fate(("ok",)), starts_at=_day(now, 1, 15), plan=_asks_too_late),
        # SMS送信失敗: a shop holds it, and the customer cannot be sent the link.
        made(
            5, "bouquet", landline - 3 * MINUTE, Fate(("ok",), takes_sms=False), mail="",
            then=_claimed(admin, Task.SMS_FAILED, "お電話しましたが不在。留守番電話に伝言を残しました。"),
        ),
        # 決済リンク期限切れ, and what the customer asks about it.
        made(6, "cake", _day(now, -1, 15), Fate(("ok",), pays=None), then=_asks_again),
        # 返金の失敗.
        made(
            7, "bouquet", _day(now, -3, 13), Fate(("ok",), refund_fails=True), plan=_cancels,
            then=_claimed(operator, Task.REFUND_FAILED, "カードの有効期限を依頼者に確認しています。"),
        ),
        # Between the rounds, or until the shops open.
        made(8, "bouquet", calling, Fate(("busy", "busy"))),
        # With the link for a minute; its ten minutes just over.
        made(9, "cake", talked, Fate(("change_requested",), pays=None), plan=_agrees(now - 60 * SECOND)),
        made(10, "cake", talked - 15 * MINUTE, Fate(("change_requested",), pays=None),
             plan=_agrees(now - 604 * SECOND)),
        # Cancelled before a shop was called; given back.
        made(11, "cake", _day(now, -2, 22), Fate(leaves=25 * MINUTE)),
        made(12, "bouquet", _day(now, -3, 16), Fate(("ok",), cancels=9 * DAY), starts_at=_day(now, 8, 14)),
        # Of today and tomorrow.
        made(13, "cake", _day(now, -5, 12), Fate(("ok",)), starts_at=_day(now, 0, 10)),
        made(14, "bouquet", _day(now, -4, 18), Fate(("ok",)), starts_at=_day(now, 0, 18)),
        made(15, "bouquet", _day(now, -4, 10), Fate(("ok",)), starts_at=_day(now, 1, 13)),
    ]  # fmt: skip


def _scene(
    stage: Stage,
    number: int,
    service: str,
    asked_at: datetime,
    fate: Fate,
    *,
    starts_at: datetime | None = None,
    plan: _Then | None = None,
    then: _Then | None = None,
    **more: Any,
) -> Scene:
    """Of a customer of its own, for a day next week if nothing else is said."""
    name, phone, mail = customer(FIRST_CUSTOMER + number)
    values = {
        "customer": name,
        "phone": phone,
        "mail": mail,
        "wishes": "",
        "user": None,
        "assistant_id": stage.assistant,
    }
    wanted = starts_at or _day(stage.world.until, 5 + number % 4, 11 + number % 6)
    return Scene(stage.life(service, asked_at, wanted, fate, Steady(number), **(values | more)), plan, then)


def _day(now: datetime, days: int, hour: int) -> datetime:
    return at(local_date(now) + days * DAY, time(hour))


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


def play(stage: Stage, listed: list[Scene], now: datetime) -> None:
    for scene in listed:
        stage.world.add(scene.life)
        if scene.plan:
            scene.plan(stage, scene.life, now)


def finish(stage: Stage, listed: list[Scene], now: datetime) -> list[Life]:
    """What people did about the tasks up to now. Those that wait for a vendor's word about a call are left out: the
    demo's vendors know of none."""
    for scene in listed:
        if scene.then:
            scene.then(stage, scene.life, now)
        for operation in scene.life.operations:
            stage.world.hurry(operation, now)
    return [scene.life for scene in listed if scene.life.case is not None and scene.life.case.call is None]


def _claimed(person: Person, task: Task, text: str) -> _Then:
    def then(stage: Stage, life: Life, now: datetime) -> None:
        for one in life.operations:
            if one["kind"] == task.value and one["resolved_at"] is None:
                when = min(one["opened_at"] + 3 * MINUTE, now)
                stage.world.claim(one, person, when)
                stage.world.note(one, "note", person, min(when + 4 * MINUTE, now), text)

    return then


def _asks_too_late(stage: Stage, life: Life, now: datetime) -> None:
    why = "子どもが熱を出してしまい、受け取りに行けそうにありません。"
    then = now - 30 * MINUTE
    stage.world.later(then, lambda at: stage.world.happen(life, e.LateCancelAsked(), at, "customer", note=why))


def _cancels(stage: Stage, life: Life, now: datetime) -> None:
    then, asked = now - 12 * MINUTE, e.CancelAsked(by="customer")
    stage.world.later(then, lambda at: stage.world.happen(life, asked, at, "customer"))


def _agrees(moment: datetime) -> _Then:
    """An operator reaches the customer on the telephone, who takes what the shop offered."""

    def plan(stage: Stage, life: Life, now: datetime) -> None:
        accepted = e.ChangeAccepted(starts_at=life.starts_at + 30 * MINUTE, price=life.price)
        note = "依頼者に電話し、30分後への変更を承諾いただきました。"
        by = stage.people[0]
        stage.world.later(moment, lambda at: stage.world.happen(life, accepted, at, "operator", by, note))

    return plan


def _asks_again(stage: Stage, life: Life, now: datetime) -> None:
    closed = life.values.get("closed_at")
    if closed is not None:
        question = "決済が間に合いませんでした。同じ内容で、もう一度予約できますか。"
        opened = min(closed + 40 * MINUTE, now)
        life.operations.append(stage.world.operation(Task.CUSTOMER_ENQUIRY, opened, question))


def begin(db: Session, stage: Stage, ids: Mapping[str, int], now: datetime) -> None:
    """What is under way goes on; the newest request has only just come."""
    open_pages = select(Payment).where(Payment.reservation_id.in_(ids.values()), Payment.status == "open")
    for payment in db.scalars(open_pages):
        payment.url = f"{settings().stripe_base_url.rstrip('/')}/checkout/c/pay/{payment.session_id}"
        payment.look_at = real_now() + MINUTE
    closing = select(Reservation).where(Reservation.state == State.EXPIRING.value)
    for one in db.scalars(closing):
        case = queries.case_of(one)
        carry_out(db, queries.booking_of(db, one), case, [e.Expire(session=case.session or "")], now, moved=False)
    name, phone, mail = customer(FIRST_CUSTOMER)
    flow.create(
        db,
        assistant_id=stage.assistant,
        client_request_id="demo-now",
        service_code="bouquet",
        plan_code="m",
        starts_at=_day(now, 4, 14),
        customer_name=name,
        phone=phone,
        mail=mail,
        wishes="母の還暦祝いです。赤を中心にお願いします。",
    )
    _shifts(db, stage, now)
    incidents.fill(db, stage.people, now)


def _shifts(db: Session, stage: Stage, now: datetime) -> None:
    """Nights of this and the next week, and the days on which nobody is at a desk; a week each."""
    monday = local_date(now) - local_date(now).weekday() * DAY
    holidays = stage.calendars["business"].holidays
    # The night before Monday may still be going on.
    for number in range(-1, NIGHTS):
        day = monday + number * DAY
        whose = number // 7 % len(ON_CALL)
        begins = EVENING if is_business_day(day, holidays) else MORNING
        db.add(_shift(stage.people[whose], ON_CALL[whose], day, begins))


def _shift(person: Person, phone: str, day: date, begins: time) -> Shift:
    return Shift(user_id=person.id, phone=phone, starts_at=at(day, begins), ends_at=at(day + DAY, MORNING))
