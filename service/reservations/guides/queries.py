"""Reads of guides: the facts in them, the shops whose manual is due, and the delivery of manuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, and_, exists, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.files.records import File
from service.core.outbox.records import OutboxMessage
from service.core.pages import shell
from service.core.problems import NotFound
from service.core.reports.model import Report
from service.core.reports.render import content
from service.reservations.chores import queries as chores
from service.reservations.chores.models import Chore
from service.reservations.chores.rules import Rhythm, format_minutes, format_schedule
from service.reservations.guides import rules, schemas
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import (
    AUDIENCE_LABELS,
    GUIDES,
    SHOP_GUIDES,
    Facts,
    Guide,
    OfferedService,
    Routine,
    Size,
)
from service.reservations.models import Plan, Service, Shop
from service.reservations.rules import GUIDES_PATH
from service.reservations.settings import settings
from service.reservations.shops import queries as shops
from service.reservations.shops.schemas import ShopValues


def current_facts(db: Session) -> Facts:
    """The current facts of this installation that the guides state."""
    config, shop_fields = settings(), ShopValues.model_fields
    return Facts(
        now=app_now(db),
        address=shell.address(),
        services=_services(db),
        support_phone=config.support_phone,
        support_mail=config.support_mail,
        slack_channel=config.slack_channel,
        call_minutes=config.call_minutes,
        requests_per_phone=config.requests_per_phone,
        chores=[_routine(chore) for chore in chores.scheduled_chores(db)],
        opens_at=shop_fields["opens_at"].default,
        closes_at=shop_fields["closes_at"].default,
    )


def _routine(chore: Chore) -> Routine:
    when = format_schedule(Rhythm(chore.rhythm), chore.starts, chore.weekday, chore.business_day)
    return Routine(chore.title, when, format_minutes(chore.minutes), chore.owner)


def _services(db: Session) -> list[OfferedService]:
    """The services that are offered, in their order."""
    rows = db.execute(
        select(Service.id, Service.name, Plan.name.label("plan"), Plan.price)
        .join(Plan, Plan.service_id == Service.id)
        .where(Service.archived_at.is_(None), Plan.archived_at.is_(None))
        .order_by(Service.position, Service.id, Plan.position, Plan.id)
    )
    services: dict[int, tuple[str, list[Size]]] = {}
    for row in rows:
        services.setdefault(row.id, (row.name, []))[1].append(Size(row.plan, row.price))
    return [OfferedService(name, sizes) for name, sizes in services.values()]


def get_guide(name: str, *, public: bool) -> Guide:
    """Raises NotFound, with `public` also for a guide that is not public."""
    entry = GUIDES.get(name)
    if entry is None or (public and not entry.is_public):
        raise NotFound("指定された手引きは見つかりません。一覧から選び直してください。")
    return entry


def guide_report(db: Session, guide: Guide) -> Report:
    return rules.build_report(guide, current_facts(db))


def guide_list() -> schemas.Guides:
    return schemas.Guides(items=[schemas.GuideItem(**_guide_values(guide)) for guide in GUIDES.values()])


def _guide_values(guide: Guide) -> dict[str, Any]:
    return {
        "name": guide.name,
        "title": guide.title,
        "audience": guide.audience,
        "audience_title": AUDIENCE_LABELS[guide.audience],
        "reading": guide.reading,
        "summary": guide.summary,
        "url": f"{shell.address()}{GUIDES_PATH}/{guide.name}" if guide.is_public else None,
    }


def guide_detail(db: Session, guide: Guide) -> schemas.GuideInFull:
    sections = content(guide_report(db, guide))["sections"]
    return schemas.GuideInFull(**_guide_values(guide), sections=sections)


def due_shops(limit: int) -> Select[*tuple[Any, ...]]:
    """Active shops that have an address and are waiting for their manual."""
    return (
        select(Shop)
        .where(Shop.manual_sent_at.is_(None), Shop.mail != "", _is_mailable())
        .order_by(Shop.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _is_mailable() -> Any:
    return and_(Shop.archived_at.is_(None), Shop.blacklisted_at.is_(None))


def is_any_due(db: Session) -> bool:
    is_waiting = exists(select(Shop.id).where(Shop.manual_sent_at.is_(None), Shop.mail != "", _is_mailable()))
    return bool(db.scalar(select(is_waiting)))


def files(db: Session, digests: Mapping[str, str]) -> dict[str, File]:
    """The stored files of the guides; `digests`: name → digest of the current contents."""
    rows = db.execute(
        select(GuideFile.name, GuideFile.digest, File)
        .join(File, File.id == GuideFile.file_id)
        .where(GuideFile.name.in_(digests))
    )
    return {row.name: row.File for row in rows if digests[row.name] == row.digest}


def manual(db: Session, shop_id: int) -> schemas.Manual:
    """The delivery state of a shop's manual. Raises NotFound."""
    shop = shops.get(db, shop_id)
    newest = db.execute(
        select(ShopManual, OutboxMessage)
        .outerjoin(OutboxMessage, OutboxMessage.key == ShopManual.message_key)
        .where(ShopManual.shop_id == shop.id)
        .order_by(ShopManual.id.desc())
        .limit(1)
    ).one_or_none()
    sent, message = newest if newest is not None else (None, None)
    # Sent messages are deleted after the retention time; failed ones are kept until a user decides about them.
    state, sent_to, error = "sent", sent and sent.address, None
    if shop.manual_sent_at is None:
        is_due = shop.mail and shop.archived_at is None and shop.blacklisted_at is None
        state, sent_to = "due" if is_due else "none", None
    elif message is not None and message.sent_at is None:
        has_failed = message.dead_at or message.discarded_at
        state, error = ("failed", message.last_error) if has_failed else ("waiting", None)
    titles = [guide.title for guide in SHOP_GUIDES]
    return schemas.Manual(state=state, sent_at=shop.manual_sent_at, sent_to=sent_to, error=error, titles=titles)
