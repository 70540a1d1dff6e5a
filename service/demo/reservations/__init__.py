"""The reservations' demo: three services with sizes and prices, six shops, an assistant's token, past and present."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import User, hash_token
from service.core.database.clock import app_now
from service.demo.files import load
from service.demo.reservations import chores, enquiries, measures, year
from service.reservations.models import Assistant, Plan, Service, Shop, ShopService

_COLUMNS = ("code", "name", "phone", "mail", "contact_name", "note", "opens_at", "closes_at", "closed_weekdays")
# Code, name, description, and code, name and price of the sizes.
SERVICES = [(one["code"], one["name"], one["description"], one["plans"]) for one in load("reservations")["services"]]
# What assistants show in the demo, at /mcp and on stdio.
ASSISTANT_TOKEN: str = load("reservations")["assistant"]["token"]


def fill(db: Session) -> None:
    masters(db)
    # Months' reports need somebody to be sent to.
    without_mail = User.login_id == "reservations-manager", User.mail.is_(None)
    db.execute(update(User).where(*without_mail).values(mail="keiei@qualfia.example"))
    year.fill(db)
    chores.fill(db)
    enquiries.fill(db)
    measures.fill(db)


def masters(db: Session) -> None:
    """Services, shops and the token alone."""
    _assistant(db)
    if db.scalars(select(Service.id).limit(1)).all():
        return
    services = {}
    for position, (code, name, description, plans) in enumerate(SERVICES):
        services[code] = service = Service(code=code, name=name, description=description, position=position)
        db.add(service)
        db.flush()
        for place, (plan, title, price) in enumerate(plans):
            db.add(Plan(service_id=service.id, code=plan, name=title, price=price, position=place))
    shop_counts = dict.fromkeys(services, 0)
    for shop_data in load("reservations")["shops"]:
        shop = Shop(**{name: shop_data[name] for name in _COLUMNS if name in shop_data})
        db.add(shop)
        db.flush()
        for service_code in shop_data["services"]:
            shop_counts[service_code] += 1
            db.add(
                ShopService(shop_id=shop.id, service_id=services[service_code].id, position=shop_counts[service_code])
            )


def _assistant(db: Session) -> None:
    hashed = hash_token(ASSISTANT_TOKEN)
    if not db.scalars(select(Assistant.id).where(Assistant.token_hash == hashed)).all():
        # As old as the past that it asked for.
        now, data = app_now(db), load("reservations")
        since = now - timedelta(days=data["year"]["days"])
        db.add(Assistant(name=data["assistant"]["name"], token_hash=hashed, created_at=since, last_used_at=now))
        db.flush()
