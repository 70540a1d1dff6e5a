"""Imports of devices: the sheets 端末マスタ, プリンタマスタ and その他マスタ as they are exported today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.imports.kinds import Field, ImportKind, Values
from service.core.values.texts import normalised_header
from service.loaners.collection.rules import parse_day, parse_deposit, parse_timestamp
from service.loaners.devices import actions, queries, schemas
from service.loaners.devices.rules import CUSTOM_PREFIX, check_values, custom_values
from service.loaners.history.rules import deposit_label, deposit_refusal
from service.loaners.imports import normalize_width, parse_category, parse_model_name
from service.loaners.models import Column
from service.loaners.rules import CATEGORIES, DEVICE_HEADERS, format_timestamp
from service.loaners.rules import Kind as DeviceKind


def _field(name: str, example: str, read: Callable[[str], Any] = str, show: Callable[[Any], str] = str) -> Field:
    label, *aliases = DEVICE_HEADERS[name]
    return Field(name, label, example, tuple(aliases), read, show)


def _format_optional_timestamp(at: datetime | None) -> str:
    return "" if at is None else format_timestamp(at)


def _custom_fields(db: Session, headers: Sequence[str]) -> tuple[Field, ...]:
    """Fields of the custom columns that the file has."""
    normalized_headers = {normalised_header(header) for header in headers}
    columns = {
        column.title: column
        for column in queries.custom_columns(db)
        if normalised_header(column.title) in normalized_headers
    }
    return tuple(
        Field(CUSTOM_PREFIX + title, title, "", (), parse_day if column.value_type == "date" else normalize_width)
        for title, column in columns.items()
    )


def _existing(db: Session, _: Actor, numbers: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    titles = {str(column.id): column.title for column in queries.custom_columns(db)}
    return {
        number: (stored.device.id, _values(number, stored, titles))
        for number, stored in queries.devices_for_import(db, numbers).items()
    }


def _values(number: str, stored: queries.StoredDevice, titles: Mapping[str, str]) -> Values:
    device = stored.device
    own_fields = ("category", "serial", "asset_number", "software", "os")
    extra = {CUSTOM_PREFIX + titles[key]: value for key, value in device.extra.items() if key in titles}
    return (
        {"number": number, "model_name": stored.model, "site_key": stored.site, "deposit": stored.deposit}
        | {name: getattr(device, name) for name in own_fields}
        | {"created_at": device.created_at.replace(microsecond=0)}
        | extra
    )


def _missing(db: Session, by: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Errors by row index: unknown names, and for a stored device, values that cannot change."""
    stored = queries.devices_for_import(db, [row["number"] for row in rows])
    references = queries.References(db, rows)
    now, columns = app_now(db), queries.custom_columns(db)
    errors: dict[int, tuple[str, str]] = {}
    for index, row in enumerate(rows):
        error = _immutable_error(row, stored[row["number"]]) if row["number"] in stored else references.refusal(row)
        if error is None and row["created_at"] and row["created_at"] > now:
            error = ("created_at", "作成日が未来の日時です。")
        if error := error or _value_error(row, columns):
            errors[index] = error
    return errors


def _immutable_error(row: Values, stored: queries.StoredDevice) -> tuple[str, str] | None:
    device = stored.device
    if device.archived_at is not None:
        return "number", f"「{row['number']}」は無効です。元に戻してから取り込んでください。"
    fixed = {"model_name": stored.model, "category": device.category, "serial": device.serial, "site_key": stored.site}
    messages = {
        "site_key": "拠点は取込では変わりません。「移管する」から登録してください。",
    }
    for name, value in fixed.items():
        if row[name] != value:
            default = f"登録済みの内容は「{value}」です。拠点管理番号に含まれる項目は変更できません。"
            return name, messages.get(name, default)
    created_at = device.created_at.replace(microsecond=0)
    if row["created_at"] != created_at:
        return "created_at", f"登録済みの作成日は「{format_timestamp(created_at)}」です。作成日は取込では変わりません。"
    return _deposit_error(row, stored)


def _deposit_error(row: Values, stored: queries.StoredDevice) -> tuple[str, str] | None:
    """Section 2.6.2. Without a known status no error: the history may still be imported."""
    if row["deposit"] == stored.deposit or stored.state.status is None:
        return None
    refusal = deposit_refusal(stored.state)
    return None if refusal is None else ("deposit", f"{refusal}この機器の欄を空にしてください。")


def _value_error(row: Values, columns: Sequence[Column]) -> tuple[str, str] | None:
    kind = CATEGORIES[row["category"]].kind
    if kind is DeviceKind.TERMINAL and not row["asset_number"]:
        return "asset_number", "端末には資産管理番号が必要です。"
    own_columns = [column for column in columns if column.kind == kind]
    _, errors = check_values(own_columns, custom_values(row, own_columns))
    titles = {str(column.id): column.title for column in own_columns}
    return next(((CUSTOM_PREFIX + titles[key], message) for key, message in errors.items()), None)


DEVICES = ImportKind(
    key="loaners.devices",
    title="機器マスタ（端末・プリンタ・その他）",
    counter="台",
    permission="loaners:master:update",
    fields=(
        _field("number", "KOBE_Desktop_OptiPlex-7090_DEF11111_002", schemas.ImportedNumber.of),
        _field("model_name", "OptiPlex-7090", parse_model_name),
        _field("category", "Desktop", parse_category),
        _field("serial", "DEF11111", normalize_width),
        _field("asset_number", "ASSET_001", normalize_width),
        _field("software", "Office 2021"),
        _field("os", "Windows 11"),
        _field("deposit", "", parse_deposit, deposit_label),
        _field("site_key", ""),
        _field("created_at", "2024/07/02 14:30:00", parse_timestamp, _format_optional_timestamp),
    ),
    model=schemas.DeviceRow,
    existing=_existing,
    missing=_missing,
    create=actions.import_devices,
    change=actions.reimport_devices,
    further=_custom_fields,
)
IMPORTS = (DEVICES,)
