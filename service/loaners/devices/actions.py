"""Every write of devices: registered, edited, archived, known by other numbers, moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.imports.kinds import Change, New
from service.core.problems import Conflict, Invalid, NotFound, Stale
from service.loaners import queries as masters
from service.loaners.collection.actions import Past, tell_many
from service.loaners.devices import queries, schemas
from service.loaners.devices.rules import checked, further
from service.loaners.history import actions as history
from service.loaners.history.actions import Told
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


def preview(db: Session, wanted: schemas.Wanted) -> schemas.Preview:
    """The number it would get. Raises as `register`."""
    site, model = masters.get(db, Site, wanted.site_id), masters.get(db, Model, wanted.model_id)
    number, others = _numbered(db, site, model, wanted)
    return schemas.Preview(number=number, kind=CATEGORIES[wanted.category or model.category].kind, others=others)


def register(db: Session, by: Actor, new: schemas.NewDevice) -> Device:
    """
    Raises:
        NotFound: no such site or model.
        Conflict: it is inactive, or the number is another's.
        Invalid: no number can be made of these, or a value is missing.
    """
    site = masters.get(db, Site, new.site_id)
    # Two who register at once of the same model wait for one another: the 連番 follows from what is there.
    model = masters.get(db, Model, new.model_id, lock=True)
    _in_use(site, f"拠点「{site.name}」は無効です。有効な拠点を選んでください。", "site_id")
    _in_use(model, f"機種「{model.name}」は無効です。別の機種を選んでください。", "model_id")
    number, _ = _numbered(db, site, model, new)
    category = new.category or model.category
    kind = CATEGORIES[category].kind
    if kind is Kind.TERMINAL and not new.asset_number:
        message = "端末には資産管理番号が必要です。"
        raise Invalid(message, [("asset_number", message)])
    extra = _extra(db, kind, new.extra)
    values = new.model_dump(exclude={"site_id"}) | {"number": number, "kind": kind.value}
    values |= {"category": category, "extra": extra}
    device = Device(**values)
    DEVICES.create(db, by, device, values | {"site_id": site.id, "extra": queries.extra_in_words(db, kind, extra)})
    history.lock(db, device.id)
    history.tell(db, by, device.id, Told(kind=EventKind.REGISTERED, source=Source.VIEWER, site_id=site.id))
    return device


def _numbered(
    db: Session, site: Site, model: Model, wanted: schemas.Wanted | schemas.NewDevice
) -> tuple[str, list[str]]:
    others = list(queries.others(db, model.id, wanted.serial))
    category = wanted.category or model.category
    try:
        number = management_number(site.code, category, model.name, wanted.serial, queries.running(others))
    except ValueError as refusal:
        raise Invalid(str(refusal), [("serial", str(refusal))]) from None
    if queries.is_taken(db, number):
        message = f"拠点管理番号「{number}」はすでに使われています。製造番号と機種を確認してください。"
        raise Conflict(message, [("serial", message)])
    return number, others


def _in_use(row: Site | Model, message: str, field: str) -> None:
    if row.archived_at is not None:
        raise Conflict(message, [(field, message)])


def _extra(db: Session, kind: Kind | str, given: dict[str, str]) -> dict[str, str]:
    columns = masters.columns_of(db, kind)
    kept, wrong = checked(columns, given)
    if wrong:
        raise Invalid(next(iter(wrong.values())), [(f"extra.{key}", message) for key, message in wrong.items()])
    return kept


def change(db: Session, by: Actor, device_id: int, new: schemas.DeviceChange) -> None:
    """Raises NotFound, Stale, Conflict for an archived one, Invalid."""
    device = masters.get(db, Device, device_id, lock=True)
    if device.kind == Kind.TERMINAL and new.asset_number == "":
        message = "端末には資産管理番号が必要です。"
        raise Invalid(message, [("asset_number", message)])
    extra = None if new.extra is None else _extra(db, device.kind, new.extra)
    try:
        DEVICES.change(db, by, device, new.model_copy(update={"extra": None}))
    except Stale as stale:
        stale.current["extra"] = device.extra
        if extra is not None:
            stale.yours["extra"] = extra
        raise
    if extra is None or extra == device.extra:
        return
    before, device.extra = device.extra, extra
    DEVICES.touch(db, device)
    shown = [{"extra": queries.extra_in_words(db, device.kind, one)} for one in (before, extra)]
    audit.record(db, by, "update", AREA.name, "device", device.id, before=shown[0], after=shown[1])


def archive(db: Session, by: Actor, device_id: int, archived: bool, reason: str) -> None:
    """It leaves the lists and keeps its history. Raises Conflict while it is lent."""
    device = masters.get(db, Device, device_id, lock=True)
    if (device.archived_at is not None) == archived:
        return
    if archived and queries.state_now(db, device.id).status == Status.LENT:
        raise Conflict(STILL_LENT)
    DEVICES.set_archived(db, by, device, archived)
    kind = EventKind.ARCHIVED if archived else EventKind.RESTORED
    db.flush()
    history.tell(db, by, device.id, Told(kind=kind, source=Source.VIEWER, reason=reason))


def add_alias(db: Session, by: Actor, device_id: int, alias: str) -> None:
    """Raises Conflict when the number is a device's already."""
    device = masters.get(db, Device, device_id, lock=True)
    if queries.is_taken(db, alias):
        message = f"「{alias}」はすでに機器の番号として使われています。"
        raise Conflict(message, [("alias", message)])
    db.add(Alias(alias=alias, device_id=device.id))
    DEVICES.touch(db, device)
    audit.record(db, by, "update", AREA.name, "device", device.id, after={"alias": alias})


def remove_alias(db: Session, by: Actor, device_id: int, alias: str) -> None:
    """Labels with it lead nowhere any more. Raises NotFound."""
    device = masters.get(db, Device, device_id, lock=True)
    gone = delete(Alias).where(Alias.device_id == device.id, Alias.alias == alias).returning(Alias.alias)
    if db.scalars(gone).all() == []:
        raise NotFound("指定された別名は見つかりません。画面を開き直してください。")
    DEVICES.touch(db, device)
    audit.record(db, by, "update", AREA.name, "device", device.id, before={"alias": alias}, after={"alias": None})


def transfer(db: Session, by: Actor, device_id: int, new: schemas.Transfer) -> None:
    """移管: the device is at another site from then on; its number stays.

    Raises:
        NotFound: no such device or site.
        Conflict: the site is inactive, or the device is there already, or archived, or lent twice.
        Invalid: it would have happened in the future, or before the device was registered.
    """
    device = masters.get(db, Device, device_id, lock=True)
    site = masters.get(db, Site, new.site_id)
    _in_use(site, f"拠点「{site.name}」は無効です。有効な拠点へ移管してください。", "site_id")
    if device.archived_at is not None:
        raise Conflict("無効な機器は移管できません。元に戻してから移管してください。")
    if queries.state_now(db, device.id).site_id == site.id:
        message = f"この機器はすでに「{site.name}」にあります。別の拠点を選んでください。"
        raise Conflict(message, [("site_id", message)])
    history.tell(
        db,
        by,
        device.id,
        Told(
            kind=EventKind.TRANSFER,
            source=Source.VIEWER,
            effective_at=new.effective_at,
            site_id=site.id,
            reason=new.reason,
        ),
    )
    DEVICES.touch(db, device)


def import_devices(db: Session, by: Actor, new: Sequence[New]) -> None:
    """Rows of a file; a number that was written otherwise leads to the device as well."""
    rows = [row.values for row in new]
    named, columns, now = queries.Named(db, rows), queries.further_columns(db), app_now(db)
    values: list[dict[str, Any]] = []
    sites: list[int] = []
    for row in rows:
        site, model = named.site(row), named.model(row)
        if site is None or model is None:
            raise Conflict(f"「{row['number']}」の拠点または機種が、取り込みの間になくなりました。")
        kind = CATEGORIES[row["category"]].kind
        since = row["created_at"] or now
        own = {name: row[name] for name in ("category", "serial", "asset_number", "software", "os")}
        extra = further(row, [column for column in columns if column.kind == kind])
        values.append(
            {"number": str(row["number"]), "kind": kind.value, "model_id": model.id, "extra": extra}
            | own
            | {"created_at": since, "updated_at": since}
        )
        sites.append(site.id)
    made = db.scalars(insert(Device).returning(Device.id, sort_by_parameter_order=True), values).all()
    _keep_as_written(db, dict(zip(made, (row["number"] for row in rows), strict=True)))
    shown = ("number", "kind", "category", "model_id", "serial", "asset_number", "software", "os")
    trail = ((key, None, {name: one[name] for name in shown}) for key, one in zip(made, values, strict=True))
    audit.record_many(db, by, "create", AREA.name, "device", trail)
    tell_many(
        db,
        by,
        [
            Past(
                device_id=key,
                told=Told(kind=EventKind.REGISTERED, source=Source.IMPORT, site_id=site_id),
                effective_at=one["created_at"],
            )
            for key, one, site_id in zip(made, values, sites, strict=True)
        ]
        + _deposits(now, zip(made, rows, strict=True)),
    )


def _deposits(now: datetime, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Past]:
    """The 預かり機のステータス that a master has now. It holds once the history that comes after it says so (2.6.2)."""
    return [
        Past(
            device_id=key,
            told=Told(kind=EventKind.DEPOSIT, source=Source.IMPORT, deposit=int(row["deposit"])),
            effective_at=now,
        )
        for key, row in rows
        if row["deposit"] is not None
    ]


def _keep_as_written(db: Session, numbers: dict[int, schemas.Written]) -> None:
    others = {one.as_written: key for key, one in numbers.items() if one.as_written != one}
    taken = masters.named(db, list(others))
    rows = [{"alias": alias[:100], "device_id": key} for alias, key in others.items() if alias not in taken]
    if rows:
        db.execute(insert(Alias), rows)


def reimport_devices(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    columns = queries.further_columns(db)
    for row in changes:
        device = masters.get(db, Device, row.id, lock=True)
        given = further(row.after, [column for column in columns if column.kind == device.kind])
        own = {name: row.after[name] for name in ("asset_number", "software", "os")}
        change(db, by, device.id, schemas.DeviceChange(version=device.version, extra=device.extra | given, **own))
    told = [(row.id, row.after) for row in changes if row.after["deposit"] != row.before["deposit"]]
    if told:
        tell_many(db, by, _deposits(app_now(db), told))
