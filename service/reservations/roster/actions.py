"""Writes of the on-call roster. Each write locks the whole roster, so that two concurrent writes cannot create
overlapping shifts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, Stale, WrongFields
from service.core.resources import Creatable
from service.core.values.phones import is_mobile
from service.core.values.times import format_local_datetime
from service.reservations.roster import queries, schemas
from service.reservations.roster.models import Shift
from service.reservations.rules import AREA

# A longer shift is taken for an input error.
MAX_DURATION = timedelta(days=14)


class Shifts(Creatable[Shift]):
    """A shift is removed with the version that was read, which says that nobody else has changed it: see `remove`."""

    def create(self, db: Session, by: Actor, new: schemas.NewShift) -> Shift:
        """Raises Invalid for a user who cannot be on call, a number that cannot receive SMS or an invalid time;
        Conflict when it overlaps another shift."""
        _lock_roster(db)
        wrong = WrongFields()
        with wrong.noted():
            queries.responder(db, new.user_id)
        with wrong.noted():
            _check_phone(new.phone)
        with wrong.noted():
            _check_time(db, new.starts_at, new.ends_at)
        wrong.refuse()
        return super().create(db, by, new)

    def change(self, db: Session, by: Actor, key: int, new: Any) -> None:
        """Raises as `create`, and Stale when it was changed since that version was read."""
        _lock_roster(db)
        shift = queries.get(db, key, lock=True)
        if new.version == shift.version:
            wrong = WrongFields()
            with wrong.noted():
                if new.user_id is not None and new.user_id != shift.user_id:
                    queries.responder(db, new.user_id)
            with wrong.noted():
                if new.phone is not None:
                    _check_phone(new.phone)
            with wrong.noted():
                _check_time(db, new.starts_at or shift.starts_at, new.ends_at or shift.ends_at, exclude_id=shift.id)
            wrong.refuse()
        self.edits.change(db, by, shift, new)


SHIFTS = Shifts(Edits(AREA.name, "shift", "当番"), Shift, schemas.ShiftChange, schemas.NewShift)


def remove(db: Session, by: Actor, shift_id: int, version: int) -> None:
    """Archives a shift; the audit log records it. Raises Stale when it was changed since that version was read."""
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


def _lock_roster(db: Session) -> None:
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations roster'))"))


def _check_phone(phone: str) -> None:
    """The operator on call is notified by SMS only."""
    if not is_mobile(phone):
        raise Invalid.at_field(
            "phone", "この番号はSMSを受け取れません。携帯電話の番号（070・080・090など）を入力してください。"
        )


def _check_time(db: Session, starts_at: datetime, ends_at: datetime, exclude_id: int | None = None) -> None:
    if ends_at <= starts_at:
        message = "終了は、開始より後の日時を指定してください。"
    elif ends_at - starts_at > MAX_DURATION:
        message = f"1回の当番は{MAX_DURATION.days}日以内にしてください。"
    elif ends_at <= app_now(db):
        message = "もう終わっている時間帯です。これからの日時を指定してください。"
    else:
        overlap = queries.overlapping_shift(db, starts_at, ends_at, exclude_id)
        if overlap is None:
            return
        other, name = overlap
        span = f"{format_local_datetime(other.starts_at)}から{format_local_datetime(other.ends_at)}まで"
        raise Conflict.at_field("starts_at", f"{span}は、{name}の当番です。時間が重ならないようにしてください。")
    raise Invalid.at_field("ends_at", message)
