"""Every read of partner shops and of the order in which they are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session

from service.core import phones, trail
from service.core.auth import Actor
from service.core.paging import Filter, Key, Listing, contains, when
from service.core.problems import NotFound
from service.reservations.rules import AREA
from service.reservations.services import queries as services
from service.reservations.services.models import Service
from service.reservations.shops import schemas
from service.reservations.shops.models import Shop, ShopService
from service.reservations.shops.rules import WEEKDAYS, in_order

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


# Two texts in one parameter: what is looked for in names and codes, and the digits in telephone numbers, or nothing.
_APART = "\x1f"


def _found_by(name: str) -> ColumnElement[bool]:
    text, digits = (func.split_part(bindparam(name, type_=String), _APART, place) for place in (1, 2))
    return or_(
        *(func.lower(column).like(func.lower(text), escape="/") for column in (Shop.name, Shop.code)),
        phones.behind(Shop.phone).like(digits),
    )


def _looked_for(asked: str) -> str | None:
    # As `contains` makes it, whose own columns do not matter here.
    text, digits = contains(Shop.name).value(asked), phones.part(asked)
    return f"{text}{_APART}{f'%{digits}%' if digits else ''}" if text else None


SHOPS = Listing(
    select(
        Shop.id,
        Shop.version,
        Shop.code,
        Shop.name,
        Shop.phone,
        phones.shown_column(Shop.phone).label("phone_shown"),
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
    unique=Shop.id,
    keys={
        "code": Key(Shop.code),
        "name": Key(Shop.name),
        "created_at": Key(Shop.created_at),
        "updated_at": Key(Shop.updated_at),
    },
    default="code",
    filters={
        "q": Filter(_found_by, _looked_for),
        "service_id": Filter(
            lambda name: exists(
                select(ShopService.shop_id).where(
                    ShopService.shop_id == Shop.id, ShopService.service_id == bindparam(name)
                )
            )
        ),
        "is_blacklisted": when(Shop.blacklisted_at.is_not(None)),
        "is_usable": when(Shop.blacklisted_at.is_(None)),
        "is_in_use": when(Shop.archived_at.is_(None)),
        "is_archived": when(Shop.archived_at.is_not(None)),
    },
)


def _cut(filters: schemas.ShopFilters) -> dict[str, Any]:
    return {
        "q": filters.q,
        "service_id": filters.service_id,
        "is_blacklisted": filters.blacklisted is True,
        "is_usable": filters.blacklisted is False,
        "is_archived": filters.archived,
        "is_in_use": not filters.archived,
    }


def shops(db: Session, limit: int, cursor: str | None, filters: schemas.ShopFilters) -> dict[str, Any]:
    return SHOPS.page(db, limit, cursor, filters.sort, **_cut(filters))


def shops_to_take_along(_: Actor, filters: schemas.ShopFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list, as a file for the import has them. Raises Invalid for an order that is
    none of ours."""
    return SHOPS.all(filters.sort, **_cut(filters)).add_columns(
        func.to_char(Shop.opens_at, "FMHH24:MI").label("opens"),
        func.to_char(Shop.closes_at, "FMHH24:MI").label("closes"),
        _days().label("days"),
        func.coalesce(func.nullif(_places(), ""), "なし").label("places"),
    )


def _days() -> ColumnElement[str]:
    words = [
        case((func.array_position(Shop.closed_weekdays, day).is_not(None), word), else_=None)
        for day, word in enumerate(WEEKDAYS, 1)
    ]
    return func.coalesce(func.nullif(func.concat_ws("・", *words), ""), "なし")


def _places() -> ColumnElement[str]:
    words = _IN_SERVICES.with_only_columns(func.concat(Service.name, literal(":"), ShopService.position))
    return func.array_to_string(func.array(words.scalar_subquery()), "、")


def shop_in_full(db: Session, shop_id: int) -> dict[str, Any]:
    """As in the list. Raises NotFound."""
    return dict(db.execute(SHOPS.rows.where(Shop.id == get(db, shop_id).id)).one()._mapping)


def history(db: Session, shop_id: int) -> dict[str, Any]:
    """What people did to it. Raises NotFound."""
    told = trail.history(db, AREA.name, {"shop": [get(db, shop_id).id]})
    return {"items": [one | {"changes": [_as_written(change) for change in one["changes"]]} for one in told]}


def _as_written(change: trail.Change) -> trail.Change:
    if change.field != "phone":
        return change
    was, now = (text and phones.shown(text) for text in (change.before, change.after))
    return replace(change, before=was, after=now)


def summary(db: Session) -> dict[str, Any]:
    in_an_order = exists(
        select(ShopService.shop_id)
        .join(Service, Service.id == ShopService.service_id)
        .where(ShopService.shop_id == Shop.id, Service.archived_at.is_(None))
    )
    counted = select(
        func.count().label("shops"),
        func.count().filter(Shop.blacklisted_at.is_not(None)).label("blacklisted"),
        func.count().filter(Shop.mail == "").label("without_mail"),
        func.count().filter(and_(Shop.blacklisted_at.is_(None), ~in_an_order)).label("unplaced"),
    ).where(Shop.archived_at.is_(None))
    return dict(db.execute(counted).one()._mapping)


def order(db: Session, service_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    service = services.get(db, Service, service_id)
    called = (
        select(
            Shop.id,
            Shop.code,
            Shop.name,
            phones.shown_column(Shop.phone).label("phone_shown"),
            Shop.opens_at,
            Shop.closes_at,
            Shop.closed_weekdays,
            Shop.blacklisted_at,
        )
        .join(ShopService, ShopService.shop_id == Shop.id)
        .where(ShopService.service_id == service.id, Shop.archived_at.is_(None))
        .order_by(ShopService.position, Shop.id)
    )
    items = [dict(row._mapping) for row in db.execute(called)]
    return {"service_id": service.id, "service_name": service.name, "version": service.version, "items": items}


def get(db: Session, shop_id: int, *, lock: bool = False) -> Shop:
    """Raises NotFound, in words."""
    found = db.get(Shop, shop_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("指定された提携店は見つかりません。一覧を開き直してください。")
    return found


def places(db: Session, service_id: int) -> dict[int, int]:
    """Who is in the order of a service, by id, and where; archived shops are not."""
    found = (
        select(ShopService.shop_id, ShopService.position)
        .join(Shop, Shop.id == ShopService.shop_id)
        .where(ShopService.service_id == service_id, Shop.archived_at.is_(None))
    )
    return {row.shop_id: row.position for row in db.execute(found)}


def names(db: Session, places: Mapping[int, int]) -> list[str]:
    """From the first to the last, for the trail."""
    found = db.scalars(select(Shop).where(Shop.id.in_(places)))
    known = {shop.id: shop.name for shop in found}
    return [known[key] for key in in_order(places)]


def offered(db: Session, shop_id: int) -> dict[int, Service]:
    """The services of a shop by id, in their order; archived ones too."""
    found = select(Service).join(ShopService, ShopService.service_id == Service.id)
    found = found.where(ShopService.shop_id == shop_id).order_by(Service.position, Service.id)
    return {service.id: service for service in db.scalars(found)}


def rows_for_import(db: Session, codes: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Shops as rows of a file have them, by their codes."""
    found = {shop.id: shop for shop in db.scalars(select(Shop).where(Shop.code.in_(codes)))}
    offers: dict[int, dict[str, int]] = {key: {} for key in found}
    ties = (
        select(ShopService.shop_id, Service.code, ShopService.position)
        .join(Service, Service.id == ShopService.service_id)
        .where(ShopService.shop_id.in_(found), Service.archived_at.is_(None))
        .order_by(Service.position, Service.id)
    )
    for shop_id, code, position in db.execute(ties):
        offers[shop_id][code] = position
    return {shop.code: (shop.id, schemas.row_of(shop, offers[shop.id])) for shop in found.values()}


def archived(db: Session, codes: Collection[str]) -> set[str]:
    """Those of the codes whose shop is."""
    return set(db.scalars(select(Shop.code).where(Shop.code.in_(codes), Shop.archived_at.is_not(None))))
