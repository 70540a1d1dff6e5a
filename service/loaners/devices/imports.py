"""Devices as files: the sheets 端末マスタ, プリンタマスタ and その他マスタ as they are exported today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import app_now
from service.core.imports.kinds import Field, Kind, Values
from service.core.texts import normalised
from service.loaners.collection.rules import day, deposit, moment
from service.loaners.devices import actions, queries, schemas
from service.loaners.devices.rules import FURTHER, checked, further
from service.loaners.history.rules import deposit_refusal, deposit_word
from service.loaners.imports import category, model_name, plain
from service.loaners.models import Column
from service.loaners.rules import CATEGORIES, DEVICE_HEADERS, written
from service.loaners.rules import Kind as DeviceKind


def _field(name: str, example: str, read: Callable[[str], Any] = str, show: Callable[[Any], str] = str) -> Field:
    label, *aliases = DEVICE_HEADERS[name]
    return Field(name, label, example, tuple(aliases), read, show)


def _shown(at: datetime | None) -> str:
    return "" if at is None else written(at)


def _further(db: Session, headers: Sequence[str]) -> tuple[Field, ...]:
    """The columns that an administrator has added."""
    there = {normalised(header) for header in headers}
    found = {column.title: column for column in queries.further_columns(db) if normalised(column.title) in there}
    return tuple(
        Field(FURTHER + title, title, "", (), day if column.value_type == "date" else plain)
        for title, column in found.items()
    )


def _existing(db: Session, _: Actor, numbers: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    titles = {str(column.id): column.title for column in queries.further_columns(db)}
    return {
        number: (known.device.id, _values(number, known, titles))
        for number, known in queries.for_import(db, numbers).items()
    }


def _values(number: str, known: queries.Known, titles: Mapping[str, str]) -> Values:
    device = known.device
    own = ("category", "serial", "asset_number", "software", "os")
    extra = {FURTHER + titles[key]: value for key, value in device.extra.items() if key in titles}
    return (
        {"number": number, "model_name": known.model, "site_key": known.site, "deposit": known.deposit}
        | {name: getattr(device, name) for name in own}
        | {"created_at": device.created_at.replace(microsecond=0)}
        | extra
    )


def _missing(db: Session, by: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """What is named that is not there; and for a device that is there, what can never change."""
    known = queries.for_import(db, [row["number"] for row in rows])
    others = queries.Named(db, rows)
    now, columns = app_now(db), queries.further_columns(db)
    wrong: dict[int, tuple[str, str]] = {}
    for place, row in enumerate(rows):
        refusal = _changed(row, known[row["number"]]) if row["number"] in known else others.refusal(row)
        if refusal is None and row["created_at"] and row["created_at"] > now:
            refusal = ("created_at", "作成日が未来の日時です。")
        if refusal := refusal or _unfit(row, columns):
            wrong[place] = refusal
    return wrong


def _changed(row: Values, known: queries.Known) -> tuple[str, str] | None:
    device = known.device
    if device.archived_at is not None:
        return "number", f"「{row['number']}」は無効です。元に戻してから取り込んでください。"
    stays = {"model_name": known.model, "category": device.category, "serial": device.serial, "site_key": known.site}
    words = {
        "site_key": "拠点は取込では変わりません。「移管する」から登録してください。",
    }
    for name, value in stays.items():
        if row[name] != value:
            otherwise = f"登録済みの内容は「{value}」です。拠点管理番号に含まれる項目は変更できません。"
            return name, words.get(name, otherwise)
    since = device.created_at.replace(microsecond=0)
    if row["created_at"] != since:
        return "created_at", f"登録済みの作成日は「{written(since)}」です。作成日は取込では変わりません。"
    return _not_held(row, known)


def _not_held(row: Values, known: queries.Known) -> tuple[str, str] | None:
    """Section 2.6.2. As long as nothing is known of the device's status, its history may still come."""
    if row["deposit"] == known.deposit or known.state.status is None:
        return None
    refusal = deposit_refusal(known.state)
    return None if refusal is None else ("deposit", f"{refusal}この機器の欄を空にしてください。")


def _unfit(row: Values, columns: Sequence[Column]) -> tuple[str, str] | None:
    kind = CATEGORIES[row["category"]].kind
    if kind is DeviceKind.TERMINAL and not row["asset_number"]:
        return "asset_number", "端末には資産管理番号が必要です。"
    own = [column for column in columns if column.kind == kind]
    _, wrong = checked(own, further(row, own))
    titles = {str(column.id): column.title for column in own}
    return next(((FURTHER + titles[key], message) for key, message in wrong.items()), None)


DEVICES = Kind(
    key="loaners.devices",
    title="機器マスタ（端末・プリンタ・その他）",
    counter="台",
    permission="loaners:master:update",
    fields=(
        _field("number", "KOBE_Desktop_OptiPlex-7090_DEF11111_002", schemas.Written.of),
        _field("model_name", "OptiPlex-7090", model_name),
        _field("category", "Desktop", category),
        _field("serial", "DEF11111", plain),
        _field("asset_number", "ASSET_001", plain),
        _field("software", "Office 2021"),
        _field("os", "Windows 11"),
        _field("deposit", "", deposit, deposit_word),
        _field("site_key", ""),
        _field("created_at", "2024/07/02 14:30:00", moment, _shown),
    ),
    model=schemas.DeviceRow,
    existing=_existing,
    missing=_missing,
    create=actions.import_devices,
    change=actions.reimport_devices,
    further=_further,
)
IMPORTS = (DEVICES,)
