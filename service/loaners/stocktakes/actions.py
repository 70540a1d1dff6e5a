"""Every write of counts. Scans are their own record: who, when, what was read."""

from __future__ import annotations

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Conflict, Invalid
from service.loaners import queries as masters
from service.loaners.history.rules import read_label
from service.loaners.models import Site
from service.loaners.rules import AREA
from service.loaners.stocktakes import queries, schemas
from service.loaners.stocktakes.models import Counted, Stocktake


def start(db: Session, by: Actor, new: schemas.NewStocktake) -> Stocktake:
    """Expected is whatever is in the house now. Raises NotFound, and Conflict while the same room is being counted."""
    site = masters.get(db, Site, new.site_id)
    room = " ".join(new.room.split())
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"loaners.stocktake {site.id} {room}"))))
    same = select(Stocktake.id).where(
        Stocktake.site_id == site.id, Stocktake.room == room, Stocktake.closed_at.is_(None)
    )
    if db.scalar(same) is not None:
        where = f"{site.name} {room}".strip()
        raise Conflict(f"「{where}」の棚卸はすでに始まっています。一覧から開いて続けてください。")
    made = Stocktake(site_id=site.id, room=room, started_by=by.name)
    db.add(made)
    db.flush()
    expected = queries.in_house(db, site.id)
    if expected:
        rows = [{"stocktake_id": made.id, "device_id": device_id, "expected": True} for device_id in expected]
        db.execute(insert(Counted), rows)
    after = {"site_id": site.id, "room": room, "expected": len(expected)}
    audit.record(db, by, "create", AREA.name, "stocktake", made.id, after=after)
    return made


def scan(db: Session, by: Actor, stocktake_id: int, code: str) -> schemas.Scanned:
    """A label's URL, number or other number. Read twice, it is counted once. Raises NotFound, Conflict when the count
    is closed, Invalid when nothing was read."""
    stocktake = queries.get_open(db, stocktake_id)
    number = read_label(code)
    if not number:
        raise Invalid("番号を読み取れませんでした。もう一度スキャンするか、拠点管理番号を入力してください。")
    device_id = masters.numbered(db, [number]).get(number)
    row = queries.counted(db, stocktake.id, device_id, number)
    again = row is not None and row.scanned_at is not None
    if row is None:
        row_id, again = _add(db, by, stocktake.id, device_id, number)
    else:
        row_id = row.id
        if not again:
            row.scanned, row.scanned_by, row.scanned_at = number, by.name, app_now(db)
            db.flush()
    shown = queries.shown(db, row_id)
    found = shown.model_dump(include={"id", "result", "number", "model_name", "site_name", "status"})
    return schemas.Scanned(again=again, **found)


def _add(db: Session, by: Actor, stocktake_id: int, device_id: int | None, number: str) -> tuple[int, bool]:
    """Nobody expected it. The row's id, and whether somebody else was quicker."""
    row = upsert(Counted).values(
        stocktake_id=stocktake_id,
        device_id=device_id,
        expected=False,
        scanned=number,
        scanned_by=by.name,
        scanned_at=app_now(db),
    )
    made = db.scalar(row.on_conflict_do_nothing().returning(Counted.id))
    if made is not None:
        return made, False
    known = queries.counted(db, stocktake_id, device_id, number)
    if known is None:
        raise Conflict("ほかの人が同時にこの機器を操作しました。もう一度スキャンしてください。")
    return known.id, True


def take_back(db: Session, by: Actor, stocktake_id: int, row_id: int) -> None:
    """A wrong scan. Raises NotFound, and Conflict when the count is closed."""
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


def note(db: Session, by: Actor, stocktake_id: int, row_id: int, text: str) -> None:
    """Why it is missing or misplaced. Raises NotFound, and Conflict when the count is closed."""
    queries.get_open(db, stocktake_id)
    row = queries.get_row(db, stocktake_id, row_id)
    before, after = row.note, " ".join(text.split())
    if before != after:
        row.note = after
        audit.record(
            db, by, "update", AREA.name, "stocktake", stocktake_id, before={"note": before}, after={"note": after}
        )


def close(db: Session, by: Actor, stocktake_id: int) -> None:
    """For good. Raises NotFound, and Conflict when it is closed already."""
    stocktake = queries.get_open(db, stocktake_id, to_close=True)
    stocktake.closed_by, stocktake.closed_at = by.name, app_now(db)
    db.flush()
    found = queries.stocktake_in_full(db, stocktake_id)
    after = {name: found[name] for name in ("found", "elsewhere", "missing", "misplaced", "unknown")}
    audit.record(db, by, "status_change", AREA.name, "stocktake", stocktake_id, after={"closed": True} | after)
