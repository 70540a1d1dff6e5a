"""Every read of guides: the facts in them, which shops are to get theirs, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, and_, exists, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.files.records import File
from service.core.outbox import OutboxMessage
from service.core.pages import shell
from service.core.problems import NotFound
from service.core.reports.model import Report
from service.core.reports.render import content
from service.reservations.chores import queries as chores
from service.reservations.chores.models import Chore
from service.reservations.chores.rules import Rhythm, minutes_in_words, when_in_words
from service.reservations.guides import rules
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import AUDIENCE_WORDS, FOR_SHOPS, GUIDES, Facts, Guide, Offered, Routine, Size
from service.reservations.rules import GUIDES_PATH
from service.reservations.services.models import Plan, Service
from service.reservations.settings import settings
from service.reservations.shops import queries as shops
from service.reservations.shops.models import Shop
from service.reservations.shops.schemas import ShopValues


def facts(db: Session) -> Facts:
    """What the guides say of this installation, now."""
    config, usual = settings(), ShopValues.model_fields
    return Facts(
        now=app_now(db),
        address=shell.address(),
        services=_services(db),
        support_phone=config.support_phone,
        support_mail=config.support_mail,
        slack_channel=config.slack_channel,
        call_minutes=config.call_minutes,
        requests_per_phone=config.requests_per_phone,
        chores=[_routine(one) for one in chores.in_use(db)],
        opens_at=usual["opens_at"].default,
        closes_at=usual["closes_at"].default,
    )


def _routine(chore: Chore) -> Routine:
    when = when_in_words(Rhythm(chore.rhythm), chore.starts, chore.weekday, chore.business_day)
    return Routine(chore.title, when, minutes_in_words(chore.minutes), chore.owner)


def _services(db: Session) -> list[Offered]:
    """What can be asked for, in its order."""
    rows = db.execute(
        select(Service.id, Service.name, Plan.name.label("plan"), Plan.price)
        .join(Plan, Plan.service_id == Service.id)
        .where(Service.archived_at.is_(None), Plan.archived_at.is_(None))
        .order_by(Service.position, Service.id, Plan.position, Plan.id)
    )
    found: dict[int, tuple[str, list[Size]]] = {}
    for row in rows:
        found.setdefault(row.id, (row.name, []))[1].append(Size(row.plan, row.price))
    return [Offered(name, sizes) for name, sizes in found.values()]


def guide(name: str, *, public: bool) -> Guide:
    """Raises NotFound, in words; of those that not everybody may read also where only `public` ones are asked for."""
    found = GUIDES.get(name)
    if found is None or (public and not found.is_public):
        raise NotFound("指定された手引きは見つかりません。一覧から選び直してください。")
    return found


def report(db: Session, guide: Guide) -> Report:
    return rules.report(guide, facts(db))


def listed() -> dict[str, Any]:
    return {"items": [item(guide) for guide in GUIDES.values()]}


def item(guide: Guide) -> dict[str, Any]:
    return {
        "name": guide.name,
        "title": guide.title,
        "audience": guide.audience,
        "audience_title": AUDIENCE_WORDS[guide.audience],
        "reading": guide.reading,
        "summary": guide.summary,
        "url": f"{shell.address()}{GUIDES_PATH}/{guide.name}" if guide.is_public else None,
    }


def in_full(db: Session, guide: Guide) -> dict[str, Any]:
    return item(guide) | {"sections": content(report(db, guide))["sections"]}


def due_shops(limit: int) -> Select[*tuple[Any, ...]]:
    """Those that have an address, are called, and never got their manual."""
    return (
        select(Shop)
        .where(Shop.manual_sent_at.is_(None), Shop.mail != "", _gets_mail())
        .order_by(Shop.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _gets_mail() -> Any:
    return and_(Shop.archived_at.is_(None), Shop.blacklisted_at.is_(None))


def is_any_due(db: Session) -> bool:
    waits = exists(select(Shop.id).where(Shop.manual_sent_at.is_(None), Shop.mail != "", _gets_mail()))
    return bool(db.scalar(select(waits)))


def files(db: Session, digests: Mapping[str, str]) -> dict[str, File]:
    """Those of the guides (name → digest of what it says) that were made already."""
    found = db.execute(
        select(GuideFile.name, GuideFile.digest, File)
        .join(File, File.id == GuideFile.file_id)
        .where(GuideFile.name.in_(digests))
    )
    return {row.name: row.File for row in found if digests[row.name] == row.digest}


def manual(db: Session, shop_id: int) -> dict[str, Any]:
    """What became of a shop's manual. Raises NotFound."""
    shop = shops.get(db, shop_id)
    newest = db.execute(
        select(ShopManual, OutboxMessage)
        .outerjoin(OutboxMessage, OutboxMessage.key == ShopManual.message_key)
        .where(ShopManual.shop_id == shop.id)
        .order_by(ShopManual.id.desc())
        .limit(1)
    ).one_or_none()
    told: dict[str, Any] = {"sent_at": shop.manual_sent_at, "sent_to": None, "error": None}
    told["titles"] = [guide.title for guide in FOR_SHOPS]
    if shop.manual_sent_at is None:
        is_due = shop.mail and shop.archived_at is None and shop.blacklisted_at is None
        return told | {"state": "due" if is_due else "none"}
    if newest is None:
        return told | {"state": "sent"}
    sent, message = newest
    # Sent messages are forgotten after a while; one that failed is not, before somebody decided about it.
    state = "sent"
    if message is not None and message.sent_at is None:
        state = "failed" if message.dead_at or message.discarded_at else "waiting"
    error = message.last_error if message is not None and state == "failed" else None
    return told | {"state": state, "sent_to": sent.address, "error": error}
