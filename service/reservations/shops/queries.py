"""Reads of partner shops and of the order in which they are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.audit import search
from service.core.audit.schemas import Change
from service.core.database.lookups import get_or_404
from service.core.database.paging import Filter, Key, Listing, Page, archived_filter, equals, filter_values
from service.core.values import phones
from service.reservations.models import Service, Shop, ShopService
from service.reservations.phone_filter import text_or_phone
from service.reservations.rules import AREA
from service.reservations.services import queries as services
from service.reservations.services.schemas import History
from service.reservations.shops import schemas
from service.reservations.shops.rules import WEEKDAYS, ordered_ids

_IN_SERVICES = (
    select(ShopService.shop_id)
    .join(Service, Service.id == ShopService.service_id)
    .where(ShopService.shop_id == Shop.id, Service.archived_at.is_(None))
    .order_by(Service.position, Service.id)
    .correlate(Shop)
)
_SERVICES = func.to_json(
    func.array(
        _IN_SERVICES.with_only_columns(
            func.json_build_object(
                "id", Service.id, "code", Service.code, "name", Service.name, "place", ShopService.position
            )
        ).scalar_subquery()
    )
)
_STATE = case(
    (Shop.archived_at.is_not(None), "archived"), (Shop.blacklisted_at.is_not(None), "blacklisted"), else_="active"
)


SHOPS = Listing(
    select(
        Shop.id,
        Shop.version,
        Shop.code,
        Shop.name,
        Shop.phone,
        phones.format_phone_column(Shop.phone).label("phone_shown"),
        Shop.mail,
        Shop.contact_name,
        Shop.note,
        Shop.opens_at,
        Shop.closes_at,
        Shop.closed_weekdays,
        _SERVICES.label("services"),
        _STATE.label("state"),
        Shop.blacklisted_at,
        Shop.blacklist_reason,
        Shop.created_at,
        Shop.updated_at,
        Shop.archived_at,
    ),
    model=schemas.ShopItem,
    unique=Shop.id,
    keys={
        "code": Key(Shop.code),
        "name": Key(Shop.name),
        "created_at": Key(Shop.created_at),
        "updated_at": Key(Shop.updated_at),
    },
    default="code",
    filters={
        "q": text_or_phone(Shop.name, Shop.code, phone=Shop.phone),
        "service_id": Filter(
            lambda name: exists(
                select(ShopService.shop_id).where(
                    ShopService.shop_id == Shop.id, ShopService.service_id == bindparam(name)
                )
            )
        ),
        "blacklisted": equals(Shop.blacklisted_at.is_not(None)),
        **archived_filter(Shop.archived_at),
    },
)


def shops(
    db: Session, _: Actor, limit: int, cursor: str | None, filters: schemas.ShopFilters
) -> Page[schemas.ShopItem]:
    return SHOPS.read(db, limit, cursor, filters.sort, **filter_values(filters))


def shops_export(_: Actor, filters: schemas.ShopFilters) -> Select[*tuple[Any, ...]]:
    """All shops in the order of the list, with the columns of an import file. Raises Invalid for an unknown sort
    order."""
    return SHOPS.all(filters.sort, **filter_values(filters)).add_columns(
        func.to_char(Shop.opens_at, "FMHH24:MI").label("opens"),
        func.to_char(Shop.closes_at, "FMHH24:MI").label("closes"),
        _closed_days_text().label("days"),
        func.coalesce(func.nullif(_places_text(), ""), "なし").label("places"),
    )


def _closed_days_text() -> ColumnElement[str]:
    labels = [
        case((func.array_position(Shop.closed_weekdays, day).is_not(None), label), else_=None)
        for day, label in enumerate(WEEKDAYS, 1)
    ]
    return func.coalesce(func.nullif(func.concat_ws("・", *labels), ""), "なし")


def _places_text() -> ColumnElement[str]:
    texts = _IN_SERVICES.with_only_columns(func.concat(Service.name, literal(":"), ShopService.position))
    return func.array_to_string(func.array(texts.scalar_subquery()), "、")


def shop_detail(db: Session, _: Actor, shop_id: int) -> schemas.ShopItem:
    """A shop as in the list. Raises NotFound."""
    return SHOPS.read_one(db, get(db, shop_id).id)


def history(db: Session, shop_id: int) -> History:
    """The audit log of a shop. Raises NotFound."""
    entries = search.history(db, AREA.name, {"shop": [get(db, shop_id).id]})
    for entry in entries:
        entry.changes = [_with_readable_phone(change) for change in entry.changes]
    return History(items=entries)


def _with_readable_phone(change: Change) -> Change:
    if change.field != "phone":
        return change
    before, after = (text and phones.format_phone(text) for text in (change.before, change.after))
    return replace(change, before=before, after=after)


def summary(db: Session) -> schemas.Summary:
    has_service = exists(
        select(ShopService.shop_id)
        .join(Service, Service.id == ShopService.service_id)
        .where(ShopService.shop_id == Shop.id, Service.archived_at.is_(None))
    )
    statement = select(
        func.count().label("shops"),
        func.count().filter(Shop.blacklisted_at.is_not(None)).label("blacklisted"),
        func.count().filter(Shop.mail == "").label("without_mail"),
        func.count().filter(and_(Shop.blacklisted_at.is_(None), ~has_service)).label("unplaced"),
    ).where(Shop.archived_at.is_(None))
    return schemas.Summary(**db.execute(statement).one()._mapping)


def call_order(db: Session, service_id: int) -> schemas.Order:
    """Raises NotFound."""
    service = services.get(db, service_id)
    statement = (
        select(
            Shop.id,
            Shop.code,
            Shop.name,
            phones.format_phone_column(Shop.phone).label("phone_shown"),
            Shop.opens_at,
            Shop.closes_at,
            Shop.closed_weekdays,
            Shop.blacklisted_at,
        )
        .join(ShopService, ShopService.shop_id == Shop.id)
        .where(ShopService.service_id == service.id, Shop.archived_at.is_(None))
        .order_by(ShopService.position, Shop.id)
    )
    items = [schemas.Called(**row) for row in db.execute(statement).mappings()]
    return schemas.Order(service_id=service.id, service_name=service.name, version=service.version, items=items)


def get(db: Session, shop_id: int, *, lock: bool = False) -> Shop:
    """Raises NotFound."""
    return get_or_404(db, Shop, shop_id, "提携店", lock=lock)


def call_places(db: Session, service_id: int) -> dict[int, int]:
    """The order of a service: shop id → place, without archived shops."""
    statement = (
        select(ShopService.shop_id, ShopService.position)
        .join(Shop, Shop.id == ShopService.shop_id)
        .where(ShopService.service_id == service_id, Shop.archived_at.is_(None))
    )
    return {row.shop_id: row.position for row in db.execute(statement)}


def names_in_order(db: Session, places: Mapping[int, int]) -> list[str]:
    """Names in the order of places, for the audit log."""
    rows = db.scalars(select(Shop).where(Shop.id.in_(places)))
    names_by_id = {shop.id: shop.name for shop in rows}
    return [names_by_id[key] for key in ordered_ids(places)]


def offered_services(db: Session, shop_id: int) -> dict[int, Service]:
    """The services of a shop by id, in their order, including archived ones."""
    statement = select(Service).join(ShopService, ShopService.service_id == Service.id)
    statement = statement.where(ShopService.shop_id == shop_id).order_by(Service.position, Service.id)
    return {service.id: service for service in db.scalars(statement)}


def import_rows(db: Session, codes: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Shops as rows of an import file, by code."""
    by_id = {shop.id: shop for shop in db.scalars(select(Shop).where(Shop.code.in_(codes)))}
    places_by_shop: dict[int, dict[str, int]] = {key: {} for key in by_id}
    statement = (
        select(ShopService.shop_id, Service.code, ShopService.position)
        .join(Service, Service.id == ShopService.service_id)
        .where(ShopService.shop_id.in_(by_id), Service.archived_at.is_(None))
        .order_by(Service.position, Service.id)
    )
    for shop_id, code, position in db.execute(statement):
        places_by_shop[shop_id][code] = position
    return {shop.code: (shop.id, schemas.import_row(shop, places_by_shop[shop.id])) for shop in by_id.values()}


def archived_codes(db: Session, codes: Collection[str]) -> set[str]:
    """The codes of archived shops among `codes`."""
    return set(db.scalars(select(Shop.code).where(Shop.code.in_(codes), Shop.archived_at.is_not(None))))
