"""The demo's enquiries and surveys: some that wait now, half a year of answered ones, and what customers said."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.holidays import calendar_named
from service.core.values.times import DAY, at, is_business_day, local_date
from service.core.values.working_time import Calendar, add_working_time, working_time_between
from service.demo.reservations_stage import AS_ONE
from service.reservations.enquiries import rules
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import Channel, Party
from service.reservations.flow.models import Reservation
from service.reservations.incidents.rules import Level
from service.reservations.shops.models import Shop
from service.reservations.surveys import rules as survey_rules
from service.reservations.surveys.models import Invitation, Survey

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# Long enough for the quarter before this one.
WEEKS, A_WEEK = 26, 5
SUPPORT, OPERATOR = "reservations-support", "reservations-operator"
CUSTOMERS = ("青木 花子", "伊藤 健", "上田 恵", "江口 誠", "大野 由美", "加藤 大輔", "木下 彩", "小林 直樹")
# Category, what was asked, and how it was answered; of customers, then of shops.
ASKED: tuple[tuple[str, str, str, str, str], ...] = (
    ("payment", "領収書の発行について", "領収書は発行できますか。宛名も指定したいです。", "faq", "FAQの手順を案内した"),
    (
        "payment",
        "決済リンクの期限",
        "10分を過ぎてしまいました。もう一度支払えますか。",
        "faq",
        "再予約の手順を案内した",
    ),
    ("cancellation", "キャンセル方法", "SMSのリンクからキャンセルできますか。", "faq", "キャンセル手順を案内した"),
    ("cancellation", "返金の時期", "返金はいつカードに反映されますか。", "system", "返金済みを確認して回答した"),
    (
        "messages",
        "確認SMSが届かない",
        "予約の確認SMSが届きません。",
        "system",
        "送信記録を確認し、番号の誤りを案内した",
    ),
    ("booking", "受け取り時間の変更", "14時から15時に変更できますか。", "manual", "店舗に確認し、変更を反映した"),
    ("assistant", "AIチャットの設定", "MCPの設定方法がわかりません。", "faq", "設定ガイドを案内した"),
    ("booking", "プレートの文字", "ケーキのプレートの文字を直したいです。", "manual", "店舗に電話で伝えた"),
    ("trouble", "決済画面が開かない", "リンクを開いても画面が出ません。", "system", "ログを確認し、再送した"),
)
ASKED_BY_SHOPS: tuple[tuple[str, str, str, str, str], ...] = (
    ("calls", "自動音声が聞き取りにくい", "音声が小さく、聞き取れませんでした。", "faq", "聞き返し方を案内した"),
    ("booking", "予約内容の確認", "明日の予約のサイズを確認したいです。", "system", "予約内容を回答した"),
    ("calls", "電話の時間帯", "製造中の電話を避けてほしいです。", "manual", "電話受付の時間を変更した"),
    ("messages", "確定メールが来ない", "予約確定のメールが届いていません。", "system", "送信先を確認して再送した"),
)
COMMENTS = {
    5: ("電話をかけなくて済むのが本当に助かりました。", "SMSでの案内がわかりやすかったです。", "また使います。"),
    4: ("予約が取れるまで少し待ちましたが、満足です。", "対応が丁寧でした。", ""),
    3: ("決済の期限が10分なのは短いと思います。", "お店の候補を選べるとうれしいです。", ""),
    2: ("全店舗で取れず、やり直しになりました。", ""),
    1: ("決済リンクに気づかず、期限が切れてしまいました。",),
}
# Stars as they were given, by how many quarters ago that was.
GIVEN = {1: "5" * 11 + "4" * 9 + "3" * 3 + "2" * 1, 2: "5" * 8 + "4" * 9 + "3" * 5 + "2" * 2 + "1" * 1}
INVITED = {1: 52, 2: 49}


@dataclass(frozen=True)
class _World:
    db: Session
    now: datetime
    calendar: Calendar
    users: dict[str, User]
    shops: tuple[Shop, ...]
    reservations: tuple[Reservation, ...]


def fill(db: Session) -> None:
    """After people and shops. What happened in the past is history only: nobody is written to."""
    if db.scalars(select(Enquiry.id).limit(1)).all():
        return
    db.flush()
    people = db.scalars(select(User).where(User.login_id.in_((SUPPORT, OPERATOR))))
    newest = select(Reservation).order_by(Reservation.created_at.desc(), Reservation.id).limit(20)
    world = _World(
        db,
        app_now(db),
        calendar_named(db, rules.CALENDAR),
        {user.login_id: user for user in people},
        tuple(db.scalars(select(Shop).order_by(Shop.code))),
        tuple(db.scalars(newest)),
    )
    _past(world)
    _present(world)
    _surveys(world)


def _past(world: _World) -> None:
    dice = random.Random(7)
    enquiries, done = [], []
    for received_at in _moments(world, dice):
        row, events = _settled(world, dice, received_at)
        # A row of holidays takes it to a day that is still to come.
        if row["resolved_at"] < world.now:
            enquiries.append(row)
            done.append(events)
    if not enquiries:
        return
    ids = world.db.scalars(
        insert(Enquiry).returning(Enquiry.id, sort_by_parameter_order=True), enquiries, execution_options=AS_ONE
    ).all()
    rows = [event | {"enquiry_id": key} for key, events in zip(ids, done, strict=True) for event in events]
    world.db.execute(insert(EnquiryEvent), rows, execution_options=AS_ONE)


def _moments(world: _World, dice: random.Random) -> Iterator[datetime]:
    """When people asked: on business days, a few a week, and nothing that would still be open."""
    today = local_date(world.now)
    for back in range(WEEKS * 7, 5, -1):
        day = today - back * DAY
        if is_business_day(day, world.calendar.holidays):
            for _ in range(dice.choice((0, 1, 1, 1, 2))):
                yield at(day, time(9)) + dice.randrange(5, 520) * MINUTE


def _settled(world: _World, dice: random.Random, received_at: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    party = Party.SHOP if dice.random() < 0.25 else Party.CUSTOMER
    channel = Channel.PHONE if dice.random() < 0.4 else Channel.MAIL
    category, topic, body, way, outcome = dice.choice(ASKED_BY_SHOPS if party is Party.SHOP else ASKED)
    by = world.users.get(OPERATOR if dice.random() < 0.2 else SUPPORT)
    name = by.name if by else "相談 花子"
    took = 0 if channel is Channel.PHONE else dice.choice((8, 12, 18, 25, 30, 40, 55, 60, 70, 85, 95, 100, 110, 150))
    answered_at = add_working_time(received_at, took * MINUTE, world.calendar)
    settled_at = add_working_time(
        answered_at,
        dice.choice((0, 0, 5, 20, 40, 60, 90, 150, 200, 300, 480, 700, 1100, 1700)) * MINUTE,
        world.calendar,
    )
    row = _row(world, dice, party, channel, received_at) | {
        "category": category,
        "topic": topic,
        "content": body,
        "level": (Level.MEDIUM if dice.random() < 0.15 else Level.LOW).value,
        "received_by": name if channel is Channel.PHONE else "フォーム",
        "is_from_form": channel is Channel.MAIL,
        "status": rules.Status.RESOLVED.value,
        "owner_id": by.id if by else None,
        "first_response_at": answered_at,
        "first_response_by": name,
        "first_minutes": took,
        "resolved_at": settled_at,
        "resolved_by": name,
        "resolution_minutes": rules.working_minutes(received_at, settled_at, world.calendar),
        "way": way,
        "outcome": outcome,
        "faq": dice.choice(("none", "none", "none", "added", "declined")),
    }
    who = {"by": name, "user_id": by.id if by else None}
    events = [
        {"at": received_at, "kind": "received", "by": row["received_by"], "user_id": None, "text": None},
        {"at": answered_at, "kind": "called" if channel is Channel.PHONE else "mailed", "text": outcome} | who,
        {"at": settled_at, "kind": "resolved", "text": f"{rules.WAY_LABELS[rules.Way(way)]}\n{outcome}"} | who,
    ]
    return row, events


def _row(
    world: _World, dice: random.Random, party: Party, channel: Channel, received_at: datetime, level: Level = Level.LOW
) -> dict[str, Any]:
    """Who asks, and the targets."""
    shop = dice.choice(world.shops) if party is Party.SHOP and world.shops else None
    name = shop.contact_name if shop else dice.choice(CUSTOMERS)
    place = CUSTOMERS.index(name) if name in CUSTOMERS else 0
    first = rules.first_due(party, channel, received_at, world.calendar)
    resolution = rules.resolution_due(level, received_at, world.calendar)
    return {
        "party": party.value,
        "channel": channel.value,
        "sender_name": name,
        "phone": shop.phone if shop else f"+8190100020{place:02}",
        "mail": shop.mail if shop else f"customer{place}@example.jp",
        "level": level.value,
        "shop_given": shop.code if shop else "",
        "shop_id": shop.id if shop else None,
        "received_at": received_at,
        "first_due_at": first.due_at,
        "first_warn_at": first.warn_at,
        "resolution_due_at": resolution.due_at if resolution else None,
        "resolution_warn_at": resolution.warn_at if resolution else None,
    }


def _present(world: _World) -> None:
    """Six that are open: new, near its target, late, in work, waiting for a reply, and one for the FAQ."""
    dice = random.Random(11)
    support, operator = world.users.get(SUPPORT), world.users.get(OPERATOR)
    _open(world, dice, ASKED[0], 20 * MINUTE)
    _open(world, dice, ASKED[4], 95 * MINUTE, about=0)
    _open(world, dice, ASKED_BY_SHOPS[1], 5 * HOUR, party=Party.SHOP)
    _open(world, dice, ASKED[5], 3 * HOUR, owner=operator, answered=True, about=1, channel=Channel.PHONE)
    _open(world, dice, ASKED[8], 9 * HOUR, owner=support, answered=True, waits=True, level=Level.MEDIUM)
    _open(world, dice, ASKED[6], 12 * HOUR, owner=support, answered=True, faq="wanted")


def _open(
    world: _World,
    dice: random.Random,
    asked: tuple[str, str, str, str, str],
    age: timedelta,
    *,
    party: Party = Party.CUSTOMER,
    channel: Channel = Channel.MAIL,
    level: Level = Level.LOW,
    owner: User | None = None,
    answered: bool = False,
    waits: bool = False,
    faq: str = "none",
    about: int | None = None,
) -> None:
    received_at = _ago(world, age)
    row = _row(world, dice, party, channel, received_at, level)
    if about is not None and about < len(world.reservations):
        reservation = world.reservations[about]
        row |= {
            "sender_name": reservation.customer_name,
            "phone": reservation.phone,
            "reservation_given": reservation.code,
            "reservation_id": reservation.id,
        }
    category, topic, body, _, outcome = asked
    enquiry = Enquiry(**row, category=category, topic=topic, content=body, faq=faq)
    enquiry.is_from_form = channel is Channel.MAIL
    enquiry.received_by = "フォーム" if channel is Channel.MAIL else owner.name if owner else "相談 花子"
    enquiry.status = (rules.Status.WAITING if waits else rules.Status.WORKING if owner else rules.Status.RECEIVED).value
    enquiry.owner_id = owner.id if owner else None
    # What was late before the demo began was told before it began.
    for which in ("first", "resolution"):
        for moment, told in (("warn_at", "warned_at"), ("due_at", "breached_at")):
            due = getattr(enquiry, f"{which}_{moment}")
            if due is not None and due <= world.now:
                setattr(enquiry, f"{which}_{told}", due)
    world.db.add(enquiry)
    world.db.flush()
    world.db.add(EnquiryEvent(enquiry_id=enquiry.id, at=received_at, kind="received", by=enquiry.received_by))
    if answered and owner:
        took = timedelta() if channel is Channel.PHONE else 35 * MINUTE
        enquiry.first_response_at = min(add_working_time(received_at, took, world.calendar), world.now)
        enquiry.first_response_by, enquiry.first_minutes = owner.name, int(took / MINUTE)
        kind = "called" if channel is Channel.PHONE else "mailed"
        said = EnquiryEvent(
            enquiry_id=enquiry.id, at=enquiry.first_response_at, kind=kind, by=owner.name, user_id=owner.id
        )
        said.text = (
            "確認して折り返しご連絡すると伝えた" if not waits else f"{outcome}。結果を知らせてもらうよう依頼した"
        )
        world.db.add(said)


def _ago(world: _World, age: timedelta) -> datetime:
    """So much working time before now, in working time itself."""
    moment = world.now
    while working_time_between(moment, world.now, world.calendar) < age:
        moment -= 5 * MINUTE
    return moment


def _surveys(world: _World) -> None:
    this = survey_rules.quarter_of(world.now)
    for back, given in GIVEN.items():
        quarter = this.plus(-back)
        sent_at = at(local_date(quarter.bounds()[1]) + 4 * DAY, time(10))
        closes_at = sent_at + survey_rules.OPEN_DURATION
        if closes_at > world.now:
            continue
        survey = Survey(
            year=quarter.year,
            quarter=quarter.quarter,
            created_at=sent_at - HOUR,
            created_by="相談 花子",
            sent_at=sent_at,
            sent_by="相談 花子",
            closes_at=closes_at,
            reminded_at=sent_at + survey_rules.REMINDER_AFTER,
            reminded=INVITED[back] - len(given) + 9,
            closed_at=closes_at,
        )
        world.db.add(survey)
        world.db.flush()
        dice, rows = random.Random(back), []
        for place in range(INVITED[back]):
            stars = int(given[place]) if place < len(given) else None
            rows.append(
                {
                    "survey_id": survey.id,
                    "channel": "mail" if place % 3 == 0 else "sms",
                    "address": None,
                    "stars": stars,
                    "comment": dice.choice(COMMENTS[stars]) if stars else "",
                    "answered_at": sent_at + dice.randrange(30, 9000) * MINUTE if stars else None,
                }
            )
        world.db.execute(insert(Invitation), rows)
