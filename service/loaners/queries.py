"""Every read of sites, models and custom columns, and the search for devices by the number on their label."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import Select, String, case, func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.lookups import get_or_404
from service.core.database.paging import Key, Listing, Page, archived_filter, contains, equals, filter_values
from service.loaners import schemas
from service.loaners.models import Alias, Column, Device, DeviceState, Model, Site
from service.loaners.rules import normalize_number

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
    model=schemas.SiteItem,
    unique=Site.id,
    keys={"key": Key(Site.key), "code": Key(Site.code), "name": Key(Site.name), "jurisdiction": Key(Site.jurisdiction)},
    default="key",
    filters={
        "q": contains(Site.key, Site.code, Site.name),
        "jurisdiction": equals(Site.jurisdiction),
        **archived_filter(Site.archived_at),
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
    model=schemas.ModelItem,
    unique=Model.id,
    keys={"name": Key(Model.name), "maker": Key(Model.maker), "category": Key(Model.category), "id": Key(Model.id)},
    default="name",
    filters={
        "q": contains(Model.name, Model.maker),
        "category": equals(Model.category),
        **archived_filter(Model.archived_at),
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
    model=schemas.ColumnItem,
    unique=Column.id,
    keys={"position": Key(Column.position), "title": Key(Column.title)},
    default="position",
    filters={
        "kind": equals(Column.kind),
        **archived_filter(Column.archived_at),
    },
)


def sites(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.SiteFilters
) -> Page[schemas.SiteItem]:
    return SITES.read(db, limit, cursor, filters.sort, **filter_values(filters))


def export_sites(_: Actor, filters: schemas.SiteFilters) -> Select[*tuple[Any, ...]]:
    """All rows, in the order of the list. Raises Invalid for an unknown sort order."""
    return SITES.all(filters.sort, **filter_values(filters)).add_columns(Site.notifies.cast(String).label("notified"))


def models(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ModelFilters
) -> Page[schemas.ModelItem]:
    return MODELS.read(db, limit, cursor, filters.sort, **filter_values(filters))


def export_models(_: Actor, filters: schemas.ModelFilters) -> Select[*tuple[Any, ...]]:
    return MODELS.all(filters.sort, **filter_values(filters))


def columns(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ColumnFilters
) -> Page[schemas.ColumnItem]:
    return COLUMNS.read(db, limit, cursor, filters.sort, **filter_values(filters))


def active_columns(db: Session, kind: str) -> list[Column]:
    """The active custom columns of a master, in their order."""
    statement = select(Column).where(Column.kind == kind, Column.archived_at.is_(None))
    return list(db.scalars(statement.order_by(Column.position, Column.id)))


def get(db: Session, model: type[Master], row_id: int, *, lock: bool = False) -> Master:
    """Raises NotFound with a message for the user."""
    return get_or_404(db, model, row_id, NOUNS[model], lock=lock)


def device_ids_by_number(db: Session, texts: Collection[str]) -> dict[str, int]:
    """The device ids for these texts: a number or an alias, ignoring case; else a number that contains symbols of the
    model name (iPad-Pro-12.9). Texts that match no device, or several, are left out."""
    exact = device_ids_by_exact_number(db, texts)
    normalized = {text: normalize_number(text) for text in texts if text not in exact}
    others = device_ids_by_exact_number(db, [number for text, number in normalized.items() if number != text])
    return exact | {text: others[number] for text, number in normalized.items() if number in others}


def device_ids_by_exact_number(db: Session, texts: Collection[str]) -> dict[str, int]:
    """As `device_ids_by_number`, but only exact numbers and aliases, ignoring case."""
    lowered = {text: text.strip().lower() for text in texts}
    lowered_texts = sorted(set(lowered.values()))
    exact: dict[str, int] = {}
    by_lowered: dict[str, set[int]] = {}
    names = select(Device.number, Device.id).where(func.lower(Device.number).in_(lowered_texts))
    others = select(Alias.alias, Alias.device_id).where(func.lower(Alias.alias).in_(lowered_texts))
    for number, device_id in db.execute(names.union_all(others)):
        exact[number] = device_id
        by_lowered.setdefault(number.lower(), set()).add(device_id)
    result: dict[str, int] = {}
    for text, lowered_text in lowered.items():
        matches = {exact[text.strip()]} if text.strip() in exact else by_lowered.get(lowered_text, set())
        if len(matches) == 1:
            result[text] = next(iter(matches))
    return result


def sites_by_key(db: Session, keys: Collection[str]) -> dict[str, Site]:
    return {site.key: site for site in db.scalars(select(Site).where(Site.key.in_(keys)))}


def sites_by_code(db: Session, codes: Collection[str]) -> dict[str, Site]:
    return {site.code: site for site in db.scalars(select(Site).where(Site.code.in_(codes)))}


def models_by_name(db: Session, names: Collection[str]) -> dict[str, Model]:
    return {model.name: model for model in db.scalars(select(Model).where(Model.name.in_(names)))}
