"""Staff enter a child's attendance."""

from __future__ import annotations

from datetime import date

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.problems import Stale
from service.entries import queries
from service.entries.attendance import schemas
from service.entries.attendance.models import Attendance
from service.entries.rules import AREA


def save_attendance(db: Session, by: Actor, child_id: int, day: date, new: schemas.Written) -> None:
    """
    Raises:
        NotFound: no such child.
        Stale: the row was changed since that version was read (optimistic locking).
    """
    child = queries.get_child(db, by, child_id)
    # Of two concurrent writers, the first creates the row; the second waits for it and gets Stale.
    db.execute(
        insert(Attendance)
        .values(child_id=child.id, day=day, nursery_id=child.nursery_id, updated_by=by.name, version=0)
        .on_conflict_do_nothing()
    )
    row = db.get_one(Attendance, (child.id, day), with_for_update=True, populate_existing=True)
    values = {"presence": new.presence, "note": new.note.strip()}
    current = {"presence": row.presence, "note": row.note}
    if new.version != row.version:
        raise Stale(
            "ほかの人が先にこの日の出欠を変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours=values,
            current=current | {"version": row.version},
        )
    if values == current:
        return
    row.presence, row.note, row.updated_by, row.updated_at = new.presence, new.note.strip(), by.name, app_now(db)
    row.version += 1
    changed = [name for name in values if values[name] != current[name]]
    audit.record(
        db,
        by,
        "update",
        AREA.name,
        "attendance",
        child.id,
        before={"day": f"{day}"} | {name: current[name] for name in changed},
        after={name: values[name] for name in changed},
    )
