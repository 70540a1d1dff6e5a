"""Every write of stocktakes. A scan records the user, the time and the scanned text."""

from __future__ import annotations

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid
from service.loaners import queries as masters
from service.loaners.history.rules import read_label
from service.loaners.models import Site
from service.loaners.rules import AREA
from service.loaners.stocktakes import queries, schemas
from service.loaners.stocktakes.models import Counted, Stocktake


def start(db: Session, by: Actor, new: schemas.NewStocktake) -> Stocktake:
    """All devices that are at the site now are expected. Raises NotFound, and Conflict while the room has an open
    stocktake."""
    site = masters.get(db, Site, new.site_id)
    room = " ".join(new.room.split())
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"loaners.stocktake {site.id} {room}"))))
    open_stocktake = select(Stocktake.id).where(
        Stocktake.site_id == site.id, Stocktake.room == room, Stocktake.closed_at.is_(None)
    )
    if db.scalar(open_stocktake) is not None:
        place = f"{site.name} {room}".strip()
        raise Conflict(f"「{place}」の棚卸はすでに始まっています。一覧から開いて続けてください。")
    stocktake = Stocktake(site_id=site.id, room=room, started_by=by.name)
    db.add(stocktake)
    db.flush()
    expected = queries.devices_at_site(db, site.id)
    if expected:
        rows = [{"stocktake_id": stocktake.id, "device_id": device_id, "expected": True} for device_id in expected]
        db.execute(insert(Counted), rows)
    after = {"site_id": site.id, "room": room, "expected": len(expected)}
    audit.record(db, by, "create", AREA.name, "stocktake", stocktake.id, after=after)
    return stocktake


def scan(db: Session, by: Actor, stocktake_id: int, code: str) -> schemas.Scanned:
    """Counts the device of a label's URL, number or alias; a second scan changes nothing. Raises NotFound, Conflict
    when the stocktake is closed, Invalid for an empty scan."""
    stocktake = queries.get_open(db, stocktake_id)
    number = read_label(code)
    if not number:
        raise Invalid("番号を読み取れませんでした。もう一度スキャンするか、拠点管理番号を入力してください。")
    device_id = masters.device_ids_by_number(db, [number]).get(number)
    row = queries.find_row(db, stocktake.id, device_id, number)
    already_scanned = row is not None and row.scanned_at is not None
    if row is None:
        row_id, already_scanned = _add(db, by, stocktake.id, device_id, number)
    else:
        row_id = row.id
        if not already_scanned:
            row.scanned, row.scanned_by, row.scanned_at = number, by.name, app_now(db)
            db.flush()
    item = queries.row_item(db, row_id)
    values = item.model_dump(include={"id", "result", "number", "model_name", "site_name", "status"})
    return schemas.Scanned(again=already_scanned, **values)


def _add(db: Session, by: Actor, stocktake_id: int, device_id: int | None, number: str) -> tuple[int, bool]:
    """Adds a row for an unexpected device. Returns the row id, and whether a concurrent scan added it first."""
    statement = upsert(Counted).values(
        stocktake_id=stocktake_id,
        device_id=device_id,
        expected=False,
        scanned=number,
        scanned_by=by.name,
        scanned_at=app_now(db),
    )
    row_id = db.scalar(statement.on_conflict_do_nothing().returning(Counted.id))
    if row_id is not None:
        return row_id, False
    concurrent_row = queries.find_row(db, stocktake_id, device_id, number)
    if concurrent_row is None:
        raise Conflict("ほかの人が同時にこの機器を操作しました。もう一度スキャンしてください。")
    return concurrent_row.id, True


def undo_scan(db: Session, by: Actor, stocktake_id: int, row_id: int) -> None:
    """Undoes a wrong scan. Raises NotFound, and Conflict when the stocktake is closed."""
    queries.get_open(db, stocktake_id)
    row = queries.get_row(db, stocktake_id, row_id)
    if row.scanned_at is None:
        return
    before = {"number": row.scanned}
    if row.expected:
        row.scanned, row.scanned_by, row.scanned_at = "", None, None
    else:
        db.delete(row)
    audit.record(db, by, "delete", AREA.name, "stocktake", stocktake_id, before=before)


def set_note(db: Session, by: Actor, stocktake_id: int, row_id: int, text: str) -> None:
    """Notes why a device is missing or misplaced. Raises NotFound, and Conflict when the stocktake is closed."""
    queries.get_open(db, stocktake_id)
    row = queries.get_row(db, stocktake_id, row_id)
    before, after = row.note, " ".join(text.split())
    if before != after:
        row.note = after
        audit.record(
            db, by, "update", AREA.name, "stocktake", stocktake_id, before={"note": before}, after={"note": after}
        )


def close(db: Session, by: Actor, stocktake_id: int) -> None:
    """Closes the stocktake permanently. Raises NotFound, and Conflict when it is already closed."""
    stocktake = queries.get_open(db, stocktake_id, to_close=True)
    stocktake.closed_by, stocktake.closed_at = by.name, app_now(db)
    db.flush()
    totals = queries.stocktake_detail(db, stocktake_id)
    after = {name: getattr(totals, name) for name in ("found", "elsewhere", "missing", "misplaced", "unknown")}
    audit.record(db, by, "status_change", AREA.name, "stocktake", stocktake_id, after={"closed": True} | after)
