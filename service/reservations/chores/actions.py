"""Writes of 定期作業: the chores, their planned turns, and the outcome of each turn."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.database.lookups import last_position
from service.core.edits import Edits, entered_values
from service.core.holidays import days
from service.core.problems import Conflict, Invalid, Stale
from service.core.values.times import local_date
from service.reservations.chores import queries, rules, schemas
from service.reservations.chores.models import Chore, ChoreEvent, ChoreNotice, ChoreTurn
from service.reservations.chores.rules import Outcome, Rhythm, State
from service.reservations.history import event_values
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
ENDED_REASON = "作業の設定を無効にしたため"
_SCHEDULE_FIELDS = ("rhythm", "starts", "weekday", "business_day")


def create(db: Session, by: Actor, new: schemas.NewChore) -> Chore:
    """Creates a chore and plans its turns. Raises Invalid for a weekly chore without a weekday."""
    values = new.model_dump(mode="python") | _check_schedule(new.rhythm, new.weekday, new.business_day)
    values["rhythm"] = new.rhythm.value
    if new.position is None:
        values["position"] = last_position(db, Chore.position, limit=10_000)
    chore = Chore(**values)
    CHORES.create(db, by, chore, values)
    plan(db)
    return chore


def change(db: Session, by: Actor, chore_id: int, new: schemas.ChoreChange) -> None:
    """Changes a chore. Untouched future turns are planned again by the new rhythm; finished turns stay.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: the chore has ended.
        Invalid: a weekly chore without a weekday.
    """
    _lock_planning(db)
    chore = queries.get(db, chore_id, lock=True)
    if new.version == chore.version:
        sent = entered_values(new, CHORES.may_be_emptied)
        schedule = _check_schedule(
            Rhythm(sent.get("rhythm", chore.rhythm)),
            sent.get("weekday", chore.weekday),
            sent.get("business_day", chore.business_day),
        )
        new = new.model_copy(update=schedule)
    before = CHORES.change(db, by, chore, new)
    if before.keys() & set(_SCHEDULE_FIELDS):
        plan(db)


def _check_schedule(rhythm: Rhythm, weekday: int | None, business_day: int | None) -> dict[str, Any]:
    if rhythm is Rhythm.WEEKLY and weekday is None:
        raise Invalid.at_field("weekday", "週次の作業には、曜日を選んでください。")
    return {
        "weekday": weekday if rhythm is Rhythm.WEEKLY else None,
        "business_day": business_day if rhythm is Rhythm.MONTHLY else None,
    }


def end(db: Session, by: Actor, chore_id: int) -> None:
    """Ends a chore: turns that have begun are skipped, future turns are deleted."""
    _lock_planning(db)
    chore = queries.get(db, chore_id, lock=True)
    if not CHORES.set_archived(db, by, chore, True):
        return
    now = app_now(db)
    open_turns = select(ChoreTurn).where(ChoreTurn.chore_id == chore.id, ChoreTurn.outcome.is_(None))
    begun_turns = open_turns.where(
        ChoreTurn.starts_at <= now, or_(ChoreTurn.lapses_at.is_(None), ChoreTurn.lapses_at > now)
    )
    for turn in db.scalars(begun_turns.with_for_update()):
        _set_outcome(db, by, turn, Outcome.SKIPPED, now, None, ENDED_REASON)
    plan(db)


def restore(db: Session, by: Actor, chore_id: int) -> None:
    _lock_planning(db)
    if CHORES.set_archived(db, by, queries.get(db, chore_id, lock=True), False):
        plan(db)


def _lock_planning(db: Session) -> None:
    """Blocks other planning until this transaction ends. Call it before a chore is locked: planning locks chores
    later."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtext('reservations chores'))"))


def plan(db: Session) -> int:
    """Plans the turns of the coming weeks by rhythms and holidays. Adds missing turns; moves or deletes turns that have
    not begun and that no user touched. Idempotent. Returns how many turns were added, moved or deleted."""
    _lock_planning(db)
    db.flush()
    now, holidays = app_now(db), days(db)
    planned = [
        {
            "chore_id": chore.id,
            "rhythm": chore.rhythm,
            "slot": turn.slot,
            "starts_at": turn.starts_at,
            "due_at": turn.due_at,
            "lapses_at": turn.lapses_at,
        }
        for chore in queries.scheduled_chores(db)
        for turn in rules.plan_turns(chore.plan, now, now + rules.PLANNING_HORIZON, holidays)
    ]
    untouched = (ChoreTurn.outcome.is_(None), ChoreTurn.starts_at > now, ChoreTurn.slot.is_not(None))
    is_planned = tuple_(ChoreTurn.chore_id, ChoreTurn.rhythm, ChoreTurn.slot).in_(
        [(turn["chore_id"], turn["rhythm"], turn["slot"]) for turn in planned]
    )
    # A turn that was finished and reopened has a history, and stays.
    has_history = select(ChoreEvent.id).where(ChoreEvent.turn_id == ChoreTurn.id).exists()
    unplanned = delete(ChoreTurn).where(*untouched, ~is_planned, ~has_history).returning(ChoreTurn.id)
    changed = len(db.scalars(unplanned.execution_options(synchronize_session=False)).all())
    if planned:
        insertion = insert(ChoreTurn).values(planned)
        excluded = insertion.excluded
        is_moved = tuple_(ChoreTurn.starts_at, ChoreTurn.due_at, ChoreTurn.lapses_at) != tuple_(
            excluded.starts_at, excluded.due_at, excluded.lapses_at
        )
        upsert = insertion.on_conflict_do_update(
            constraint="uq_reservations_chore_turns_slot",
            set_={"starts_at": excluded.starts_at, "due_at": excluded.due_at, "lapses_at": excluded.lapses_at},
            where=ChoreTurn.outcome.is_(None) & (ChoreTurn.starts_at > now) & is_moved,
        )
        changed += len(db.scalars(upsert.returning(ChoreTurn.id)).all())
        db.expire_all()
    return changed


def finish(db: Session, by: Actor, turn_id: int, new: schemas.Finish) -> None:
    """Marks a turn as done by the caller.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: the turn is already done or skipped.
        Invalid: `done_at` is in the future.
    """
    turn = _lock_open_turn(db, turn_id, new.version)
    now = app_now(db)
    _set_outcome(db, by, turn, Outcome.DONE, _past_or_now(new.done_at, now), new.minutes, new.note)


def finish_many(db: Session, by: Actor, new: schemas.FinishMany) -> int:
    """Marks all of the turns as done, or none. Raises as `finish`."""
    now = app_now(db)
    for turn in sorted(new.turns, key=lambda turn: turn.id):
        _set_outcome(db, by, _lock_open_turn(db, turn.id, turn.version), Outcome.DONE, now, None, new.note)
    return len(new.turns)


def skip(db: Session, by: Actor, turn_id: int, new: schemas.Because) -> None:
    """Marks a turn as skipped. Raises as `finish`."""
    turn = _lock_open_turn(db, turn_id, new.version)
    _set_outcome(db, by, turn, Outcome.SKIPPED, app_now(db), None, new.reason)


def reopen(db: Session, by: Actor, turn_id: int, new: schemas.Because) -> None:
    """Reopens a turn that was done or skipped.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: the turn is open, or belongs to a 随時 chore.
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
    _record_event(db, turn, "reopened", by, new.reason)
    after = {"outcome": None, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, TURN, turn.id, before=before, after=after)


def note_done(db: Session, by: Actor, chore_id: int, new: schemas.NewRecord) -> ChoreTurn:
    """Records that a 随時 chore was done. Raises Conflict when the chore has a schedule or has ended, Invalid when
    `done_at` is in the future."""
    chore = queries.get(db, chore_id)
    if chore.rhythm != Rhythm.ANYTIME or chore.archived_at is not None:
        raise Conflict("この作業は随時の作業ではないか、無効になっています。画面を更新してください。")
    done_at = _past_or_now(new.done_at, app_now(db))
    turn = ChoreTurn(chore_id=chore.id, rhythm=chore.rhythm, starts_at=done_at)
    db.add(turn)
    db.flush()
    _set_outcome(db, by, turn, Outcome.DONE, done_at, new.minutes, new.note)
    return turn


def notify_overdue(db: Session) -> int:
    """Sends one Slack message about all overdue turns, once on a business day. Returns how many were reported."""
    now, holidays = app_now(db), days(db)
    today = local_date(now)
    if not rules.is_reminder_time(today, now, holidays) or queries.is_notified(db, today):
        return 0
    overdue = queries.overdue_turns(db)
    # When two workers run at the same time, only the first one notifies.
    first_notice = insert(ChoreNotice).values(day=today, overdue=len(overdue), at=now).on_conflict_do_nothing()
    if not db.scalars(first_notice.returning(ChoreNotice.day)).all() or not overdue:
        return 0
    operations.notify_slack(db, None, rules.reminder_message(overdue), SUBJECT, link=PAGE)
    return len(overdue)


def _lock_open_turn(db: Session, turn_id: int, version: int) -> ChoreTurn:
    turn = queries.get_turn(db, turn_id, lock=True)
    if turn.outcome is not None:
        label = State(turn.outcome).label
        raise Conflict(f"この作業は{turn.done_by}が「{label}」にしています。画面を更新してください。")
    _refuse_stale(turn, version)
    return turn


def _refuse_stale(turn: ChoreTurn, version: int) -> None:
    if version != turn.version:
        raise Stale(
            "ほかの人が先にこの作業を変更しました。まだ保存されていません。最新の内容を確認してください。",
            yours={"version": version},
            current={"version": turn.version, "outcome": turn.outcome},
        )


def _past_or_now(done_at: datetime | None, now: datetime) -> datetime:
    if done_at is not None and done_at > now:
        raise Invalid.at_field("done_at", "これからの日時は指定できません。")
    return done_at or now


def _set_outcome(
    db: Session, by: Actor, turn: ChoreTurn, outcome: Outcome, at: datetime, minutes: int | None, note: str
) -> None:
    turn.outcome, turn.done_at, turn.done_by = outcome.value, at, by.name[:100]
    turn.minutes, turn.note = minutes, note
    turn.version += 1
    duration = [f"所要時間 {rules.format_minutes(minutes)}"] if minutes is not None else []
    _record_event(db, turn, outcome.value, by, "\n".join([*duration, *_non_empty([note])]))
    after: dict[str, Any] = {"outcome": outcome.value, "done_at": at.isoformat()}
    after |= {"minutes": minutes} if minutes is not None else {}
    after |= {"note": note} if note else {}
    audit.record(db, by, "status_change", AREA.name, TURN, turn.id, before={"outcome": None}, after=after)


def _non_empty(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text]


def _record_event(db: Session, turn: ChoreTurn, kind: str, by: Actor, note: str) -> None:
    db.add(ChoreEvent(turn_id=turn.id, **event_values(db, kind, by, note)))
