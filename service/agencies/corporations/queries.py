"""Queries of corporations. Each is filtered by the user's agency, and row-level security enforces the same again."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from service.agencies import queries as agencies
from service.agencies.cards import queries as cards
from service.agencies.cards.models import Card
from service.agencies.corporations import schemas
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.rules import BY_CARD
from service.agencies.fields import rules as fields
from service.agencies.masters.models import Choice
from service.agencies.models import Agency, Request, Site
from service.agencies.rules import AREA, Status
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.paging import Filter, Key, Listing, Page, contains, equals
from service.core.values.texts import half_width

ABSENT = "指定された法人は見つかりません。法人検索を開き直してください。"
MAX_DUPLICATES = 20


def get(db: Session, by: Actor, corporation_id: int, lock: bool = False) -> Corporation:
    """Raises NotFound when it does not exist or belongs to another agency."""
    return agencies.get_visible(db, by, Corporation, corporation_id, ABSENT, lock=lock)


def check_card_revealable(db: Session, by: Actor, corporation_id: int) -> None:
    """Checked before an attempt is counted or recorded. Raises NotFound, and Conflict when the number was deleted."""
    cards.get_revealable_card(db, get(db, by, corporation_id).id)


def has_open_request(db: Session, corporation_id: int) -> bool:
    return bool(db.scalar(select(exists().where(Request.corporation_id == corporation_id, Request.is_open))))


def count_overdue_cards(db: Session) -> int:
    """How many cards are past their purge date, or have none although the corporation has no open request."""
    open_request = exists().where(Request.corporation_id == Card.corporation_id, Request.is_open)
    without_purge_date = (
        select(func.count()).select_from(Card).where(Card.has_number, Card.purge_at.is_(None), ~open_request)
    )
    return cards.count_overdue(db) + (db.scalar(without_purge_date) or 0)


_requests = select(func.count(Request.id)).where(Request.corporation_id == Corporation.id).correlate(Corporation)
_sites = (
    select(func.count(Site.id))
    .where(Site.corporation_id == Corporation.id, Site.status != Status.CANCELLED.value)
    .correlate(Corporation)
)


def _normalized(text: str | None) -> str:
    """The text, normalized as `Corporation.sought`."""
    return unicodedata.normalize("NFKC", text or "").replace(" ", "").replace("-", "").lower()


SOUGHT = Filter(
    lambda name: Corporation.sought.like(bindparam(name, type_=String), escape="/"),
    lambda text: contains(Corporation.sought).value(_normalized(text)),
)
CORPORATIONS = Listing(
    select(
        Corporation.id,
        Corporation.agency_id,
        Agency.name.label("agency_name"),
        Corporation.name,
        Corporation.kana,
        Corporation.reading,
        Corporation.customer_type,
        Corporation.corporation_number,
        Corporation.phone1,
        Corporation.prefecture,
        Corporation.city,
        _requests.scalar_subquery().label("requests"),
        _sites.scalar_subquery().label("sites"),
        Corporation.created_at,
    ).join(Agency, Agency.id == Corporation.agency_id),
    model=schemas.CorporationItem,
    unique=Corporation.id,
    keys={
        "kana": Key(Corporation.reading),
        "name": Key(Corporation.name),
        "created_at": Key(Corporation.created_at),
    },
    default="kana",
    filters={
        "q": SOUGHT,
        "agency_id": equals(Corporation.agency_id),
        "own": equals(Corporation.agency_id),
    },
    # Each has an agency: the count of all needs no join.
    total=lambda names: None if names else select(func.count(Corporation.id)),
)


def _filter_values(by: Actor, filters: schemas.CorporationFilters) -> dict[str, Any]:
    return {"q": filters.q, "agency_id": filters.agency_id, "own": by.tenant_in(AREA.name)}


def corporations(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.CorporationFilters
) -> Page[schemas.CorporationItem]:
    return CORPORATIONS.read(db, limit, cursor, filters.sort, **_filter_values(by, filters))


def corporations_export(by: Actor, filters: schemas.CorporationFilters) -> Select[*tuple[Any, ...]]:
    """The export: the list with the name of 契約者区分."""
    type_name = select(Choice.name).where(Choice.list == "customer_type", Choice.code == Corporation.customer_type)
    statement = CORPORATIONS.all(filters.sort, **_filter_values(by, filters))
    return statement.add_columns(type_name.correlate(Corporation).scalar_subquery().label("customer_type_name"))


def detail(db: Session, by: Actor, corporation_id: int) -> schemas.CorporationDetail:
    """Raises NotFound."""
    corporation = get(db, by, corporation_id)
    card = cards.summary(db, corporation.id)
    counts = db.execute(
        select(
            _requests.scalar_subquery().label("requests"),
            _requests.where(Request.is_open).scalar_subquery().label("open_requests"),
            _sites.scalar_subquery().label("sites"),
            Agency.name.label("agency_name"),
        )
        .select_from(Corporation)
        .join(Agency, Agency.id == Corporation.agency_id)
        .where(Corporation.id == corporation.id)
    ).one()
    values = {
        name: getattr(corporation, name)
        for name in schemas.CorporationDetail.model_fields
        if hasattr(corporation, name)
    }
    needs_card = corporation.payment_type == BY_CARD and (card is None or not card.has_number)
    return schemas.CorporationDetail(**values, **counts._mapping, card=card, needs_card=needs_card)


_sites_of_request = select(func.count(Site.id)).where(Site.request_id == Request.id).correlate(Request)
_site_names = select(Site.power_branch_name).where(Site.request_id == Request.id, Site.power_branch_name != "")
REQUESTS = Listing(
    select(
        Request.id,
        Request.status,
        Request.is_open,
        User.name.label("requested_by_name"),
        _sites_of_request.where(Site.status == Status.ENTERED.value).scalar_subquery().label("entered_sites"),
        _sites_of_request.where(Site.status != Status.CANCELLED.value).scalar_subquery().label("sites"),
        Request.site_count,
        func.array(_site_names.order_by(Site.id).correlate(Request).scalar_subquery()).label("site_names"),
        Request.created_at,
    ).join(User, User.id == Request.requested_by),
    model=schemas.RequestOf,
    unique=Request.id,
    keys={"created_at": Key(Request.created_at)},
    default="-created_at",
    filters={"corporation_id": equals(Request.corporation_id)},
)


def requests_of(db: Session, by: Actor, corporation_id: int, limit: int, cursor: str | None) -> Page[schemas.RequestOf]:
    """Raises NotFound."""
    corporation = get(db, by, corporation_id)
    return REQUESTS.read(db, limit, cursor, corporation_id=corporation.id)


def duplicates(db: Session, by: Actor, sought: schemas.Sought) -> list[schemas.Duplicate]:
    """Possible duplicates in the own agency, or in all agencies; the newest first."""
    same: dict[str, ColumnElement[bool]] = {}
    if number := _digits(sought.corporation_number):
        same["corporation_number"] = Corporation.corporation_number == number
    if name := _normalized(sought.name):
        same["name"] = Corporation.sought.startswith(f"{name}|", autoescape=True)
    if kana := _normalized(fields.proposed_kana(sought.kana or "") or sought.kana):
        same["kana"] = Corporation.sought.contains(f"|{kana}|", autoescape=True)
    if phones := _phone_forms(sought.phone):
        same["phone"] = or_(Corporation.phone1.in_(phones), Corporation.phone2.in_(phones))
    if not same:
        return []
    criteria = and_(
        agencies.visible_to(by, Corporation.agency_id), or_(*same.values()), Corporation.id != (sought.except_id or 0)
    )
    statement = select(Corporation, Agency.name, *(condition.label(name) for name, condition in same.items()))
    rows = db.execute(
        statement.join(Agency, Agency.id == Corporation.agency_id)
        .where(criteria)
        .order_by(Corporation.id.desc())
        .limit(MAX_DUPLICATES)
    ).all()
    return [
        schemas.Duplicate(
            **{name: getattr(row[0], name) for name in schemas.Duplicate.model_fields if hasattr(row[0], name)},
            agency_name=row[1],
            same=[name for name, is_same in zip(same, row[2:], strict=True) if is_same],
        )
        for row in rows
    ]


def _digits(text: str | None) -> str:
    return "".join(character for character in half_width(text or "") if character in "0123456789")


def _phone_forms(text: str | None) -> list[str]:
    """The forms in which a number may be stored: with the hyphens that are certain, as typed, and without hyphens."""
    if not text:
        return []
    try:
        return sorted({fields.phone(text), fields.phone(_digits(text)), _digits(text)})
    except ValueError:
        return []
