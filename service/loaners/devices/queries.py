"""Every read of the devices as masters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, String, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.labels import Label
from service.core.paging import Filter, Key, Listing, contains, cut, equals, put_away
from service.core.problems import Invalid, NotFound
from service.loaners import queries
from service.loaners.devices import schemas
from service.loaners.history.models import DeviceState, Event, Mark
from service.loaners.history.queries import state
from service.loaners.history.rules import EventKind, State
from service.loaners.models import Alias, Column, Device, Model, Site
from service.loaners.rules import CATEGORIES, DEPOSIT_WORDS, Kind

MOST_LABELS = 1_000
_now = and_(DeviceState.device_id == Device.id, func.upper_inf(DeviceState.during))
_aliases = select(Alias.alias).where(Alias.device_id == Device.id).order_by(Alias.alias).correlate(Device)
_at_home = func.split_part(Device.number, "_", 1)
DEVICES = Listing(
    select(
        Device.id,
        Device.version,
        Device.number,
        Device.kind,
        Device.category,
        Device.model_id,
        Model.name.label("model_name"),
        Model.maker,
        Device.serial,
        Device.asset_number,
        Device.software,
        Device.os,
        Device.extra,
        func.array(_aliases.scalar_subquery()).label("aliases"),
        DeviceState.site_id,
        Site.name.label("site_name"),
        Site.jurisdiction,
        (Site.code != _at_home).label("is_moved"),
        DeviceState.status,
        DeviceState.held,
        DeviceState.deposit,
        Device.created_at,
        Device.updated_at,
        Device.archived_at,
    )
    .join(Model, Model.id == Device.model_id)
    .join(DeviceState, _now)
    .join(Site, Site.id == DeviceState.site_id),
    unique=Device.id,
    keys={
        "number": Key(Device.number),
        "model_name": Key(Model.name),
        "serial": Key(Device.serial),
        "updated_at": Key(Device.updated_at),
        "created_at": Key(Device.created_at),
    },
    default="number",
    filters={
        "id": equals(Device.id),
        "site_id": equals(DeviceState.site_id),
        "jurisdiction": equals(Site.jurisdiction),
        "kind": equals(Device.kind),
        "category": equals(Device.category),
        "model_id": equals(Device.model_id),
        "q": Filter(
            lambda name: or_(
                contains(Device.number, Device.serial, Device.asset_number, Model.name).condition(name),
                exists(_aliases.where(contains(Alias.alias).condition(name))),
            ),
            contains(Device.number).value,
        ),
        **put_away(Device.archived_at),
    },
)


def devices(db: Session, limit: int, cursor: str | None, filters: schemas.DeviceFilters) -> dict[str, Any]:
    return DEVICES.page(db, limit, cursor, filters.sort, **cut(filters))


def others(db: Session, model_id: int, serial: str) -> Sequence[str]:
    """The numbers of the devices of the same model and 製造番号, archived ones included."""
    found = select(Device.number).where(Device.model_id == model_id, Device.serial == serial)
    return db.scalars(found.order_by(Device.number)).all()


def running(numbers: Collection[str]) -> int:
    """The 連番 that follows these."""
    return max((int(number[-3:]) for number in numbers), default=0) + 1


def is_taken(db: Session, number: str) -> bool:
    """By a device, or as another number of one; in any case of letters, as labels are scanned and typed."""
    plain = number.strip().lower()
    return bool(
        db.scalar(
            select(
                exists().where(func.lower(Device.number) == plain) | exists().where(func.lower(Alias.alias) == plain)
            )
        )
    )


def state_now(db: Session, device_id: int) -> DeviceState:
    return db.scalars(
        select(DeviceState).where(DeviceState.device_id == device_id, func.upper_inf(DeviceState.during))
    ).one()


def extra_in_words(db: Session, kind: str, extra: Mapping[str, str]) -> list[str]:
    """For the trail: 設置場所: 3階."""
    return [f"{one.title}: {extra[str(one.id)]}" for one in queries.columns_of(db, kind) if str(one.id) in extra]


def further_columns(db: Session) -> list[Column]:
    """Of all three masters, those in use."""
    found = select(Column).where(Column.archived_at.is_(None))
    return list(db.scalars(found.order_by(Column.position, Column.id)))


class Known(NamedTuple):
    """A device that a row of a file is compared with, its model's name, and the id of the site where it is. `deposit`
    is the state's; of a device of which no form is known, what was told last and will hold if its history says so."""

    device: Device
    model: str
    site: str
    state: State
    deposit: int | None


def for_import(db: Session, numbers: Collection[str]) -> dict[str, Known]:
    """By number, or another number of it."""
    ids = queries.numbered(db, numbers)
    rows = db.execute(
        select(Device, Model.name, Site.key, DeviceState)
        .join(Model, Model.id == Device.model_id)
        .join(DeviceState, _now)
        .join(Site, Site.id == DeviceState.site_id)
        .where(Device.id.in_(list(ids.values())))
    )
    found = {row[0].id: Known(*row[:3], state(row[3]), row[3].deposit) for row in rows}
    told = _told_deposits(db, [key for key, known in found.items() if known.state.status is None])
    return {
        number: found[device_id]._replace(deposit=told.get(device_id, found[device_id].deposit))
        for number, device_id in ids.items()
    }


def _told_deposits(db: Session, device_ids: Collection[int]) -> dict[int, int]:
    """The last one of each device, whether it holds or not."""
    marked = select(Mark.event_id).where(Mark.event_id == Event.id).exists()
    found = select(Event.device_id, Event.deposit).where(
        Event.device_id.in_(device_ids), Event.kind == EventKind.DEPOSIT, ~marked
    )
    rows: Sequence[Any] = db.execute(found.order_by(Event.effective_at, Event.id)).all()
    return dict(rows)


class Named:
    """What rows of a file name: sites by their id, or by the beginning of the number, and models."""

    def __init__(self, db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        self._by_key = queries.sites_by_key(db, {row["site_key"] for row in rows})
        self._by_code = queries.sites_by_code(db, {_site_code(row) for row in rows})
        self._models = queries.models_by_name(db, {row["model_name"] for row in rows})

    def site(self, row: Mapping[str, Any]) -> Site | None:
        return self._by_key.get(row["site_key"]) if row["site_key"] else self._by_code.get(_site_code(row))

    def model(self, row: Mapping[str, Any]) -> Model | None:
        return self._models.get(row["model_name"])

    def refusal(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        """Field and words, when a device cannot be registered as this row says."""
        site, model = self.site(row), self.model(row)
        if site is None:
            field, named = ("site_key", row["site_key"]) if row["site_key"] else ("number", _site_code(row))
            return field, f"拠点「{named}」が拠点マスタにありません。先に拠点を登録してください。"
        if site.archived_at is not None:
            return "site_key", f"拠点「{site.name}」は無効です。有効にしてから取り込んでください。"
        if model is None:
            return "model_name", f"機種「{row['model_name']}」が機種マスタにありません。先に機種を登録してください。"
        if _site_code(row) != site.code:
            return "site_key", f"拠点管理番号の拠点コードが、拠点「{site.name}」の「{site.code}」と違います。"
        if row["number"].split("_")[1] != CATEGORIES[row["category"]].abbreviation:
            return "category", "拠点管理番号のカテゴリと違います。どちらかを直してください。"
        return None


def _site_code(row: Mapping[str, Any]) -> str:
    code: str = row["number"].split("_")[0]
    return code


def to_take_along(kind: Kind, link: Callable[[], str]) -> Any:
    """Of one master, for its export: all rows in the order of the list, with the words of the document. `link` is what
    a label leads to, without the number."""

    def statement(_: Actor, filters: schemas.MasterFilters) -> Select[*tuple[Any, ...]]:
        found = DEVICES.all(filters.sort, kind=kind.value, **cut(filters))
        return found.add_columns(
            Site.key.label("site_key"),
            Device.archived_at.is_(None).cast(String).label("is_active"),
            _deposit_words().label("deposit_words"),
            (literal(link()) + Device.number).label("form_url"),
            (literal(link()) + Device.number).label("qr_url"),
            _extra_words().label("extra_words"),
            func.array_to_string(func.array(_aliases.scalar_subquery()), "、").label("alias_words"),
        )

    return statement


def _deposit_words() -> ColumnElement[str]:
    words = {deposit.value: one.title for deposit, one in DEPOSIT_WORDS.items()}
    return case(words, value=DeviceState.deposit, else_="")


def _extra_words() -> ColumnElement[str]:
    """設置場所: 3階、充電器: あり"""
    value = Device.extra[Column.id.cast(String)].astext
    one = (
        select(func.string_agg(Column.title + ": " + value, "、"))
        .where(Column.kind == Device.kind, Column.archived_at.is_(None), value.is_not(None))
        .correlate(Device)
    )
    return func.coalesce(one.scalar_subquery(), "")


def to_print(db: Session, filters: schemas.LabelFilters, link: str) -> list[Label]:
    """A label for each device chosen by number, or for all that the filters leave, in the order of the list.

    Raises:
        NotFound: none is left.
        Invalid: more than anybody prints at once.
    """
    given = cut(filters)
    chosen = given.pop("number", None)
    found = DEVICES.all(filters.sort, **given)
    if chosen:
        found = found.where(Device.number.in_(chosen))
    rows = db.execute(found.limit(MOST_LABELS + 1)).all()
    if not rows:
        raise NotFound("印刷する機器がありません。条件を変えるか、先に機器を登録してください。")
    if len(rows) > MOST_LABELS:
        raise Invalid(f"一度に印刷できるラベルは{MOST_LABELS:,}枚までです。拠点や機器種別で絞り込んでください。")
    return [Label(f"{link}{row.number}", (row.number, row.model_name)) for row in rows]
