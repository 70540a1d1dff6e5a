"""The reservations' demo: three services with sizes and prices, six shops, an assistant's token, past and present."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import User, hash_token
from service.core.database.clock import app_now
from service.demo import (
    reservations_chores,
    reservations_enquiries,
    reservations_measures,
    reservations_past,
    reservations_stage,
)
from service.reservations.assistants.models import Assistant
from service.reservations.services.models import Plan, Service
from service.reservations.shops.models import Shop, ShopService

ACCOUNTS = {
    "reservations-admin": ("予約 管子", "admin"),
    "reservations-operator": ("運営 太郎", "operator"),
    "reservations-support": ("相談 花子", "support"),
    "reservations-manager": ("経営 一郎", "manager"),
}
SERVICES = (
    (
        "bouquet",
        "花束",
        "お祝いやお見舞いの花束を、店頭でお渡しします。",
        (("s", "S（約10本）", 3300), ("m", "M（約20本）", 5500), ("l", "L（約30本）", 8800)),
    ),
    (
        "cake",
        "ホールケーキ",
        "生クリームのデコレーションケーキです。プレートの文字を指定できます。",
        (("4", "4号（2〜4名）", 3600), ("5", "5号（4〜6名）", 4800), ("6", "6号（6〜8名）", 6200)),
    ),
    (
        "platter",
        "オードブル",
        "集まりのための盛り合わせです。",
        (("small", "3〜4名用", 6500), ("large", "6〜8名用", 12000)),
    ),
)
# Each answers the phone in its own way (the sandbox's page 店舗の応答 says how).
SHOPS: tuple[tuple[str, str, str, str, str, tuple[str, ...], dict[str, Any]], ...] = (
    ("S001", "フラワー銀座", "+81312340001", "ginza@flower.example", "佐藤 花", ("bouquet",), {}),
    ("S002", "花工房みどり", "+81312340002", "midori@flower.example", "緑川 葉子", ("bouquet",), {}),
    ("S003", "パティスリー青山", "+81312340003", "aoyama@cake.example", "青山 甘", ("cake",), {}),
    (
        "S004",
        "洋菓子のさくら",
        "+81312340004",
        "sakura@cake.example",
        "桜井 実",
        ("cake", "platter"),
        {"opens_at": time(10), "closes_at": time(16), "note": "午後は製造のため、10時台が最もつながりやすいです。"},
    ),
    (
        "S005",
        "デリカ日本橋",
        "+81312340005",
        "nihonbashi@deli.example",
        "日野 橋子",
        ("platter",),
        {"closed_weekdays": [3]},
    ),
    ("S006", "キッチン神楽坂", "+81312340006", "kagurazaka@deli.example", "神谷 楽", ("platter", "cake"), {}),
)
# What assistants show in the demo, at /mcp and on stdio.
ASSISTANT_TOKEN = "genba-demo-assistant"


def fill(db: Session) -> None:
    masters(db)
    _management(db)
    reservations_past.fill(db)
    reservations_chores.fill(db)
    reservations_enquiries.fill(db)
    reservations_measures.fill(db)


def _management(db: Session) -> None:
    """Months' reports need somebody to be sent to."""
    nobody = User.login_id == "reservations-manager", User.mail.is_(None)
    db.execute(update(User).where(*nobody).values(mail="keiei@qualfia.example"))


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
    called = dict.fromkeys(services, 0)
    for code, name, phone, mail, contact, offered, more in SHOPS:
        shop = Shop(code=code, name=name, phone=phone, mail=mail, contact_name=contact, **more)
        db.add(shop)
        db.flush()
        for one in offered:
            called[one] += 1
            db.add(ShopService(shop_id=shop.id, service_id=services[one].id, position=called[one]))


def _assistant(db: Session) -> None:
    hashed = hash_token(ASSISTANT_TOKEN)
    if not db.scalars(select(Assistant.id).where(Assistant.token_hash == hashed)).all():
        # As old as the past that it asked for.
        now = app_now(db)
        since = now - timedelta(days=reservations_stage.DAYS)
        db.add(Assistant(name="デモ用アシスタント", token_hash=hashed, created_at=since, last_used_at=now))
        db.flush()
