"""Writes of partner shops and of the order in which they are called.

A change of an order locks the service's row and increments the service's version (optimistic locking): concurrent edits
of the same order do not overwrite each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import NO_CHANGES, Changes
from service.core.database.clock import app_now
from service.core.edits import Edits
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict, Invalid, Stale
from service.core.resources import Resource
from service.core.values import phones
from service.reservations.models import Service, Shop, ShopService
from service.reservations.rules import AREA
from service.reservations.services import queries as services
from service.reservations.services.actions import SERVICES
from service.reservations.shops import queries, schemas
from service.reservations.shops.rules import (
    CLOSES_BEFORE_OPENING,
    format_places,
    merge_places,
    ordered_ids,
    service_labels,
)

OWN_FIELDS = set(schemas.ShopValues.model_fields)


class Shops(Resource[Shop]):
    def check(self, db: Session, row: Shop, after: Mapping[str, Any]) -> None:
        if after.get("opens_at", row.opens_at) >= after.get("closes_at", row.closes_at):
            raise Invalid.at_field("closes_at", CLOSES_BEFORE_OPENING)

    def create(self, db: Session, by: Actor, new: schemas.NewShop) -> Shop:
        """Creates a shop, which is called last for each of its services. Raises Conflict when the code is in use,
        Invalid for an unknown or archived service."""
        values = new.model_dump(include=OWN_FIELDS)
        shop = Shop(**values)
        offered = _check_services(services.lock_services(db, new.services), new.services)
        self.edits.create(db, by, shop, values | {"services": [service.name for service in offered]})
        for service in offered:
            _append_shop(db, by, service, shop.id)
        return shop

    def change(self, db: Session, by: Actor, key: int, new: Any) -> None:
        shop = self.lock(db, by, key)
        offered = queries.offered_services(db, shop.id)
        current = {service_id: service for service_id, service in offered.items() if service.archived_at is None}
        try:
            change = new.model_copy(update={"services": None})
            parts = partial(_change_services, db, by, shop, current, new.services)
            self.edits.change(db, by, shop, change, lambda after: self.check(db, shop, after), parts)
        except Stale as stale:
            _complete_stale(stale, shop, [*current], new)
            raise

    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """An archived shop is removed from the orders; a restored one comes last in them."""
        shop = self.lock(db, by, key)
        locked = services.lock_services(db, [*queries.offered_services(db, shop.id)])
        before = {service_id: queries.call_places(db, service_id) for service_id in locked}
        if not self.edits.set_archived(db, by, shop, archived):
            return
        db.flush()
        for service_id, service in locked.items():
            places = before[service_id]
            new_places = _remove_shops(places, [shop.id]) if archived else places | {shop.id: _last_place(places)}
            _set_order(db, by, service, new_places, before=places)


SHOPS = Shops(
    Edits(AREA.name, "shop", "提携店", {"uq_reservations_shops_code": "code"}, {"code": "店舗コード"}),
    Shop,
    schemas.ShopChange,
    schemas.NewShop,
)


def _change_services(
    db: Session, by: Actor, shop: Shop, current: Mapping[int, Service], wanted: Sequence[int] | None
) -> Changes:
    if wanted is None or set(wanted) == current.keys():
        return NO_CHANGES
    locked = services.lock_services(db, {*current, *wanted})
    added = _check_services(locked, [service_id for service_id in wanted if service_id not in current])
    for service_id in current.keys() - set(wanted):
        remaining = _remove_shops(queries.call_places(db, service_id), [shop.id])
        _set_order(db, by, locked[service_id], remaining, [shop.id])
    for service in added:
        _append_shop(db, by, service, shop.id)
    before = [service.name for service in current.values()]
    return {"services": before}, {"services": [locked[service_id].name for service_id in wanted]}


def _complete_stale(stale: Stale, shop: Shop, service_ids: list[int], new: Any) -> None:
    """Adds services and the phone number to both sides of the stale edit."""
    stale.current |= {"services": service_ids, "phone": phones.format_phone(shop.phone)}
    if new.services is not None:
        stale.yours["services"] = new.services
    if new.phone is not None:
        stale.yours["phone"] = phones.format_phone(new.phone)


def blacklist(db: Session, by: Actor, shop_id: int, reason: str) -> None:
    """A blacklisted shop is not called, but keeps its places. Raises Conflict when it is archived or blacklisted."""
    shop = queries.get(db, shop_id, lock=True)
    if shop.archived_at is not None:
        raise Conflict("この提携店はアーカイブされています。電話をかけることはありません。")
    if shop.blacklisted_at is not None:
        raise Conflict("この提携店はすでに利用停止になっています。画面を開き直してください。")
    shop.blacklisted_at, shop.blacklist_reason = app_now(db), reason
    SHOPS.edits.touch(db, shop)
    before, after = {"blacklisted": False}, {"blacklisted": True, "reason": reason}
    audit.record(db, by, "status_change", AREA.name, "shop", shop.id, before=before, after=after)


def lift(db: Session, by: Actor, shop_id: int, reason: str) -> None:
    """Ends the blacklisting: the shop is called again. Raises Conflict when it is not blacklisted."""
    shop = queries.get(db, shop_id, lock=True)
    if shop.blacklisted_at is None:
        raise Conflict("この提携店は利用停止になっていません。画面を開き直してください。")
    before = {"blacklisted": True, "reason": shop.blacklist_reason}
    shop.blacklisted_at = shop.blacklist_reason = None
    SHOPS.edits.touch(db, shop)
    after = {"blacklisted": False, "reason": reason}
    audit.record(db, by, "status_change", AREA.name, "shop", shop.id, before=before, after=after)


def arrange(db: Session, by: Actor, service_id: int, new: schemas.NewOrder) -> None:
    """Replaces the whole order of a service.

    Raises:
        NotFound: no such service.
        Stale: the order or the service was changed since that version was read.
        Conflict: the service is archived.
        Invalid: `shops` does not contain each shop of the order exactly once.
    """
    service = services.get(db, service_id, lock=True)
    current = queries.call_places(db, service.id)
    if new.version != service.version:
        raise Stale(
            "ほかの人が先にこのサービスの順番を変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours={"shops": new.shops},
            current={"version": service.version, "shops": ordered_ids(current)},
        )
    if service.archived_at is not None:
        raise Conflict("このサービスはアーカイブされています。元に戻してから変更してください。")
    if set(new.shops) != current.keys():
        raise Invalid.at_field(
            "shops", "順番には、このサービスの提携店をすべて1回ずつ含めてください。画面を開き直してください。"
        )
    _set_order(db, by, service, {key: place for place, key in enumerate(new.shops, 1)})


def import_shops(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    """Raises Conflict when a service was archived after the file was checked."""
    places_by_code: dict[str, dict[int, int]] = {}
    labels = _service_labels(db)
    for row in new:
        values = {name: row.values[name] for name in OWN_FIELDS}
        shop = Shop(**values)
        SHOPS.edits.create(db, by, shop, values | {"services": format_places(row.values["services"], labels)})
        for code, place in row.values["services"].items():
            places_by_code.setdefault(code, {})[shop.id] = place
    _set_places(db, by, places_by_code)


def reimport_shops(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    places_by_code: dict[str, dict[int, int]] = {}
    removed: dict[str, list[int]] = {}
    labels = _service_labels(db)
    for row in changes:
        shop = queries.get(db, row.id, lock=True)
        before, after = row.before["services"], row.after["services"]
        written = {"services": format_places(before, labels)}, {"services": format_places(after, labels)}
        change = schemas.ShopChange(version=shop.version, **{name: row.after[name] for name in OWN_FIELDS})
        SHOPS.edits.change(db, by, shop, change, parts=partial(_written, written))
        if before == after:
            continue
        for code, place in after.items():
            places_by_code.setdefault(code, {})[shop.id] = place
        for code in before.keys() - after.keys():
            removed.setdefault(code, []).append(shop.id)
    _set_places(db, by, places_by_code, removed)


def _written(changes: Changes) -> Changes:
    """The places of a file are stored below, for all shops together."""
    return changes


def _service_labels(db: Session) -> dict[str, str]:
    return service_labels([(service.code, service.name) for service in services.active_services(db)])


def _set_places(
    db: Session,
    by: Actor,
    places_by_code: Mapping[str, Mapping[int, int]],
    removed: Mapping[str, Sequence[int]] | None = None,
) -> None:
    removed = removed or {}
    ids_by_code = {service.code: service.id for service in services.active_services(db)}
    missing = sorted((places_by_code.keys() | removed.keys()) - ids_by_code.keys())
    if missing:
        raise Conflict(f"サービス「{'、'.join(missing)}」が、取り込みの間に使えなくなりました。")
    locked = services.lock_services(db, {ids_by_code[code] for code in places_by_code.keys() | removed.keys()})
    for service in locked.values():
        removed_ids = removed.get(service.code, ())
        # Remaining shops keep their places: the file gives the places.
        remaining = {key: place for key, place in queries.call_places(db, service.id).items() if key not in removed_ids}
        _set_order(db, by, service, merge_places(remaining, places_by_code.get(service.code, {})), removed_ids)


def _check_services(locked: Mapping[int, Service], requested: Iterable[int]) -> list[Service]:
    """The requested services in the order of ids. Raises Invalid for an unknown or archived one."""
    keys = sorted(requested)
    if any(key not in locked or locked[key].archived_at is not None for key in keys):
        raise Invalid.at_field(
            "services", "選ばれたサービスが見つからないか、アーカイブされています。選び直してください。"
        )
    return [locked[key] for key in keys]


def _last_place(places: Mapping[int, int]) -> int:
    return max(places.values(), default=0) + 1


def _remove_shops(places: Mapping[int, int], removed: Collection[int]) -> dict[int, int]:
    """The places without the removed shops; the remaining ones close the gaps."""
    remaining = [key for key in ordered_ids(places) if key not in removed]
    return {key: place for place, key in enumerate(remaining, 1)} if len(remaining) < len(places) else dict(places)


def _append_shop(db: Session, by: Actor, service: Service, shop_id: int) -> None:
    places = queries.call_places(db, service.id)
    _set_order(db, by, service, places | {shop_id: _last_place(places)})


def _set_order(
    db: Session,
    by: Actor,
    service: Service,
    new_places: Mapping[int, int],
    removed: Collection[int] = (),
    *,
    before: Mapping[int, int] | None = None,
) -> None:
    """Stores the places of a locked service, and deletes the shops in `removed` from it. `before`: the places before
    the change, when the database does not show them any more."""
    stored = queries.call_places(db, service.id)
    old_places = stored if before is None else before
    if removed:
        db.execute(delete(ShopService).where(ShopService.service_id == service.id, ShopService.shop_id.in_(removed)))
    for key, place in sorted(new_places.items()):
        if key not in stored:
            db.execute(insert(ShopService).values(shop_id=key, service_id=service.id, position=place))
        elif stored[key] != place:
            is_row = (ShopService.shop_id == key, ShopService.service_id == service.id)
            db.execute(update(ShopService).where(*is_row).values(position=place))
    if old_places == new_places:
        return
    SERVICES.edits.touch(db, service)
    if ordered_ids(old_places) == ordered_ids(new_places):
        return
    names = [{"order": queries.names_in_order(db, places)} for places in (old_places, new_places)]
    audit.record(db, by, "update", AREA.name, "service", service.id, before=names[0], after=names[1])
