"""The demo's 定期作業 of the last four weeks, and the reports of the last weeks and month."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.holidays import days
from service.core.values.times import DAY, at, local_date
from service.demo.files import load
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
        for chore in queries.scheduled_chores(db):
            _turns(db, chore, now)
        _anytime(db, now)
    if not db.scalars(select(ActivityReport.id).limit(1)).all():
        db.flush()
        _reports(db, now)


def _turns(db: Session, chore: Chore, now: datetime) -> None:
    told, code = load("reservations_office")["chores"], chore.code or ""
    known = select(ChoreTurn.slot).where(ChoreTurn.chore_id == chore.id, ChoreTurn.rhythm == chore.rhythm)
    there = set(db.scalars(known))
    past = rules.plan_turns(chore.plan, now - told["weeks"] * rules.WEEK, now, days(db))
    for place, turn in enumerate(reversed([turn for turn in past if turn.due_at < now])):
        if turn.slot in there:
            continue
        times = {"starts_at": turn.starts_at, "due_at": turn.due_at, "lapses_at": turn.lapses_at}
        row = ChoreTurn(chore_id=chore.id, rhythm=chore.rhythm, slot=turn.slot, **times)
        db.add(row)
        db.flush()
        if place == 0 and code in told["forgotten"]:
            continue
        # Somebody comes a few minutes after it has begun, never at the same minute.
        late = 25 if Rhythm(chore.rhythm) is Rhythm.DAILY else 200
        done_at = turn.starts_at + (DAY / 1440) * (4 + (7 * place + chore.position) % late)
        if place == 1 and code in told["skipped"]:
            _settle(db, chore, row, min(done_at, turn.due_at), "skipped", told["skipped"][code])
            continue
        if chore.minutes and chore.minutes < rules.MINUTES_PER_WEEK:
            row.minutes = round(chore.minutes * (0.8 + 0.1 * (row.id % 5))) or 1
        note = told["notes"].get(code, "") if place == 0 else ""
        _settle(db, chore, row, min(done_at, turn.due_at), "done", note)


def _settle(db: Session, chore: Chore, row: ChoreTurn, moment: datetime, outcome: str, note: str) -> None:
    told = load("reservations_office")["chores"]
    by = told["owners"].get(chore.owner, told["operator"]) if row.slot else told["operator"]
    row.outcome, row.done_at, row.done_by, row.note, row.version = outcome, moment, by, note, 2
    db.add(ChoreEvent(turn_id=row.id, at=moment, kind=outcome, by=by, text=note or None))


def _anytime(db: Session, now: datetime) -> None:
    for told in load("reservations_office")["chores"]["anytime"]:
        chore = queries.active_chore(db, told["code"])
        if chore is not None:
            # Somewhere in the afternoon, when there was time for it.
            day = rules.next_business_day(local_date(now) - told["back"] * DAY, days(db))
            moment = at(day, time(14, told["back"]))
            turn = ChoreTurn(chore_id=chore.id, rhythm=chore.rhythm, starts_at=moment, minutes=told["minutes"])
            db.add(turn)
            db.flush()
            _settle(db, chore, turn, moment, "done", told["note"])


def _reports(db: Session, now: datetime) -> None:
    """The newest week's is a draft; those before, and the last month's, are finished."""
    off = days(db)
    week = reports.week_to_report(now, drafts.DEFAULT_WEEKDAY, off)
    for back in (3, 2, 1):
        earlier = Days(week.first - back * rules.WEEK, week.last - back * rules.WEEK)
        _report(db, Kind.WEEKLY, earlier, now, is_finished=True)
    month = reports.month_to_report(now, drafts.DEFAULT_BUSINESS_DAY, off)
    _report(db, Kind.MONTHLY, month, now, is_finished=True)
    _report(db, Kind.WEEKLY, week, now, is_finished=False)


def _report(db: Session, kind: Kind, period: Days, now: datetime, *, is_finished: bool) -> None:
    texts, by = load("reservations_office")["reports"], load("reservations_office")["chores"]["operator"]
    made_at = min(now, at(_drafted_on(kind, period, days(db)), reports.DRAFTING_TIME))
    report = ActivityReport(
        kind=kind.value,
        first_day=period.first,
        last_day=period.last,
        figures=drafts.as_stored(drafts.collect_contents(db, kind, period)),
        drafted_at=made_at,
        **(texts if is_finished else {"findings": texts["findings"]}),
    )
    db.add(report)
    db.flush()
    db.add(ReportEvent(report_id=report.id, at=made_at, kind="drafted", by="システム"))
    if is_finished:
        report.finished_at, report.finished_by, report.version = made_at + DAY / 12, by, 3
        text = "所見、課題、次の対応"
        db.add(ReportEvent(report_id=report.id, at=made_at + DAY / 16, kind="edited", by=by, text=text))
        db.add(ReportEvent(report_id=report.id, at=report.finished_at, kind="finished", by=by))


def _drafted_on(kind: Kind, period: Days, off: frozenset[date]) -> date:
    if kind is Kind.WEEKLY:
        return rules.next_business_day(period.last + DAY, off)
    return rules.nth_business_day(reports.month_after(period.last), drafts.DEFAULT_BUSINESS_DAY, off)
