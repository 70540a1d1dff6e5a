"""Staff write a child's day down."""

from __future__ import annotations

from datetime import date

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.problems import Stale
from service.entries import queries
from service.entries.attendance import schemas
from service.entries.attendance.models import Attendance
from service.entries.rules import AREA


def write(db: Session, by: Actor, child_id: int, day: date, new: schemas.Written) -> None:
    """
    Raises:
        NotFound: no such child.
        Stale: somebody wrote since that version was read.
    """
    child = queries.get_child(db, by, child_id)
    # The first of two who write at once makes the row, the second one waits for it and is told.
    db.execute(
        insert(Attendance)
        .values(child_id=child.id, day=day, nursery_id=child.nursery_id, updated_by=by.name, version=0)
        .on_conflict_do_nothing()
    )
    row = db.get_one(Attendance, (child.id, day), with_for_update=True, populate_existing=True)
    given = {"presence": new.presence, "note": new.note.strip()}
    now = {"presence": row.presence, "note": row.note}
    if new.version != row.version:
        raise Stale(
            "ほかの人が先にこの日の出欠を変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours=given,
            current=now | {"version": row.version},
        )
    if given == now:
        return
    row.presence, row.note, row.updated_by, row.updated_at = new.presence, new.note.strip(), by.name, app_now(db)
    row.version += 1
    changed = [name for name in given if given[name] != now[name]]
    audit.record(
        db,
        by,
        "update",
        AREA.name,
        "attendance",
        child.id,
        before={"day": f"{day}"} | {name: now[name] for name in changed},
        after={name: given[name] for name in changed},
    )
