"""Reads of 定期作業."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now, now_sql
from service.core.database.lookups import get_or_404
from service.core.database.paging import (
    Key,
    Listing,
    Page,
    archived_filter,
    at_least,
    before,
    contains,
    equals,
    filter_values,
    when_true,
)
from service.core.holidays import Holiday
from service.core.monitoring import backups
from service.core.problems import NotFound
from service.core.values.times import DAY, day_bounds, is_business_day, local_date
from service.reservations.chores import rules, schemas
from service.reservations.chores.models import Chore, ChoreEvent, ChoreNotice, ChoreTurn
from service.reservations.chores.rules import Outcome, OverdueTurn, Rhythm, State
from service.reservations.history import events_where

LATELY = 30 * DAY

_is_done = ChoreTurn.outcome == Outcome.DONE.value
_is_open = ChoreTurn.outcome.is_(None)
# The time by which the calendar places a turn: when it was done, else when it is due.
_calendar_at = func.coalesce(case((_is_done, ChoreTurn.done_at)), ChoreTurn.due_at, ChoreTurn.done_at)


def _of_chore(column: Any) -> Select[Any]:
    return select(column).where(ChoreTurn.chore_id == Chore.id).correlate(Chore)


def _of_last_done(column: Any) -> Any:
    statement = _of_chore(column).where(_is_done).order_by(ChoreTurn.done_at.desc(), ChoreTurn.id.desc())
    return statement.limit(1).scalar_subquery()


_next_at = _of_chore(func.min(ChoreTurn.starts_at)).where(_is_open, ChoreTurn.starts_at > now_sql()).scalar_subquery()
_done_lately = _of_chore(func.count()).where(_is_done, ChoreTurn.done_at > now_sql() - LATELY).scalar_subquery()

CHORES = Listing(
    select(
        Chore.id,
        Chore.version,
        Chore.code,
        Chore.title,
        Chore.rhythm,
        Chore.starts,
        Chore.weekday,
        Chore.business_day,
        Chore.minutes,
        Chore.owner,
        Chore.what,
        Chore.page,
        Chore.position,
        _of_last_done(ChoreTurn.done_at).label("last_at"),
        _of_last_done(ChoreTurn.done_by).label("last_by"),
        _next_at.label("next_at"),
        _done_lately.label("done_lately"),
        Chore.created_at,
        Chore.updated_at,
        Chore.archived_at,
    ),
    model=schemas.ChoreItem,
    unique=Chore.id,
    keys={"position": Key(Chore.position), "title": Key(Chore.title), "owner": Key(Chore.owner)},
    default="position",
    filters={
        "q": contains(Chore.title, Chore.what),
        "rhythm": equals(Chore.rhythm),
        "owner": equals(Chore.owner),
        **archived_filter(Chore.archived_at),
    },
)


def chores(db: Session, limit: int, cursor: str | None, filters: schemas.ChoreFilters) -> Page[schemas.ChoreItem]:
    return CHORES.read(db, limit, cursor, filters.sort, item=_chore_item, **filter_values(filters))


def _chore_item(row: dict[str, Any]) -> dict[str, Any]:
    when = rules.format_schedule(Rhythm(row["rhythm"]), row["starts"], row["weekday"], row["business_day"])
    return row | {"when": when}


def _open_when(*, todo: bool) -> Any:
    """Open turns: `todo`: those that can be done now (begun, and the next turn has not); else those that have not
    begun."""
    if not todo:
        return and_(_is_open, ChoreTurn.starts_at > now_sql())
    return and_(
        _is_open,
        ChoreTurn.starts_at <= now_sql(),
        or_(ChoreTurn.lapses_at.is_(None), ChoreTurn.lapses_at > now_sql()),
    )


_is_todo, _is_planned = _open_when(todo=True), _open_when(todo=False)
_is_overdue = and_(_is_todo, ChoreTurn.due_at < now_sql())
_is_missed = and_(_is_open, ChoreTurn.lapses_at <= now_sql())
_state = case(
    (ChoreTurn.outcome.is_not(None), ChoreTurn.outcome),
    (_is_planned, State.PLANNED.value),
    (_is_missed, State.MISSED.value),
    (ChoreTurn.due_at < now_sql(), State.OVERDUE.value),
    else_=State.NOW.value,
)

TURNS = Listing(
    select(
        ChoreTurn.id,
        ChoreTurn.version,
        ChoreTurn.chore_id,
        Chore.code,
        Chore.title,
        ChoreTurn.rhythm,
        Chore.owner,
        Chore.page,
        Chore.minutes.label("estimate"),
        ChoreTurn.starts_at,
        ChoreTurn.due_at,
        _state.label("state"),
        func.coalesce(and_(_is_done, ChoreTurn.done_at > ChoreTurn.due_at), False).label("was_late"),
        ChoreTurn.done_at,
        ChoreTurn.done_by,
        ChoreTurn.minutes,
        ChoreTurn.note,
    ).join(Chore, Chore.id == ChoreTurn.chore_id),
    model=schemas.TurnItem,
    unique=ChoreTurn.id,
    keys={
        "due_at": Key(ChoreTurn.due_at, nullable=True),
        "starts_at": Key(ChoreTurn.starts_at),
        "done_at": Key(ChoreTurn.done_at, nullable=True),
    },
    default="due_at",
    filters={
        "is_todo": when_true(_is_todo),
        "is_planned": when_true(_is_planned),
        "is_overdue": when_true(_is_overdue),
        "is_missed": when_true(_is_missed),
        "is_done": when_true(_is_done),
        "is_skipped": when_true(ChoreTurn.outcome == Outcome.SKIPPED.value),
        "rhythm": equals(ChoreTurn.rhythm),
        "owner": equals(Chore.owner),
        "chore_id": equals(ChoreTurn.chore_id),
        "since": at_least(ChoreTurn.starts_at, lambda day: day_bounds(day)[0]),
        "until": before(ChoreTurn.starts_at, lambda day: day_bounds(day)[1]),
        "q": contains(Chore.title, ChoreTurn.note, func.coalesce(ChoreTurn.done_by, "")),
    },
)


def _turn_filters(filters: schemas.TurnFilters) -> dict[str, Any]:
    return filters.model_dump(exclude={"state", "sort"}) | (
        {f"is_{filters.state}": True} if filters.state != "all" else {}
    )


def turns(db: Session, limit: int, cursor: str | None, filters: schemas.TurnFilters) -> Page[schemas.TurnItem]:
    return TURNS.read(db, limit, cursor, filters.sort, **_turn_filters(filters))


def turns_export(_: object, filters: schemas.TurnFilters) -> Select[*tuple[Any, ...]]:
    """Raises Invalid for an unknown sort order."""
    return TURNS.all(filters.sort, **_turn_filters(filters))


def turn_detail(db: Session, turn_id: int) -> schemas.TurnDetail:
    """A turn with its history. Raises NotFound."""
    db.flush()
    turn = get_turn(db, turn_id)
    chore = db.get_one(Chore, turn.chore_id)
    return schemas.TurnDetail(
        **db.execute(TURNS.rows.where(ChoreTurn.id == turn.id)).one()._mapping,
        what=chore.what,
        when=rules.format_schedule(Rhythm(chore.rhythm), chore.starts, chore.weekday, chore.business_day),
        events=events_where(db, ChoreEvent, ChoreEvent.turn_id == turn.id),
        backups=_backups(db) if chore.code == rules.BACKUPS else None,
    )


def _backups(db: Session) -> schemas.BackupFacts:
    state = backups.state(db, app_now(db))
    last, rehearsal = state.last, state.rehearsal
    return schemas.BackupFacts(
        expected=state.expected,
        last_at=last and last.at,
        last_bytes=last and last.bytes,
        kept=last and last.kept,
        failed=state.failed,
        is_late=state.is_late,
        rehearsal_at=rehearsal and rehearsal.at,
        rehearsal_ok=rehearsal and rehearsal.ok,
    )


def counts(db: Session) -> schemas.Counts:
    now = app_now(db)
    begins, ends = day_bounds(local_date(now))
    is_today = and_(ChoreTurn.due_at >= begins, ChoreTurn.due_at < ends)
    row = db.execute(
        select(
            func.count().filter(_is_todo).label("todo"),
            func.count().filter(_is_overdue).label("overdue"),
            func.count().filter(_is_open, is_today).label("today"),
            func.count().filter(_is_done, ChoreTurn.done_at >= begins, ChoreTurn.done_at < ends).label("done_today"),
        )
        .select_from(ChoreTurn)
        .where(or_(_is_open, ChoreTurn.done_at >= begins))
    ).one()
    following = (
        select(Chore.title.label("next_title"), ChoreTurn.starts_at.label("next_at"))
        .join(Chore, Chore.id == ChoreTurn.chore_id)
        .where(_is_planned)
        .order_by(ChoreTurn.starts_at, Chore.position)
        .limit(1)
    )
    next_turn = db.execute(following).one_or_none()
    upcoming = next_turn._mapping if next_turn else {"next_title": None, "next_at": None}
    return schemas.Counts(as_of=now, **row._mapping, **upcoming)


def calendar(db: Session, filters: schemas.CalendarFilters) -> schemas.Calendar:
    """Each day with the turns that are due or were done on it."""
    since, until = filters.since, filters.until
    begins, ends = day_bounds(since)[0], day_bounds(until)[1]
    rows = (
        TURNS.rows.add_columns(_calendar_at.label("day_at"))
        .where(_calendar_at >= begins, _calendar_at < ends)
        .order_by(_calendar_at, Chore.position, ChoreTurn.id)
    )
    by_day: dict[date, list[schemas.CalendarItem]] = defaultdict(list)
    for row in db.execute(rows).mappings():
        by_day[local_date(row["day_at"])].append(schemas.CalendarItem(**row))
    holidays = select(Holiday.day, Holiday.name).where(Holiday.day.between(since, until), ~Holiday.is_removed)
    names = {row.day: row.name for row in db.execute(holidays)}
    days = [since + n * DAY for n in range((until - since).days + 1)]
    return schemas.Calendar(
        as_of=app_now(db),
        days=[
            schemas.CalendarDay(
                day=day,
                is_business_day=is_business_day(day, names.keys()),
                holiday=names.get(day),
                items=by_day[day],
            )
            for day in days
        ],
    )


def owners(db: Session) -> list[str]:
    """担当者 of chores that have not ended."""
    return list(db.scalars(select(Chore.owner).where(Chore.archived_at.is_(None)).distinct().order_by(Chore.owner)))


def get(db: Session, chore_id: int, *, lock: bool = False) -> Chore:
    """Raises NotFound."""
    return get_or_404(db, Chore, chore_id, "定期作業", lock=lock)


def get_turn(db: Session, turn_id: int, *, lock: bool = False) -> ChoreTurn:
    """Raises NotFound."""
    turn = db.get(ChoreTurn, turn_id, with_for_update=lock, populate_existing=lock)
    if turn is None:
        raise NotFound("指定された作業は見つかりません。休日の変更などで予定がなくなった可能性があります。")
    return turn


def active_chore(db: Session, code: str) -> Chore | None:
    """The active chore with this code; None when it has ended."""
    return db.scalars(select(Chore).where(Chore.code == code, Chore.archived_at.is_(None))).one_or_none()


def turn_to_check_off(db: Session, code: str) -> ChoreTurn | None:
    """The latest turn that has begun of the chore with this code; None when it is done or skipped."""
    latest = (
        select(ChoreTurn)
        .join(Chore, Chore.id == ChoreTurn.chore_id)
        .where(Chore.code == code, ChoreTurn.slot.is_not(None), ChoreTurn.starts_at <= now_sql())
        .order_by(ChoreTurn.starts_at.desc())
        .limit(1)
    )
    turn = db.scalars(latest).one_or_none()
    return turn if turn is not None and turn.outcome is None else None


def scheduled_chores(db: Session) -> list[Chore]:
    """Active chores that have a schedule (all but 随時)."""
    statement = select(Chore).where(Chore.archived_at.is_(None), Chore.rhythm != Rhythm.ANYTIME.value)
    return list(db.scalars(statement.order_by(Chore.position, Chore.id)))


def overdue_turns(db: Session) -> list[OverdueTurn]:
    """Overdue turns, the oldest first."""
    statement = (
        select(Chore.title, Chore.owner, ChoreTurn.due_at)
        .join(Chore, Chore.id == ChoreTurn.chore_id)
        .where(_is_overdue)
        .order_by(ChoreTurn.due_at, Chore.position, ChoreTurn.id)
    )
    return [OverdueTurn(row.title, row.owner, row.due_at) for row in db.execute(statement) if row.due_at]


def is_notified(db: Session, day: date) -> bool:
    return db.get(ChoreNotice, day) is not None


def turns_due_in(db: Session, since: datetime, until: datetime) -> list[schemas.TurnItem]:
    """Turns that were due in [since, until), with the columns of the list, ordered by due time."""
    rows = TURNS.rows.where(ChoreTurn.due_at >= since, ChoreTurn.due_at < until)
    ordered = rows.order_by(ChoreTurn.due_at, Chore.position)
    return [schemas.TurnItem(**row) for row in db.execute(ordered).mappings()]
