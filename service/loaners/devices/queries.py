"""Every read of devices as master data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, String, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.paging import (
    Filter,
    Key,
    Listing,
    Page,
    archived_filter,
    contains,
    equals,
    filter_values,
)
from service.core.printing.labels import Label
from service.core.problems import Invalid, NotFound
from service.loaners import queries
from service.loaners.devices import schemas
from service.loaners.history.models import Event, Mark
from service.loaners.history.queries import to_state
from service.loaners.history.rules import EventKind, State
from service.loaners.models import Alias, Column, Device, DeviceState, Model, Site
from service.loaners.rules import CATEGORIES, DEPOSIT_LABELS, Kind

MAX_LABELS = 1_000
_is_current = and_(DeviceState.device_id == Device.id, func.upper_inf(DeviceState.during))
_aliases = select(Alias.alias).where(Alias.device_id == Device.id).order_by(Alias.alias).correlate(Device)
_site_code_in_number = func.split_part(Device.number, "_", 1)
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
        (Site.code != _site_code_in_number).label("is_moved"),
        DeviceState.status,
        DeviceState.held,
        DeviceState.deposit,
        Device.created_at,
        Device.updated_at,
        Device.archived_at,
    )
    .join(Model, Model.id == Device.model_id)
    .join(DeviceState, _is_current)
    .join(Site, Site.id == DeviceState.site_id),
    model=schemas.DeviceItem,
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
        **archived_filter(Device.archived_at),
    },
)


def devices(db: Session, limit: int, cursor: str | None, filters: schemas.DeviceFilters) -> Page[schemas.DeviceItem]:
    return DEVICES.read(db, limit, cursor, filters.sort, **filter_values(filters))


def existing_numbers(db: Session, model_id: int, serial: str) -> Sequence[str]:
    """The numbers of devices with the same model and 製造番号, archived ones included."""
    statement = select(Device.number).where(Device.model_id == model_id, Device.serial == serial)
    return db.scalars(statement.order_by(Device.number)).all()


def next_running_number(numbers: Collection[str]) -> int:
    """The next 連番 after these numbers."""
    return max((int(number[-3:]) for number in numbers), default=0) + 1


def is_taken(db: Session, number: str) -> bool:
    """Whether a device has this number or alias, ignoring case: labels are scanned and typed."""
    lowered = number.strip().lower()
    return bool(
        db.scalar(
            select(
                exists().where(func.lower(Device.number) == lowered)
                | exists().where(func.lower(Alias.alias) == lowered)
            )
        )
    )


def current_state(db: Session, device_id: int) -> DeviceState:
    return db.scalars(
        select(DeviceState).where(DeviceState.device_id == device_id, func.upper_inf(DeviceState.during))
    ).one()


def extra_labels(db: Session, kind: str, extra: Mapping[str, str]) -> list[str]:
    """For the audit log: 設置場所: 3階."""
    return [
        f"{column.title}: {extra[str(column.id)]}"
        for column in queries.active_columns(db, kind)
        if str(column.id) in extra
    ]


def custom_columns(db: Session) -> list[Column]:
    """The active custom columns of all three masters."""
    statement = select(Column).where(Column.archived_at.is_(None))
    return list(db.scalars(statement.order_by(Column.position, Column.id)))


class StoredDevice(NamedTuple):
    """A device that a row of a file is compared with, its model's name, and the key of its site. `deposit` is that of
    the state; for a device without a form, the last one that was reported, which takes effect if its history allows."""

    device: Device
    model: str
    site: str
    state: State
    deposit: int | None


def devices_for_import(db: Session, numbers: Collection[str]) -> dict[str, StoredDevice]:
    """By number or alias."""
    ids = queries.device_ids_by_number(db, numbers)
    rows = db.execute(
        select(Device, Model.name, Site.key, DeviceState)
        .join(Model, Model.id == Device.model_id)
        .join(DeviceState, _is_current)
        .join(Site, Site.id == DeviceState.site_id)
        .where(Device.id.in_(list(ids.values())))
    )
    by_id = {row[0].id: StoredDevice(*row[:3], to_state(row[3]), row[3].deposit) for row in rows}
    reported = _reported_deposits(db, [key for key, stored in by_id.items() if stored.state.status is None])
    return {
        number: by_id[device_id]._replace(deposit=reported.get(device_id, by_id[device_id].deposit))
        for number, device_id in ids.items()
    }


def _reported_deposits(db: Session, device_ids: Collection[int]) -> dict[int, int]:
    """The last deposit event of each device, whether it took effect or not."""
    marked = select(Mark.event_id).where(Mark.event_id == Event.id).exists()
    statement = select(Event.device_id, Event.deposit).where(
        Event.device_id.in_(device_ids), Event.kind == EventKind.DEPOSIT, ~marked
    )
    rows: Sequence[Any] = db.execute(statement.order_by(Event.effective_at, Event.id)).all()
    return dict(rows)


class References:
    """The masters that rows of a file refer to: sites by 拠点ID or by the start of the number, and models by name."""

    def __init__(self, db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        self._by_key = queries.sites_by_key(db, {row["site_key"] for row in rows})
        self._by_code = queries.sites_by_code(db, {_site_code(row) for row in rows})
        self._models = queries.models_by_name(db, {row["model_name"] for row in rows})

    def site(self, row: Mapping[str, Any]) -> Site | None:
        return self._by_key.get(row["site_key"]) if row["site_key"] else self._by_code.get(_site_code(row))

    def model(self, row: Mapping[str, Any]) -> Model | None:
        return self._models.get(row["model_name"])

    def refusal(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        """Field and error message when a device cannot be registered from this row; else None."""
        site, model = self.site(row), self.model(row)
        if site is None:
            field, name = ("site_key", row["site_key"]) if row["site_key"] else ("number", _site_code(row))
            return field, f"拠点「{name}」が拠点マスタにありません。先に拠点を登録してください。"
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


def export_devices(kind: Kind, link: Callable[[], str]) -> Any:
    """The export statement of one master: all rows in the order of the list, with the document's labels. `link` gives
    the URL of a label, without the number."""

    def statement(_: Actor, filters: schemas.MasterFilters) -> Select[*tuple[Any, ...]]:
        select_devices = DEVICES.all(filters.sort, kind=kind.value, **filter_values(filters))
        return select_devices.add_columns(
            Site.key.label("site_key"),
            Device.archived_at.is_(None).cast(String).label("is_active"),
            _deposit_label().label("deposit_words"),
            (literal(link()) + Device.number).label("form_url"),
            (literal(link()) + Device.number).label("qr_url"),
            _extra_text().label("extra_words"),
            func.array_to_string(func.array(_aliases.scalar_subquery()), "、").label("alias_words"),
        )

    return statement


def _deposit_label() -> ColumnElement[str]:
    labels = {deposit.value: entry.title for deposit, entry in DEPOSIT_LABELS.items()}
    return case(labels, value=DeviceState.deposit, else_="")


def _extra_text() -> ColumnElement[str]:
    """設置場所: 3階、充電器: あり"""
    value = Device.extra[Column.id.cast(String)].astext
    text_of_device = (
        select(func.string_agg(Column.title + ": " + value, "、"))
        .where(Column.kind == Device.kind, Column.archived_at.is_(None), value.is_not(None))
        .correlate(Device)
    )
    return func.coalesce(text_of_device.scalar_subquery(), "")


def labels_to_print(db: Session, filters: schemas.LabelFilters, link: str) -> list[Label]:
    """Labels of the devices with the given numbers, or of all that match the filters, in the order of the list.

    Raises:
        NotFound: no device matches.
        Invalid: more than MAX_LABELS.
    """
    values = filter_values(filters)
    numbers = values.pop("number", None)
    statement = DEVICES.all(filters.sort, **values)
    if numbers:
        statement = statement.where(Device.number.in_(numbers))
    rows = db.execute(statement.limit(MAX_LABELS + 1)).all()
    if not rows:
        raise NotFound("印刷する機器がありません。条件を変えるか、先に機器を登録してください。")
    if len(rows) > MAX_LABELS:
        raise Invalid(f"一度に印刷できるラベルは{MAX_LABELS:,}枚までです。拠点や機器種別で絞り込んでください。")
    return [Label(f"{link}{row.number}", (row.number, row.model_name)) for row in rows]
