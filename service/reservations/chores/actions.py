"""Every write of 定期作業: the definitions, the turns that follow from them, and what people say about those."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.holidays import days
from service.core.problems import Conflict, Invalid, Stale
from service.core.times import local_date
from service.reservations.chores import queries, rules, schemas
from service.reservations.chores.models import Chore, ChoreEvent, ChoreNotice, ChoreTurn
from service.reservations.chores.rules import Outcome, Rhythm, State
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA

SUBJECT, TURN = "chore", "chore_turn"
PAGE = ("chores", "定期作業を開く")
CHORES = Edits(
    AREA.name,
    SUBJECT,
    "定期作業",
    may_be_emptied=frozenset({"weekday", "business_day", "minutes"}),
    archived="無効になっています",
)
ENDED = "作業の設定を無効にしたため"
_RHYTHM = ("rhythm", "starts", "weekday", "business_day")


def create(db: Session, by: Actor, new: schemas.NewChore) -> Chore:
    """Planned at once. Raises Invalid for a weekly one without a weekday."""
    values = new.model_dump(mode="python") | _shape(new.rhythm, new.weekday, new.business_day)
    values["rhythm"] = new.rhythm.value
    if new.position is None:
        values["position"] = min((db.scalar(select(func.max(Chore.position))) or 0) + 1, 10_000)
    chore = Chore(**values)
    CHORES.create(db, by, chore, values)
    plan(db)
    return chore


def change(db: Session, by: Actor, chore_id: int, new: schemas.ChoreChange) -> None:
    """What nobody touched yet is planned anew by the new rhythm; what was done stays.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it has ended.
        Invalid: a weekly one without a weekday.
    """
    _alone(db)
    chore = queries.get(db, chore_id, lock=True)
    if new.version == chore.version:
        given = new.model_fields_set
        rhythm = new.rhythm or Rhythm(chore.rhythm)
        shape = _shape(
            rhythm,
            new.weekday if "weekday" in given else chore.weekday,
            new.business_day if "business_day" in given else chore.business_day,
        )
        new = new.model_copy(update=shape)
    before = CHORES.change(db, by, chore, new)
    if before.keys() & set(_RHYTHM):
        plan(db)


def _shape(rhythm: Rhythm, weekday: int | None, business_day: int | None) -> dict[str, Any]:
    if rhythm is Rhythm.WEEKLY and weekday is None:
        message = "週次の作業には、曜日を選んでください。"
        raise Invalid(message, [("weekday", message)])
    return {
        "weekday": weekday if rhythm is Rhythm.WEEKLY else None,
        "business_day": business_day if rhythm is Rhythm.MONTHLY else None,
    }


def end(db: Session, by: Actor, chore_id: int) -> None:
    """Nothing of it comes any more: what has begun is skipped, what is to come goes."""
    _alone(db)
    chore = queries.get(db, chore_id, lock=True)
    if not CHORES.set_archived(db, by, chore, True):
        return
    now = app_now(db)
    open_ones = select(ChoreTurn).where(ChoreTurn.chore_id == chore.id, ChoreTurn.outcome.is_(None))
    begun = open_ones.where(ChoreTurn.starts_at <= now, or_(ChoreTurn.lapses_at.is_(None), ChoreTurn.lapses_at > now))
    for turn in db.scalars(begun.with_for_update()):
        _settle(db, by, turn, Outcome.SKIPPED, now, None, ENDED)
    plan(db)


def restore(db: Session, by: Actor, chore_id: int) -> None:
    _alone(db)
    if CHORES.set_archived(db, by, queries.get(db, chore_id, lock=True), False):
        plan(db)


def _alone(db: Session) -> None:
    """Nobody else plans until this transaction ends. Before any chore is locked: planning locks them afterwards."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations chores'))"))


def plan(db: Session) -> int:
    """Brings the coming weeks to what rhythms and holidays say: turns that are missing are added, those that have not
    begun and that nobody touched are moved or go. How many were added, moved or removed. Twice is as once."""
    _alone(db)
    db.flush()
    now, off = app_now(db), days(db)
    wanted = [
        {
            "chore_id": chore.id,
            "rhythm": chore.rhythm,
            "slot": turn.slot,
            "starts_at": turn.starts_at,
            "due_at": turn.due_at,
            "lapses_at": turn.lapses_at,
        }
        for chore in queries.in_use(db)
        for turn in rules.turns(chore.plan, now, now + rules.HORIZON, off)
    ]
    untouched = (ChoreTurn.outcome.is_(None), ChoreTurn.starts_at > now, ChoreTurn.slot.is_not(None))
    is_wanted = tuple_(ChoreTurn.chore_id, ChoreTurn.rhythm, ChoreTurn.slot).in_(
        [(one["chore_id"], one["rhythm"], one["slot"]) for one in wanted]
    )
    # What somebody did and took back has a history, and stays.
    has_history = select(ChoreEvent.id).where(ChoreEvent.turn_id == ChoreTurn.id).exists()
    gone = delete(ChoreTurn).where(*untouched, ~is_wanted, ~has_history).returning(ChoreTurn.id)
    changed = len(db.scalars(gone.execution_options(synchronize_session=False)).all())
    if wanted:
        added = insert(ChoreTurn).values(wanted)
        new = added.excluded
        moved = tuple_(ChoreTurn.starts_at, ChoreTurn.due_at, ChoreTurn.lapses_at) != tuple_(
            new.starts_at, new.due_at, new.lapses_at
        )
        upsert = added.on_conflict_do_update(
            constraint="uq_reservations_chore_turns_slot",
            set_={"starts_at": new.starts_at, "due_at": new.due_at, "lapses_at": new.lapses_at},
            where=ChoreTurn.outcome.is_(None) & (ChoreTurn.starts_at > now) & moved,
        )
        changed += len(db.scalars(upsert.returning(ChoreTurn.id)).all())
        db.expire_all()
    return changed


def finish(db: Session, by: Actor, turn_id: int, new: schemas.Finish) -> None:
    """It was done, by whoever says so.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is done, or skipped.
        Invalid: a time to come.
    """
    turn = _open(db, turn_id, new.version)
    now = app_now(db)
    _settle(db, by, turn, Outcome.DONE, _past(new.done_at, now), new.minutes, new.note)


def finish_many(db: Session, by: Actor, new: schemas.FinishMany) -> int:
    """All of them or none. Raises as `finish`."""
    now = app_now(db)
    for one in sorted(new.turns, key=lambda one: one.id):
        _settle(db, by, _open(db, one.id, one.version), Outcome.DONE, now, None, new.note)
    return len(new.turns)


def skip(db: Session, by: Actor, turn_id: int, new: schemas.Because) -> None:
    """This time it is not done. Raises as `finish`."""
    turn = _open(db, turn_id, new.version)
    _settle(db, by, turn, Outcome.SKIPPED, app_now(db), None, new.reason)


def reopen(db: Session, by: Actor, turn_id: int, new: schemas.Because) -> None:
    """It is not done after all.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is open.
    """
    turn = queries.get_turn(db, turn_id, lock=True)
    _refuse_stale(turn, new.version)
    if turn.outcome is None:
        raise Conflict("この作業はまだ完了していません。画面を更新してください。")
    if turn.slot is None:
        raise Conflict("随時の作業の記録は、取り消せません。メモに書き足す代わりに、もう一度記録してください。")
    before = {"outcome": turn.outcome, "done_by": turn.done_by}
    turn.outcome = turn.done_at = turn.done_by = turn.minutes = None
    turn.note = ""
    turn.version += 1
    _event(db, turn, "reopened", by, new.reason)
    after = {"outcome": None, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, TURN, turn.id, before=before, after=after)


def note_done(db: Session, by: Actor, chore_id: int, new: schemas.NewRecord) -> ChoreTurn:
    """A 随時 chore was done. Raises Conflict when it comes by the calendar or has ended, Invalid for a time to come."""
    chore = queries.get(db, chore_id)
    if chore.rhythm != Rhythm.ANYTIME or chore.archived_at is not None:
        raise Conflict("この作業は随時の作業ではないか、無効になっています。画面を更新してください。")
    done_at = _past(new.done_at, app_now(db))
    turn = ChoreTurn(chore_id=chore.id, rhythm=chore.rhythm, starts_at=done_at)
    db.add(turn)
    db.flush()
    _settle(db, by, turn, Outcome.DONE, done_at, new.minutes, new.note)
    return turn


def tell(db: Session) -> int:
    """Once on a business day, one message about all that is overdue. How many that were; nothing was said of none."""
    now, off = app_now(db), days(db)
    today = local_date(now)
    if not rules.is_time_to_tell(today, now, off) or queries.is_told(db, today):
        return 0
    late = queries.late(db)
    # Of two workers at once, the one that comes first tells.
    first = insert(ChoreNotice).values(day=today, overdue=len(late), at=now).on_conflict_do_nothing()
    if not db.scalars(first.returning(ChoreNotice.day)).all() or not late:
        return 0
    operations.tell(db, None, rules.reminder(late), SUBJECT, link=PAGE)
    return len(late)


def _open(db: Session, turn_id: int, version: int) -> ChoreTurn:
    turn = queries.get_turn(db, turn_id, lock=True)
    if turn.outcome is not None:
        word = rules.STATE_WORDS[State(turn.outcome)]
        raise Conflict(f"この作業は{turn.done_by}が「{word}」にしています。画面を更新してください。")
    _refuse_stale(turn, version)
    return turn


def _refuse_stale(turn: ChoreTurn, version: int) -> None:
    if version != turn.version:
        raise Stale(
            "ほかの人が先にこの作業を変更しました。まだ保存されていません。最新の内容を確認してください。",
            yours={"version": version},
            current={"version": turn.version, "outcome": turn.outcome},
        )


def _past(moment: datetime | None, now: datetime) -> datetime:
    if moment is not None and moment > now:
        message = "これからの日時は指定できません。"
        raise Invalid(message, [("done_at", message)])
    return moment or now


def _settle(
    db: Session, by: Actor, turn: ChoreTurn, outcome: Outcome, at: datetime, minutes: int | None, note: str
) -> None:
    turn.outcome, turn.done_at, turn.done_by = outcome.value, at, by.name[:100]
    turn.minutes, turn.note = minutes, note
    turn.version += 1
    taken = [f"所要時間 {rules.minutes_in_words(minutes)}"] if minutes is not None else []
    _event(db, turn, outcome.value, by, "\n".join([*taken, *_filled([note])]))
    after: dict[str, Any] = {"outcome": outcome.value, "done_at": at.isoformat()}
    after |= {"minutes": minutes} if minutes is not None else {}
    after |= {"note": note} if note else {}
    audit.record(db, by, "status_change", AREA.name, TURN, turn.id, before={"outcome": None}, after=after)


def _filled(texts: Iterable[str]) -> list[str]:
    return [one for one in texts if one]


def _event(db: Session, turn: ChoreTurn, kind: str, by: Actor, said: str) -> None:
    db.add(
        ChoreEvent(
            turn_id=turn.id,
            at=app_now(db),
            kind=kind,
            by=by.name[:100],
            user_id=by.user_id,
            text=said[:2000] or None,
        )
    )
