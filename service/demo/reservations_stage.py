"""The ground that the demo's reservations live on: services, shops with their ways, people; how lives are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.access.identity import User, hash_token
from service.core.database.clock import app_now, clock_shift
from service.core.holidays import calendar_named
from service.core.outbox import records
from service.core.settings import settings
from service.core.values.times import DAY
from service.core.values.working_time import HOURS
from service.demo.reservations_cast import Fate, Life, Operator, Person, ShopFacts
from service.demo.reservations_life import World
from service.reservations.assistants.models import Assistant
from service.reservations.events.rules import Task
from service.reservations.flow.models import Link, Payment, PhoneCall, Refund, Reservation, TimelineEvent
from service.reservations.operations.models import Operation, OperationEvent
from service.reservations.operations.rules import operation_notice
from service.reservations.outgoing.models import Message
from service.reservations.rules import AREA
from service.reservations.services.models import Plan, Service
from service.reservations.settings import settings as own
from service.reservations.shop_search.rules import PhoneLine
from service.reservations.shops.models import Shop, ShopService

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
DAYS = 365
# Orders that stood until so many days ago; since then it is the present one.
EARLIER: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "bouquet": (150, ("S002", "S001")),
    "cake": (210, ("S006", "S003", "S004")),
}
SLACK_DAYS = 30
# Of an insert of many rows: left out, each None would make a statement of its own of its row.
AS_ONE = {"render_nulls": True}
_FAMILY = (
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "小林",
    "加藤",
    "吉田",
    "山田",
    "木村",
    "林",
    "清水",
)
_GIVEN = ("陽子", "健一", "美咲", "大輔", "由美", "翔太", "真由美", "拓也", "恵", "和也", "千春", "直樹", "誠", "彩")
_WISHES = {
    "bouquet": (
        "赤とピンクを中心に",
        "メッセージカードを付けてください",
        "黄色系で明るい感じに",
        "白い花は避けてください",
    ),
    "cake": ("プレートに「おたんじょうびおめでとう」", "ろうそくを7本", "卵アレルギーの子がいるため、原材料を知りたい"),
    "platter": ("取り皿を8枚", "辛いものは控えめに", "紙のふた付きで"),
}


def _ways(
    ok: int, refused: int, busy: int, voicemail: int, quiet: Mapping[int, int]
) -> Callable[[int], dict[str, float]]:
    """In percent; nobody comes to the telephone for the rest, or for as much as `quiet` says of the hour."""

    def at_hour(hour: int) -> dict[str, float]:
        away = quiet.get(hour, 100 - ok - refused - busy - voicemail)
        shares = {"ok": ok, "refused": refused, "busy": busy, "voicemail": voicemail}
        rest = (100 - away) / sum(shares.values())
        return {way: share * rest for way, share in shares.items()} | {"no_answer": away}

    return at_hour


_LUNCH = dict.fromkeys((11, 12, 13), 38)
# How each shop answers, and who does.
WAYS: Mapping[str, tuple[Callable[[int], dict[str, float]], tuple[str, ...]]] = {
    "S001": (_ways(50, 26, 6, 4, _LUNCH), ("佐藤", "上野", "花田")),
    "S002": (_ways(72, 14, 5, 0, {9: 25}), ("緑川", "水谷")),
    "S003": (_ways(56, 22, 5, 7, {15: 30, 16: 30}), ("青山", "白石")),
    "S004": (_ways(64, 16, 4, 2, dict.fromkeys((12, 13, 14, 15), 48)), ("桜井", "吉野")),
    "S005": (_ways(48, 30, 8, 2, {17: 30, 18: 35}), ("日野", "橋本")),
    "S006": (_ways(66, 17, 4, 3, _LUNCH), ("神谷", "楽間")),
}


class Stage:
    """What the lives are made of: services, shops, people, and the world that they live in."""

    def __init__(self, db: Session, now: datetime) -> None:
        self.services = {one.code: one for one in db.scalars(select(Service))}
        codes = {one.id: one.code for one in self.services.values()}
        self.plans: dict[str, list[Plan]] = {code: [] for code in self.services}
        for plan in db.scalars(select(Plan).order_by(Plan.position)):
            self.plans[codes[plan.service_id]].append(plan)
        self.shops = {one.code: one for one in db.scalars(select(Shop)) if one.code in WAYS}
        ids = {one.id for one in self.shops.values()}
        self.orders: dict[str, tuple[int, ...]] = dict.fromkeys(self.services, ())
        for tie in db.scalars(select(ShopService).order_by(ShopService.position)):
            if tie.shop_id in ids:
                self.orders[codes[tie.service_id]] += (tie.shop_id,)
        people = {user.login_id: Person(user.id, user.name) for user in db.scalars(select(User))}
        self.people = [people[login] for login in ("reservations-operator", "reservations-admin")]
        self.assistant = db.scalars(select(Assistant.id).order_by(Assistant.id)).first()
        desk = Operator(self.people, {name: calendar_named(db, name) for name in HOURS})
        self.calendars = desk.calendars
        self.world = World((_facts(one) for one in self.shops.values()), desk, now, pay_token)
        self._codes: set[str] = set()
        self._chance = Random(20260213)

    def life(
        self, service: str, asked_at: datetime, starts_at: datetime, fate: Fate, chance: Random, **more: Any
    ) -> Life:
        plans = self.plans[service]
        plan = chance.choices(plans, [3, 5, 2][: len(plans)])[0]
        name, phone, mail = customer(chance.randrange(260))
        wishes = chance.choice(_WISHES[service]) if chance.random() < 0.3 else ""
        calls_us = chance.random() < 0.12 or self.assistant is None
        values: dict[str, Any] = {
            "code": self._code(),
            "order": self._order(service, asked_at),
            "customer": name,
            "phone": phone,
            "mail": mail,
            "wishes": wishes,
            "assistant_id": None if calls_us else self.assistant,
            "user": self.people[0] if calls_us else None,
        }
        return Life(
            at=asked_at,
            service_id=self.services[service].id,
            service=self.services[service].name,
            plan_id=plan.id,
            plan=plan.name,
            price=plan.price,
            starts_at=starts_at,
            fate=fate,
            chance=chance,
            **(values | more),
        )

    def _code(self) -> str:
        while (code := "QRV-" + "".join(self._chance.choice(ALPHABET) for _ in range(6))) in self._codes:
            pass
        self._codes.add(code)
        return code

    def _order(self, service: str, asked_at: datetime) -> tuple[int, ...]:
        until, codes = EARLIER.get(service, (DAYS, ()))
        if codes and asked_at < self.world.until - until * DAY:
            return tuple(self.shops[code].id for code in codes)
        return self.orders[service]


def _facts(shop: Shop) -> ShopFacts:
    ways, staff = WAYS[shop.code]
    closed = frozenset(shop.closed_weekdays or ())
    line = PhoneLine(opens_at=shop.opens_at, closes_at=shop.closes_at, closed_weekdays=closed)
    return ShopFacts(shop.id, shop.name, shop.phone, shop.mail, line, staff, ways)


def pay_token(code: str) -> str:
    """Of the link to pay: the sandbox's page leads back by it (`python -m service.demo --payments-file`)."""
    key = settings().secret_key.get_secret_value().encode()[:64]
    return hashlib.blake2b(code.encode(), key=key, digest_size=11).hexdigest()


def customer(number: int) -> tuple[str, str, str]:
    """Name, telephone, mail. Numbers under 090-0 are given to nobody."""
    name = f"{_FAMILY[number % len(_FAMILY)]} {_GIVEN[(number * 5 + number // len(_FAMILY)) % len(_GIVEN)]}"
    return name, f"+819000{number:06}", f"customer{number:03}@mail.example" if number % 5 < 3 else ""


def store(db: Session, lives: Sequence[Life]) -> dict[str, int]:
    """Their ids by 予約ID; older ones have lower ids."""
    lives = sorted(lives, key=lambda life: (life.at, life.code))
    rows = [_row(life, number) for number, life in enumerate(lives, 1)]
    statement = insert(Reservation).returning(Reservation.id, sort_by_parameter_order=True)
    ids = dict(zip((life.code for life in lives), db.scalars(statement, rows, execution_options=AS_ONE), strict=True))
    keep = partial(_keep, db, [(ids[life.code], life) for life in lives])
    keep(TimelineEvent, lambda life: life.events)
    keep(PhoneCall, lambda life: life.calls)
    keep(Payment, lambda life: life.payments)
    keep(Refund, lambda life: life.refunds)
    keep(Message, lambda life: life.letters)
    keep(Link, lambda life: [_hashed(link) for link in life.links])
    _operations(db, [(ids[life.code], one) for life in lives for one in life.operations])
    _told_in_slack(db, lives)
    return ids


def _keep(
    db: Session,
    lives: Sequence[tuple[int, Life]],
    table: Any,
    of: Callable[[Life], list[dict[str, Any]]],
) -> None:
    rows = [{"reservation_id": key} | row for key, life in lives for row in of(life)]
    if rows:
        db.execute(insert(table), rows, execution_options=AS_ONE)


def _hashed(link: Mapping[str, Any]) -> dict[str, Any]:
    return {"token_hash": hash_token(link["token"])} | {name: link[name] for name in link if name != "token"}


def _operations(db: Session, listed: list[tuple[int, dict[str, Any]]]) -> None:
    listed.sort(key=lambda one: one[1]["opened_at"])
    rows = [{"reservation_id": key} | {n: v for n, v in one.items() if n != "events"} for key, one in listed]
    statement = insert(Operation).returning(Operation.id, sort_by_parameter_order=True)
    ids = db.scalars(statement, rows, execution_options=AS_ONE).all() if rows else []
    told = [
        {"operation_id": key} | event
        for key, (_, one) in zip(ids, listed, strict=True)
        for event in sorted(one["events"], key=lambda event: event["at"])
    ]
    if told:
        db.execute(insert(OperationEvent), told, execution_options=AS_ONE)


def _row(life: Life, number: int) -> dict[str, Any]:
    case, values = life.now, life.values
    return {
        "code": life.code,
        "assistant_id": life.assistant_id,
        "user_id": life.user.id if life.user else None,
        "client_request_id": f"demo-{number}",
        "service_id": life.service_id,
        "plan_id": life.plan_id,
        "customer_name": life.customer,
        "phone": life.phone,
        "mail": life.mail,
        "wishes": life.wishes,
        "shop_id": case.shop,
        "shop_note": values.get("shop_note", "") if case.is_unlisted else "",
        "state": case.state.value,
        "state_since": case.since,
        "starts_at": case.starts_at,
        "price": case.price,
        "paid": case.paid,
        "refunded": case.refunded,
        "paid_at": values.get("paid_at"),
        "confirmed_at": values.get("confirmed_at"),
        "closed_at": values.get("closed_at"),
        "case_now": case.model_dump(mode="json"),
        "next_action_at": case.next_action_at,
        "version": values["version"],
        "created_at": life.at,
        "updated_at": values["updated_at"],
    }


def _told_in_slack(db: Session, lives: Sequence[Life]) -> None:
    """What was sent of the last weeks' tasks, for the list of what Slack was told; it is sent no more."""
    now, shift, channel = app_now(db), clock_shift(db), own().slack_channel
    rows = []
    for life in lives:
        for one in life.operations:
            if one["opened_at"] < now - SLACK_DAYS * DAY:
                continue
            text, real = operation_notice(Task(one["kind"]), life.code), one["opened_at"] - shift
            rows.append(
                {
                    "topic": "slack",
                    "payload": {"channel": channel, "text": text},
                    "area": AREA.name,
                    "recipient": channel,
                    "title": " ".join(text.split()),
                    "subject": "reservation",
                    "subject_id": life.code,
                    "attempts": 1,
                    "tries": 1,
                    "created_at": real,
                    "next_attempt_at": real,
                    "sent_at": real + timedelta(seconds=1),
                }
            )
    if rows:
        db.execute(insert(records.OutboxMessage), sorted(rows, key=lambda row: row["created_at"]))
