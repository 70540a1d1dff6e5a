"""Every write of devices: register, edit, archive, add and remove aliases, transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.edits import Edits, entered_values
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict, Invalid, NotFound, Stale, WrongFields
from service.loaners import queries as masters
from service.loaners.collection.actions import PastEvent, record_events
from service.loaners.devices import queries, schemas
from service.loaners.devices.rules import check_values, custom_values
from service.loaners.history import actions as history
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Alias, Device, Model, Site
from service.loaners.rules import AREA, CATEGORIES, INACTIVE, Kind, Status, management_number

DEVICES = Edits(
    AREA.name,
    "device",
    "機器",
    {"uq_loaners_devices_number": "number"},
    {"number": "拠点管理番号"},
    archived=INACTIVE,
)
STILL_LENT = (
    "貸出中の機器は無効にできません。先に「ステータス登録」で回収を登録して、貸出を終えてください。"
    "紛失などで戻らない機器も、「2.回収後社内保管」を選んで備考に事情を書けば、無効にできます。"
)


def preview(db: Session, request: schemas.Wanted) -> schemas.Preview:
    """The number that the device would get. Raises as `register`."""
    site, model = masters.get(db, Site, request.site_id), masters.get(db, Model, request.model_id)
    number, existing = _next_number(db, site, model, request)
    return schemas.Preview(number=number, kind=CATEGORIES[request.category or model.category].kind, others=existing)


def register(db: Session, by: Actor, new: schemas.NewDevice) -> Device:
    """
    Raises:
        NotFound: no such site or model.
        Conflict: the site or model is inactive, or the number is in use.
        Invalid: the values give no valid number, or a value is missing.
    """
    site = masters.get(db, Site, new.site_id)
    # The lock serializes concurrent registrations of a model: the 連番 follows from the existing devices.
    model = masters.get(db, Model, new.model_id, lock=True)
    _require_active(site, f"拠点「{site.name}」は無効です。有効な拠点を選んでください。", "site_id")
    _require_active(model, f"機種「{model.name}」は無効です。別の機種を選んでください。", "model_id")
    category = new.category or model.category
    kind = CATEGORIES[category].kind
    wrong = WrongFields()
    with wrong.noted():
        number, _ = _next_number(db, site, model, new)
    if kind is Kind.TERMINAL and not new.asset_number:
        wrong.add("asset_number", "端末には資産管理番号が必要です。")
    with wrong.noted():
        extra = _validate_extra(db, kind, new.extra)
    wrong.refuse()
    values = new.model_dump(exclude={"site_id"}) | {"number": number, "kind": kind.value}
    values |= {"category": category, "extra": extra}
    device = Device(**values)
    DEVICES.create(db, by, device, values | {"site_id": site.id, "extra": queries.extra_labels(db, kind, extra)})
    history.lock_device(db, device.id)
    registered = NewEvent(kind=EventKind.REGISTERED, source=Source.VIEWER, site_id=site.id)
    history.record_event(db, by, device.id, registered, is_audited=False)
    return device


def _next_number(db: Session, site: Site, model: Model, request: schemas.Wanted) -> tuple[str, list[str]]:
    existing = list(queries.existing_numbers(db, model.id, request.serial))
    category = request.category or model.category
    try:
        number = management_number(
            site.code, category, model.name, request.serial, queries.next_running_number(existing)
        )
    except ValueError as error:
        raise Invalid.at_field("serial", str(error)) from None
    if queries.is_taken(db, number):
        raise Conflict.at_field(
            "serial", f"拠点管理番号「{number}」はすでに使われています。製造番号と機種を確認してください。"
        )
    return number, existing


def _require_active(row: Site | Model, message: str, field: str) -> None:
    if row.archived_at is not None:
        raise Conflict.at_field(field, message)


def _validate_extra(db: Session, kind: Kind | str, extra: dict[str, str]) -> dict[str, str]:
    columns = masters.active_columns(db, kind)
    values, errors = check_values(columns, extra)
    if errors:
        raise Invalid(next(iter(errors.values())), [(f"extra.{key}", message) for key, message in errors.items()])
    return values


def change(db: Session, by: Actor, device_id: int, new: schemas.DeviceChange) -> None:
    """Raises NotFound, Stale, Invalid, and Conflict for an archived device."""
    device = masters.get(db, Device, device_id, lock=True)

    def check(after: Mapping[str, Any]) -> None:
        if device.kind == Kind.TERMINAL and after.get("asset_number") == "":
            raise Invalid.at_field("asset_number", "端末には資産管理番号が必要です。")

    sent = entered_values(new)
    extra = _validate_extra(db, device.kind, sent["extra"]) if "extra" in sent else None

    def change_extra() -> tuple[dict[str, Any], dict[str, Any]]:
        if extra is None or extra == device.extra:
            return {}, {}
        before, device.extra = device.extra, extra
        old, new_labels = (queries.extra_labels(db, device.kind, value) for value in (before, extra))
        return {"extra": old}, {"extra": new_labels}

    try:
        DEVICES.change(db, by, device, new.model_copy(update={"extra": None}), check, change_extra)
    except Stale as stale:
        stale.current["extra"] = device.extra
        if extra is not None:
            stale.yours["extra"] = extra
        raise


def archive(db: Session, by: Actor, device_id: int, archived: bool, reason: str) -> None:
    """Archives or restores; an archived device keeps its history. Raises Conflict while it is lent."""
    device = masters.get(db, Device, device_id, lock=True)
    if (device.archived_at is not None) == archived:
        return
    if archived and queries.current_state(db, device.id).status == Status.LENT:
        raise Conflict(STILL_LENT)
    DEVICES.set_archived(db, by, device, archived, {"reason": reason} if reason else {})
    kind = EventKind.ARCHIVED if archived else EventKind.RESTORED
    db.flush()
    event = NewEvent(kind=kind, source=Source.VIEWER, reason=reason)
    history.record_event(db, by, device.id, event, is_audited=False)


def add_alias(db: Session, by: Actor, device_id: int, alias: str) -> None:
    """Raises Conflict when a device already has this number."""
    device = masters.get(db, Device, device_id, lock=True)
    if queries.is_taken(db, alias):
        raise Conflict.at_field("alias", f"「{alias}」はすでに機器の番号として使われています。")
    db.add(Alias(alias=alias, device_id=device.id))
    DEVICES.touch(db, device)
    audit.record(db, by, "update", AREA.name, "device", device.id, after={"alias": alias})


def remove_alias(db: Session, by: Actor, device_id: int, alias: str) -> None:
    """Labels with this number stop working. Raises NotFound."""
    device = masters.get(db, Device, device_id, lock=True)
    statement = delete(Alias).where(Alias.device_id == device.id, Alias.alias == alias).returning(Alias.alias)
    if db.scalars(statement).all() == []:
        raise NotFound("指定された別名は見つかりません。画面を開き直してください。")
    DEVICES.touch(db, device)
    audit.record(db, by, "update", AREA.name, "device", device.id, before={"alias": alias}, after={"alias": None})


def transfer(db: Session, by: Actor, device_id: int, new: schemas.Transfer) -> None:
    """移管: moves the device to another site; its number does not change.

    Raises:
        NotFound: no such device or site.
        Conflict: the site is inactive; the device is already there, is archived, or would be lent twice.
        Invalid: the time is in the future, or before the device was registered.
    """
    device = masters.get(db, Device, device_id, lock=True)
    site = masters.get(db, Site, new.site_id)
    _require_active(site, f"拠点「{site.name}」は無効です。有効な拠点へ移管してください。", "site_id")
    if device.archived_at is not None:
        raise Conflict("無効な機器は移管できません。元に戻してから移管してください。")
    if queries.current_state(db, device.id).site_id == site.id:
        raise Conflict.at_field("site_id", f"この機器はすでに「{site.name}」にあります。別の拠点を選んでください。")
    history.record_event(
        db,
        by,
        device.id,
        NewEvent(
            kind=EventKind.TRANSFER,
            source=Source.VIEWER,
            effective_at=new.effective_at,
            site_id=site.id,
            reason=new.reason,
        ),
    )
    DEVICES.touch(db, device)


def import_devices(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    """Adds rows of a file. A number that was written in another form becomes an alias."""
    rows = [row.values for row in new]
    references, columns, now = queries.References(db, rows), queries.custom_columns(db), app_now(db)
    values: list[dict[str, Any]] = []
    sites: list[int] = []
    for row in rows:
        site, model = references.site(row), references.model(row)
        if site is None or model is None:
            raise Conflict(f"「{row['number']}」の拠点または機種が、取り込みの間になくなりました。")
        kind = CATEGORIES[row["category"]].kind
        created_at = row["created_at"] or now
        own_values = {name: row[name] for name in ("category", "serial", "asset_number", "software", "os")}
        extra = custom_values(row, [column for column in columns if column.kind == kind])
        values.append(
            {"number": str(row["number"]), "kind": kind.value, "model_id": model.id, "extra": extra}
            | own_values
            | {"created_at": created_at, "updated_at": created_at}
        )
        sites.append(site.id)
    device_ids = db.scalars(insert(Device).returning(Device.id, sort_by_parameter_order=True), values).all()
    _add_original_numbers(db, dict(zip(device_ids, (row["number"] for row in rows), strict=True)))
    audited = ("number", "kind", "category", "model_id", "serial", "asset_number", "software", "os")
    entries = (
        (device_id, None, {name: device_values[name] for name in audited})
        for device_id, device_values in zip(device_ids, values, strict=True)
    )
    audit.record_many(db, by, "create", AREA.name, "device", entries)
    record_events(
        db,
        by,
        [
            PastEvent(
                device_id=device_id,
                content=NewEvent(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=site_id),
                effective_at=device_values["created_at"],
            )
            for device_id, device_values, site_id in zip(device_ids, values, sites, strict=True)
        ]
        + _deposits(now, zip(device_ids, rows, strict=True)),
    )


def _deposits(now: datetime, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[PastEvent]:
    """Events for the 預かり機のステータス of a master's file. It takes effect once the history allows it (2.6.2)."""
    return [
        PastEvent(
            device_id=device_id,
            content=NewEvent(kind=EventKind.DEPOSIT, source=Source.IMPORT, deposit=int(row["deposit"])),
            effective_at=now,
        )
        for device_id, row in rows
        if row["deposit"] is not None
    ]


def _add_original_numbers(db: Session, numbers: dict[int, schemas.ImportedNumber]) -> None:
    originals = {number.as_written: device_id for device_id, number in numbers.items() if number.as_written != number}
    existing = masters.device_ids_by_exact_number(db, list(originals))
    rows = [
        {"alias": alias[:100], "device_id": device_id}
        for alias, device_id in originals.items()
        if alias not in existing
    ]
    if rows:
        db.execute(insert(Alias), rows)


def reimport_devices(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    columns = queries.custom_columns(db)
    for row in changes:
        device = masters.get(db, Device, row.id, lock=True)
        custom = custom_values(row.after, [column for column in columns if column.kind == device.kind])
        values = {name: row.after[name] for name in ("asset_number", "software", "os")}
        values |= {"version": device.version, "extra": device.extra | custom}
        change(db, by, device.id, schemas.DeviceChange.model_validate(values))
    changed_deposits = [(row.id, row.after) for row in changes if row.after["deposit"] != row.before["deposit"]]
    if changed_deposits:
        record_events(db, by, _deposits(app_now(db), changed_deposits))
