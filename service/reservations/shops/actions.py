"""Every write of partner shops and of the order in which they are called.

Whoever changes an order holds the service's row, and the service's version goes up with each change: two people who
arrange the same list do not overwrite each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from service.core import audit, phones
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.imports.kinds import Change, New
from service.core.problems import Conflict, Invalid, Stale
from service.reservations.rules import AREA
from service.reservations.services import queries as services
from service.reservations.services.actions import SERVICES
from service.reservations.services.models import Service
from service.reservations.shops import queries, schemas
from service.reservations.shops.models import Shop, ShopService
from service.reservations.shops.rules import CLOSES_FIRST, in_order, placed, shown_places, words_for

SHOPS = Edits(AREA.name, "shop", "提携店", {"uq_reservations_shops_code": "code"}, {"code": "店舗コード"})
OWN = set(schemas.ShopValues.model_fields)


def create(db: Session, by: Actor, new: schemas.NewShop) -> Shop:
    """It is called last for each of its services. Raises Conflict when the code is another's, Invalid for a service
    that is not there."""
    values = new.model_dump(include=OWN)
    shop = Shop(**values)
    named = _usable(services.locked(db, new.services), new.services)
    SHOPS.create(db, by, shop, values | {"services": [service.name for service in named]})
    for service in named:
        _join(db, by, service, shop.id)
    return shop


def change(db: Session, by: Actor, shop_id: int, new: schemas.ShopChange) -> None:
    shop = queries.get(db, shop_id, lock=True)
    if (new.opens_at or shop.opens_at) >= (new.closes_at or shop.closes_at):
        raise Invalid(CLOSES_FIRST, [("closes_at", CLOSES_FIRST)])
    there = {key: service for key, service in queries.offered(db, shop.id).items() if service.archived_at is None}
    try:
        SHOPS.change(db, by, shop, new.model_copy(update={"services": None}))
    except Stale as stale:
        _add_to(stale, shop, [*there], new)
        raise
    if new.services is None or set(new.services) == there.keys():
        return
    held = services.locked(db, {*there, *new.services})
    named = _usable(held, [key for key in new.services if key not in there])
    for key in there.keys() - set(new.services):
        _rearrange(db, by, held[key], _without(queries.places(db, key), [shop.id]), [shop.id])
    for service in named:
        _join(db, by, service, shop.id)
    SHOPS.touch(db, shop)
    shown = [service.name for service in there.values()], [held[key].name for key in new.services]
    audit.record(
        db, by, "update", AREA.name, "shop", shop.id, before={"services": shown[0]}, after={"services": shown[1]}
    )


def _add_to(stale: Stale, shop: Shop, there: list[int], new: schemas.ShopChange) -> None:
    """What the version that was read, and the one that is there now, say of services and of the telephone."""
    stale.current |= {"services": there, "phone": phones.shown(shop.phone)}
    if new.services is not None:
        stale.yours["services"] = new.services
    if new.phone is not None:
        stale.yours["phone"] = phones.shown(new.phone)


def archive(db: Session, by: Actor, shop_id: int, archived: bool) -> None:
    """It leaves the orders, and stands last in them when it comes back."""
    shop = queries.get(db, shop_id, lock=True)
    held = services.locked(db, [*queries.offered(db, shop.id)])
    before = {key: queries.places(db, key) for key in held}
    if not SHOPS.set_archived(db, by, shop, archived):
        return
    db.flush()
    for key, service in held.items():
        if archived:
            _rearrange(db, by, service, _without(before[key], [shop.id]), before=before[key])
        else:
            _rearrange(db, by, service, before[key] | {shop.id: _last(before[key])}, before=before[key])


def blacklist(db: Session, by: Actor, shop_id: int, reason: str) -> None:
    """It is not called any more, and keeps its places. Raises Conflict when it is archived or blacklisted already."""
    shop = queries.get(db, shop_id, lock=True)
    if shop.archived_at is not None:
        raise Conflict("この提携店はアーカイブされています。電話をかけることはありません。")
    if shop.blacklisted_at is not None:
        raise Conflict("この提携店はすでに利用停止になっています。画面を開き直してください。")
    shop.blacklisted_at, shop.blacklist_reason = app_now(db), reason
    SHOPS.touch(db, shop)
    before, after = {"blacklisted": False}, {"blacklisted": True, "reason": reason}
    audit.record(db, by, "status_change", AREA.name, "shop", shop.id, before=before, after=after)


def lift(db: Session, by: Actor, shop_id: int, reason: str) -> None:
    """It is called again. Raises Conflict when it is not blacklisted."""
    shop = queries.get(db, shop_id, lock=True)
    if shop.blacklisted_at is None:
        raise Conflict("この提携店は利用停止になっていません。画面を開き直してください。")
    before = {"blacklisted": True, "reason": shop.blacklist_reason}
    shop.blacklisted_at = shop.blacklist_reason = None
    SHOPS.touch(db, shop)
    after = {"blacklisted": False, "reason": reason}
    audit.record(db, by, "status_change", AREA.name, "shop", shop.id, before=before, after=after)


def arrange(db: Session, by: Actor, service_id: int, new: schemas.NewOrder) -> None:
    """The whole order at once.

    Raises:
        NotFound: no such service.
        Stale: somebody changed the order, or the service, since that version was read.
        Conflict: the service is archived.
        Invalid: the shops are not those of the order, each once.
    """
    service = services.get(db, Service, service_id, lock=True)
    there = queries.places(db, service.id)
    if new.version != service.version:
        raise Stale(
            "ほかの人が先にこのサービスの順番を変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours={"shops": new.shops},
            current={"version": service.version, "shops": in_order(there)},
        )
    if service.archived_at is not None:
        raise Conflict("このサービスはアーカイブされています。元に戻してから変更してください。")
    if set(new.shops) != there.keys():
        message = "順番には、このサービスの提携店をすべて1回ずつ含めてください。画面を開き直してください。"
        raise Invalid(message, [("shops", message)])
    _rearrange(db, by, service, {key: place for place, key in enumerate(new.shops, 1)})


def import_shops(db: Session, by: Actor, new: Sequence[New]) -> None:
    """Raises Conflict when a service is gone since the file was looked through."""
    given: dict[str, dict[int, int]] = {}
    words = _words(db)
    for row in new:
        values = {name: row.values[name] for name in OWN}
        shop = Shop(**values)
        SHOPS.create(db, by, shop, values | {"services": shown_places(row.values["services"], words)})
        for code, place in row.values["services"].items():
            given.setdefault(code, {})[shop.id] = place
    _take_places(db, by, given)


def reimport_shops(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    given: dict[str, dict[int, int]] = {}
    gone: dict[str, list[int]] = {}
    words = _words(db)
    for row in changes:
        shop = queries.get(db, row.id, lock=True)
        SHOPS.change(db, by, shop, schemas.ShopChange(version=shop.version, **{name: row.after[name] for name in OWN}))
        before, after = row.before["services"], row.after["services"]
        if before == after:
            continue
        SHOPS.touch(db, shop)
        shown = [{"services": shown_places(one, words)} for one in (before, after)]
        audit.record(db, by, "update", AREA.name, "shop", shop.id, before=shown[0], after=shown[1])
        for code, place in after.items():
            given.setdefault(code, {})[shop.id] = place
        for code in before.keys() - after.keys():
            gone.setdefault(code, []).append(shop.id)
    _take_places(db, by, given, gone)


def _words(db: Session) -> dict[str, str]:
    return words_for([(service.code, service.name) for service in services.in_use(db)])


def _take_places(
    db: Session,
    by: Actor,
    given: Mapping[str, Mapping[int, int]],
    gone: Mapping[str, Sequence[int]] | None = None,
) -> None:
    gone = gone or {}
    codes = {service.code: service.id for service in services.in_use(db)}
    missing = sorted((given.keys() | gone.keys()) - codes.keys())
    if missing:
        raise Conflict(f"サービス「{'、'.join(missing)}」が、取り込みの間に使えなくなりました。")
    held = services.locked(db, {codes[code] for code in given.keys() | gone.keys()})
    for service in held.values():
        leaving = gone.get(service.code, ())
        # Those who stay do not close up: the file says where they stand.
        there = {key: place for key, place in queries.places(db, service.id).items() if key not in leaving}
        _rearrange(db, by, service, placed(there, given.get(service.code, {})), leaving)


def _usable(held: Mapping[int, Service], wanted: Iterable[int]) -> list[Service]:
    """In the order of ids, as they are locked. Raises Invalid."""
    keys = sorted(wanted)
    if any(key not in held or held[key].archived_at is not None for key in keys):
        message = "選ばれたサービスが見つからないか、アーカイブされています。選び直してください。"
        raise Invalid(message, [("services", message)])
    return [held[key] for key in keys]


def _last(places: Mapping[int, int]) -> int:
    return max(places.values(), default=0) + 1


def _without(places: Mapping[int, int], leaving: Collection[int]) -> dict[int, int]:
    """Those who stay close up."""
    staying = [key for key in in_order(places) if key not in leaving]
    return {key: place for place, key in enumerate(staying, 1)} if len(staying) < len(places) else dict(places)


def _join(db: Session, by: Actor, service: Service, shop_id: int) -> None:
    there = queries.places(db, service.id)
    _rearrange(db, by, service, there | {shop_id: _last(there)})


def _rearrange(
    db: Session,
    by: Actor,
    service: Service,
    wanted: Mapping[int, int],
    leaving: Collection[int] = (),
    *,
    before: Mapping[int, int] | None = None,
) -> None:
    """The places of all who are called for the locked service from now on; `before`: who was, when that cannot be seen
    any more. Who is `leaving` does not offer it any more."""
    there = queries.places(db, service.id)
    was = there if before is None else before
    if leaving:
        db.execute(delete(ShopService).where(ShopService.service_id == service.id, ShopService.shop_id.in_(leaving)))
    for key, place in sorted(wanted.items()):
        if key not in there:
            db.execute(insert(ShopService).values(shop_id=key, service_id=service.id, position=place))
        elif there[key] != place:
            mine = (ShopService.shop_id == key, ShopService.service_id == service.id)
            db.execute(update(ShopService).where(*mine).values(position=place))
    if was == wanted:
        return
    SERVICES.touch(db, service)
    if in_order(was) == in_order(wanted):
        return
    names = [{"order": queries.names(db, one)} for one in (was, wanted)]
    audit.record(db, by, "update", AREA.name, "service", service.id, before=names[0], after=names[1])
