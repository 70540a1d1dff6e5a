"""What the demo's reservations are made of: services, shops, customers, people, and the simulation of their past."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.holidays import calendar_named
from service.core.settings import settings
from service.core.values.times import DAY
from service.core.values.working_time import HOURS
from service.demo.files import actor, load
from service.demo.reservations.booking import Behaviour, Booking, CalledShop
from service.demo.reservations.simulation import Simulation
from service.reservations.flow.actions import CODE_ALPHABET
from service.reservations.models import Assistant, Plan, Service, Shop, ShopService

# The sizes of a service, the middle one most often.
_SIZES = [3, 5, 2]
# Customers of the past; those after them are nobody's of the past.
PAST_CUSTOMERS, FIRST_CUSTOMER = 260, 300


class Environment:
    def __init__(self, db: Session, now: datetime) -> None:
        data = load("reservations")
        self.service_data: Mapping[str, Mapping[str, Any]] = {record["code"]: record for record in data["services"]}
        services = {record.id: record for record in db.scalars(select(Service))}
        self._services = {record.code: record for record in services.values()}
        self._plans: dict[str, list[Plan]] = {code: [] for code in self._services}
        for plan in db.scalars(select(Plan).order_by(Plan.position)):
            self._plans[services[plan.service_id].code].append(plan)
        shop_data = {record["code"]: record for record in data["shops"]}
        self._shops = {shop.code: CalledShop(shop, shop_data[shop.code]) for shop in db.scalars(select(Shop))}
        self.orders: dict[str, tuple[int, ...]] = dict.fromkeys(self._services, ())
        for tie in db.scalars(select(ShopService).order_by(ShopService.position)):
            self.orders[services[tie.service_id].code] += (tie.shop_id,)
        self.people = [actor(db, login) for login in ("reservations-operator", "reservations-admin")]
        self.assistant = db.scalars(select(Assistant.id).order_by(Assistant.id)).first()
        self.calendars = {name: calendar_named(db, name) for name in HOURS}
        self.simulation = Simulation(self._shops.values(), self.people, self.calendars, now, pay_token)
        self._codes: set[str] = set()
        self._rng = Random(20260213)

    def booking(
        self, service: str, asked_at: datetime, starts_at: datetime, behaviour: Behaviour, rng: Random, **more: Any
    ) -> Booking:
        plans = self._plans[service]
        plan = rng.choices(plans, _SIZES[: len(plans)])[0]
        name, phone, mail = customer(rng.randrange(PAST_CUSTOMERS))
        by_phone = rng.random() < 0.12 or self.assistant is None
        values: dict[str, Any] = {
            "code": self._code(),
            "order": self._order(service, asked_at),
            "customer": name,
            "phone": phone,
            "mail": mail,
            "wishes": rng.choice(self.service_data[service]["wishes"]) if rng.random() < 0.3 else "",
            "assistant_id": None if by_phone else self.assistant,
            "by": self.people[0] if by_phone else None,
        }
        values |= {"service": self._services[service], "plan": plan, "starts_at": starts_at} | more
        return Booking(at=asked_at, behaviour=behaviour, rng=rng, **values)

    def _code(self) -> str:
        while (code := "QRV-" + "".join(self._rng.choice(CODE_ALPHABET) for _ in range(6))) in self._codes:
            pass
        self._codes.add(code)
        return code

    def _order(self, service: str, asked_at: datetime) -> tuple[int, ...]:
        earlier = self.service_data[service].get("earlier")
        if earlier and asked_at < self.simulation.until - earlier["days"] * DAY:
            return tuple(self._shops[code].shop.id for code in earlier["order"])
        return self.orders[service]


def pay_token(code: str) -> str:
    """Of the link to pay: the sandbox's page leads back by it (`python -m service.demo --payments-file`)."""
    key = settings().secret_key.get_secret_value().encode()[:64]
    return hashlib.blake2b(code.encode(), key=key, digest_size=11).hexdigest()


def customer(number: int) -> tuple[str, str, str]:
    """Name, telephone, mail. Numbers under 090-0 are given to nobody."""
    family, given = load("reservations")["customers"].values()
    name = f"{family[number % len(family)]} {given[(number * 5 + number // len(family)) % len(given)]}"
    return name, f"+819000{number:06}", f"customer{number:03}@mail.example" if number % 5 < 3 else ""
