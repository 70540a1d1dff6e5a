"""Every write of the on-call roster. Whoever writes holds the whole roster: two people who fill the same night at once
do not both succeed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.edits import Edits
from service.core.phones import is_mobile
from service.core.problems import Conflict, Invalid, Stale
from service.reservations.roster import queries, schemas
from service.reservations.roster.models import Shift
from service.reservations.rules import AREA

SHIFTS = Edits(AREA.name, "shift", "当番")
# A longer one is a slip of the pen.
LONGEST = timedelta(days=14)


def create(db: Session, by: Actor, new: schemas.NewShift) -> Shift:
    """Raises Invalid for a person who cannot be on call, a number that takes no SMS or a time that cannot be, Conflict
    when somebody else is."""
    _hold(db)
    _refuse_person(db, new.user_id)
    _refuse_phone(new.phone)
    _refuse_time(db, new.starts_at, new.ends_at)
    values = new.model_dump()
    shift = Shift(**values)
    SHIFTS.create(db, by, shift, values)
    return shift


def change(db: Session, by: Actor, shift_id: int, new: schemas.ShiftChange) -> None:
    """Raises as `create`, and Stale when somebody changed it since that version was read."""
    _hold(db)
    shift = queries.get(db, shift_id, lock=True)
    if new.version == shift.version:
        if new.user_id is not None and new.user_id != shift.user_id:
            _refuse_person(db, new.user_id)
        if new.phone is not None:
            _refuse_phone(new.phone)
        _refuse_time(db, new.starts_at or shift.starts_at, new.ends_at or shift.ends_at, but=shift.id)
    SHIFTS.change(db, by, shift, new)


def remove(db: Session, by: Actor, shift_id: int, version: int) -> None:
    """It leaves the roster; the trail keeps it. Raises Stale when somebody changed it since that version was read."""
    shift = queries.get(db, shift_id, lock=True)
    before = {
        "user_id": shift.user_id,
        "starts_at": shift.starts_at.isoformat(),
        "ends_at": shift.ends_at.isoformat(),
    }
    if version != shift.version:
        raise Stale(
            "ほかの人が先にこの当番を変更しました。まだ外していません。最新の内容を確認してください。",
            yours={"version": version},
            current={"version": shift.version, **before},
        )
    shift.archived_at = app_now(db)
    shift.version += 1
    audit.record(db, by, "delete", AREA.name, "shift", shift.id, before=before)


def _hold(db: Session) -> None:
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations roster'))"))


def _refuse_person(db: Session, user_id: int) -> None:
    if user_id not in {person["id"] for person in queries.responders(db)}:
        message = "運営担当者か予約運用管理者の中から選んでください。"
        raise Invalid(message, [("user_id", message)])


def _refuse_phone(phone: str) -> None:
    """Whoever is on call is told by SMS and by nothing else."""
    if not is_mobile(phone):
        message = "この番号はSMSを受け取れません。携帯電話の番号（070・080・090など）を入力してください。"
        raise Invalid(message, [("phone", message)])


def _refuse_time(db: Session, starts_at: datetime, ends_at: datetime, but: int | None = None) -> None:
    if ends_at <= starts_at:
        message = "終了は、開始より後の日時を指定してください。"
    elif ends_at - starts_at > LONGEST:
        message = f"1回の当番は{LONGEST.days}日以内にしてください。"
    elif ends_at <= app_now(db):
        message = "もう終わっている時間帯です。これからの日時を指定してください。"
    else:
        found = queries.overlapping(db, starts_at, ends_at, but)
        if found is None:
            return
        other, name = found
        span = f"{in_words(other.starts_at)}から{in_words(other.ends_at)}まで"
        message = f"{span}は、{name}の当番です。時間が重ならないようにしてください。"
        raise Conflict(message, [("starts_at", message)])
    raise Invalid(message, [("ends_at", message)])
