"""Every read of sites, models and further columns, and how a device is found by what is on its label."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import Select, String, case, func, select
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.lookups import by_id
from service.core.paging import Key, Listing, contains, cut, equals, put_away
from service.loaners import schemas
from service.loaners.history.models import DeviceState
from service.loaners.models import Alias, Column, Device, Model, Site
from service.loaners.rules import normal_number

Master = TypeVar("Master", Site, Model, Column, Device)
NOUNS: Mapping[type[Any], str] = {Site: "拠点", Model: "機種", Column: "追加の列", Device: "機器"}

SITES = Listing(
    select(
        Site.id,
        Site.version,
        Site.key,
        Site.code,
        Site.name,
        Site.jurisdiction,
        Site.group_mail,
        Site.notifies,
        select(func.count())
        .where(DeviceState.site_id == Site.id, func.upper_inf(DeviceState.during), ~DeviceState.is_archived)
        .correlate(Site)
        .scalar_subquery()
        .label("devices"),
        case((Site.archived_at.is_(None), "active"), else_="inactive").label("state"),
        Site.created_at,
        Site.updated_at,
        Site.archived_at,
    ),
    unique=Site.id,
    keys={"key": Key(Site.key), "code": Key(Site.code), "name": Key(Site.name), "jurisdiction": Key(Site.jurisdiction)},
    default="key",
    filters={
        "q": contains(Site.key, Site.code, Site.name),
        "jurisdiction": equals(Site.jurisdiction),
        **put_away(Site.archived_at),
    },
)
MODELS = Listing(
    select(
        Model.id,
        Model.version,
        Model.code,
        Model.name,
        Model.maker,
        Model.category,
        Model.note,
        select(func.count())
        .where(Device.model_id == Model.id, Device.archived_at.is_(None))
        .correlate(Model)
        .scalar_subquery()
        .label("devices"),
        Model.created_at,
        Model.updated_at,
        Model.archived_at,
    ),
    unique=Model.id,
    keys={"name": Key(Model.name), "maker": Key(Model.maker), "category": Key(Model.category), "id": Key(Model.id)},
    default="name",
    filters={
        "q": contains(Model.name, Model.maker),
        "category": equals(Model.category),
        **put_away(Model.archived_at),
    },
)
COLUMNS = Listing(
    select(
        Column.id,
        Column.version,
        Column.kind,
        Column.title,
        Column.value_type,
        Column.choices,
        Column.required,
        Column.position,
        Column.created_at,
        Column.updated_at,
        Column.archived_at,
    ),
    unique=Column.id,
    keys={"position": Key(Column.position), "title": Key(Column.title)},
    default="position",
    filters={
        "kind": equals(Column.kind),
        **put_away(Column.archived_at),
    },
)


def sites(db: Session, limit: int, cursor: str | None, filters: schemas.SiteFilters) -> dict[str, Any]:
    return SITES.page(db, limit, cursor, filters.sort, **cut(filters))


def sites_to_take_along(_: Actor, filters: schemas.SiteFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    return SITES.all(filters.sort, **cut(filters)).add_columns(Site.notifies.cast(String).label("notified"))


def models(db: Session, limit: int, cursor: str | None, filters: schemas.ModelFilters) -> dict[str, Any]:
    return MODELS.page(db, limit, cursor, filters.sort, **cut(filters))


def models_to_take_along(_: Actor, filters: schemas.ModelFilters) -> Select[*tuple[Any, ...]]:
    return MODELS.all(filters.sort, **cut(filters))


def columns(db: Session, limit: int, cursor: str | None, filters: schemas.ColumnFilters) -> dict[str, Any]:
    return COLUMNS.page(db, limit, cursor, filters.sort, **cut(filters))


def columns_of(db: Session, kind: str) -> list[Column]:
    """The further columns of a master that are in use, in their order."""
    found = select(Column).where(Column.kind == kind, Column.archived_at.is_(None))
    return list(db.scalars(found.order_by(Column.position, Column.id)))


def get(db: Session, one: type[Master], key: int, *, lock: bool = False) -> Master:
    """Raises NotFound, in words."""
    return by_id(db, one, key, NOUNS[one], lock=lock)


def numbered(db: Session, written: Collection[str]) -> dict[str, int]:
    """The ids of the devices that these mean: their number, another number of them, in any case of letters; or else
    their number with the symbols of the model (iPad-Pro-12.9). Those that mean none, or several, are not in it."""
    found = named(db, written)
    normal = {text: normal_number(text) for text in written if text not in found}
    others = named(db, [one for text, one in normal.items() if one != text])
    return found | {text: others[one] for text, one in normal.items() if one in others}


def named(db: Session, written: Collection[str]) -> dict[str, int]:
    """As `numbered`, of those that somebody gave them."""
    plain = {text: text.strip().lower() for text in written}
    wanted = sorted(set(plain.values()))
    exact: dict[str, int] = {}
    loose: dict[str, set[int]] = {}
    names = select(Device.number, Device.id).where(func.lower(Device.number).in_(wanted))
    others = select(Alias.alias, Alias.device_id).where(func.lower(Alias.alias).in_(wanted))
    for number, device_id in db.execute(names.union_all(others)):
        exact[number] = device_id
        loose.setdefault(number.lower(), set()).add(device_id)
    found: dict[str, int] = {}
    for text, lowered in plain.items():
        meant = {exact[text.strip()]} if text.strip() in exact else loose.get(lowered, set())
        if len(meant) == 1:
            found[text] = next(iter(meant))
    return found


def sites_by_key(db: Session, keys: Collection[str]) -> dict[str, Site]:
    return {site.key: site for site in db.scalars(select(Site).where(Site.key.in_(keys)))}


def sites_by_code(db: Session, codes: Collection[str]) -> dict[str, Site]:
    return {site.code: site for site in db.scalars(select(Site).where(Site.code.in_(codes)))}


def models_by_name(db: Session, names: Collection[str]) -> dict[str, Model]:
    return {model.name: model for model in db.scalars(select(Model).where(Model.name.in_(names)))}
