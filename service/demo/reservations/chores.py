"""The demo's 定期作業 of the last four weeks, and the reports of the last weeks and month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.holidays import days
from service.core.values.times import DAY, at, local_date
from service.demo.files import Row, event, insert_trees, load
from service.reservations.chores import actions, queries, rules
from service.reservations.chores.models import Chore, ChoreEvent, ChoreTurn
from service.reservations.chores.rules import Rhythm
from service.reservations.drafts import queries as drafts
from service.reservations.drafts import rules as reports
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Days, Kind


def fill(db: Session) -> None:
    actions.plan(db)
    now = app_now(db)
    if not db.scalars(select(ChoreTurn.id).where(ChoreTurn.starts_at < now - 2 * DAY).limit(1)).all():
        turns = [turn for chore in queries.scheduled_chores(db) for turn in _turns(db, chore, now)]
        insert_trees(db, ChoreTurn, [*turns, *_anytime(db, now)])
    if not db.scalars(select(ActivityReport.id).limit(1)).all():
        insert_trees(db, ActivityReport, [*_reports(db, now)])


def _turns(db: Session, chore: Chore, now: datetime) -> Iterator[Row]:
    data, code = load("reservations_office")["chores"], chore.code or ""
    slots = select(ChoreTurn.slot).where(ChoreTurn.chore_id == chore.id, ChoreTurn.rhythm == chore.rhythm)
    existing_slots = set(db.scalars(slots))
    by = data["owners"].get(chore.owner, data["operator"])
    # Somebody comes a few minutes after it has begun, never at the same minute.
    latest_minutes = 25 if Rhythm(chore.rhythm) is Rhythm.DAILY else 200
    past = rules.plan_turns(chore.plan, now - data["weeks"] * rules.WEEK, now, days(db))
    for index, turn in enumerate(reversed([turn for turn in past if turn.due_at < now])):
        if turn.slot in existing_slots:
            continue
        row: Row = {"chore_id": chore.id, "rhythm": chore.rhythm, "slot": turn.slot, "version": 1, "note": ""}
        row |= {"starts_at": turn.starts_at, "due_at": turn.due_at, "lapses_at": turn.lapses_at, ChoreEvent: []}
        done_at = turn.starts_at + (DAY / 1440) * (4 + (7 * index + chore.position) % latest_minutes)
        if index == 1 and code in data["skipped"]:
            row |= _settled(min(done_at, turn.due_at), "skipped", by, data["skipped"][code])
        elif index or code not in data["forgotten"]:
            note = "" if index else data["notes"].get(code, "")
            row |= _settled(min(done_at, turn.due_at), "done", by, note)
            if chore.minutes and chore.minutes < rules.MINUTES_PER_WEEK:
                row["minutes"] = round(chore.minutes * (0.8 + 0.1 * (index % 5))) or 1
        yield row


def _settled(moment: datetime, outcome: str, by: str, note: str) -> Row:
    row: Row = {"outcome": outcome, "done_at": moment, "done_by": by, "note": note, "version": 2}
    return row | {ChoreEvent: [event(moment, outcome, by, note or None)]}


def _anytime(db: Session, now: datetime) -> Iterator[Row]:
    chores = load("reservations_office")["chores"]
    for turn in chores["anytime"]:
        chore = queries.active_chore(db, turn["code"])
        if chore is not None:
            # Somewhere in the afternoon, when there was time for it.
            day = rules.next_business_day(local_date(now) - turn["back"] * DAY, days(db))
            moment = at(day, time(14, turn["back"]))
            row = {"chore_id": chore.id, "rhythm": chore.rhythm, "starts_at": moment, "minutes": turn["minutes"]}
            yield row | _settled(moment, "done", chores["operator"], turn["note"])


def _reports(db: Session, now: datetime) -> Iterator[Row]:
    """The newest week's is a draft; those before, and the last month's, are finished."""
    off = days(db)
    week = reports.week_to_report(now, drafts.DEFAULT_WEEKDAY, off)
    for back in (3, 2, 1):
        earlier = Days(week.first - back * rules.WEEK, week.last - back * rules.WEEK)
        yield _report(db, Kind.WEEKLY, earlier, now, is_finished=True)
    month = reports.month_to_report(now, drafts.DEFAULT_BUSINESS_DAY, off)
    yield _report(db, Kind.MONTHLY, month, now, is_finished=True)
    yield _report(db, Kind.WEEKLY, week, now, is_finished=False)


def _report(db: Session, kind: Kind, period: Days, now: datetime, *, is_finished: bool) -> Row:
    texts, by = load("reservations_office")["reports"], load("reservations_office")["chores"]["operator"]
    made_at = min(now, at(_drafted_on(kind, period, days(db)), reports.DRAFTING_TIME))
    row: Row = {"kind": kind.value, "first_day": period.first, "last_day": period.last, "drafted_at": made_at}
    row["figures"] = drafts.as_stored(drafts.collect_contents(db, kind, period))
    row |= {name: text if is_finished or name == "findings" else "" for name, text in texts.items()}
    row |= {"version": 1, ReportEvent: [event(made_at, "drafted", "システム")]}
    if is_finished:
        finished_at = made_at + DAY / 12
        row |= {"finished_at": finished_at, "finished_by": by, "version": 3}
        row[ReportEvent].append(event(made_at + DAY / 16, "edited", by, "所見、課題、次の対応"))
        row[ReportEvent].append(event(finished_at, "finished", by))
    return row


def _drafted_on(kind: Kind, period: Days, off: frozenset[date]) -> date:
    if kind is Kind.WEEKLY:
        return rules.next_business_day(period.last + DAY, off)
    return rules.nth_business_day(reports.month_after(period.last), drafts.DEFAULT_BUSINESS_DAY, off)
