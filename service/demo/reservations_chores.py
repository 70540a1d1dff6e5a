"""The demo's 定期作業 of the last four weeks, and the reports of the last weeks and month."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.holidays import days
from service.core.values.times import DAY, local_date
from service.core.values.times import at as clock_at
from service.reservations.chores import actions, queries, rules
from service.reservations.chores.models import Chore, ChoreEvent, ChoreTurn
from service.reservations.chores.rules import Rhythm
from service.reservations.drafts import queries as drafts
from service.reservations.drafts import rules as reports
from service.reservations.drafts.models import ActivityReport, ReportEvent
from service.reservations.drafts.rules import Days, Kind

WEEKS = 4
OPERATOR, ADMIN, SUPPORT = "運営 太郎", "予約 管子", "相談 花子"
PEOPLE = {"システム管理者": ADMIN, "カスタマーサポート": SUPPORT, "経営陣": ADMIN}
# The last ones of these were forgotten.
FORGOTTEN = frozenset({"logs", "operation_count"})
SKIPPED = {"support_review": "連休の前で問い合わせが2件だけだったため、次の週にまとめて行う"}
NOTES = {
    "dashboard": "いつもと変わりなし",
    "vulnerabilities": "make auditで該当なし。PostgreSQLの更新が1件あり、次の保守日に適用する",
    "backups": "毎日成功、復元の確認も成功",
    "briefing": "3店舗が参加。電話の受け方の質問が多かった",
}
ANYTIME = (
    ("shops", 12, 25, "洋菓子のさくらの受付時間を変更、キッチン神楽坂の順番を入れ替え"),
    ("operations", 9, 70, "連休前の変更依頼をまとめて対応"),
    ("shops", 7, 15, "新しい提携店の候補を2店舗確認（登録は契約後）"),
)
TEXTS = {
    "findings": "花束の予約が多く、予約成功率は前の期間と同じ水準です。",
    "issues": "提携店の曖昧な回答への電話確認に時間がかかっています。",
    "next_steps": "提携店向け説明会で、電話での答え方の例を配ります（運営担当者、今月中）。",
}


def fill(db: Session) -> None:
    actions.plan(db)
    now = app_now(db)
    if not db.scalars(select(ChoreTurn.id).where(ChoreTurn.starts_at < now - 2 * DAY).limit(1)).all():
        _turns(db, now)
        _anytime(db, now)
    if not db.scalars(select(ActivityReport.id).limit(1)).all():
        db.flush()
        _reports(db, now)


def _turns(db: Session, now: datetime) -> None:
    """Everything that was to be done was, but for what was forgotten or skipped once."""
    off = days(db)
    for chore in queries.scheduled_chores(db):
        known = select(ChoreTurn.rhythm, ChoreTurn.slot).where(ChoreTurn.chore_id == chore.id)
        there = {(row.rhythm, row.slot) for row in db.execute(known)}
        past = rules.plan_turns(chore.plan, now - WEEKS * rules.WEEK, now, off)
        over = [turn for turn in past if turn.due_at < now]
        for place, turn in enumerate(reversed(over)):
            if (chore.rhythm, turn.slot) in there:
                continue
            row = ChoreTurn(
                chore_id=chore.id,
                rhythm=chore.rhythm,
                slot=turn.slot,
                starts_at=turn.starts_at,
                due_at=turn.due_at,
                lapses_at=turn.lapses_at,
            )
            db.add(row)
            db.flush()
            if place == 0 and chore.code in FORGOTTEN:
                continue
            skipped = SKIPPED.get(chore.code or "") if place == 1 else None
            # Somebody comes a few minutes after it has begun, never at the same minute.
            late = rules.Rhythm(chore.rhythm) is Rhythm.DAILY
            done_at = turn.starts_at + (DAY / 1440) * (4 + (7 * place + chore.position) % (25 if late else 200))
            note = skipped or (NOTES.get(chore.code or "", "") if place == 0 else "")
            _settle(db, chore, row, min(done_at, turn.due_at), note, is_skipped=skipped is not None)


def _settle(db: Session, chore: Chore, row: ChoreTurn, at: datetime, note: str, *, is_skipped: bool) -> None:
    by = PEOPLE.get(chore.owner, OPERATOR)
    row.outcome, row.done_at, row.done_by, row.note = "skipped" if is_skipped else "done", at, by, note
    row.version = 2
    if not is_skipped and chore.minutes and chore.minutes < rules.MINUTES_PER_WEEK:
        row.minutes = round(chore.minutes * (0.8 + 0.1 * (row.id % 5))) or 1
    db.add(ChoreEvent(turn_id=row.id, at=at, kind=row.outcome, by=by, text=note or None))


def _anytime(db: Session, now: datetime) -> None:
    off = days(db)
    for code, back, minutes, note in ANYTIME:
        chore = queries.active_chore(db, code)
        if chore is None:
            continue
        # Somewhere in the afternoon, when there was time for it.
        at = clock_at(rules.next_business_day(local_date(now) - back * DAY, off), time(14, back))
        turn = ChoreTurn(chore_id=chore.id, rhythm=chore.rhythm, starts_at=at, minutes=minutes)
        db.add(turn)
        turn.outcome, turn.done_at, turn.done_by, turn.note, turn.version = "done", at, OPERATOR, note, 2
        db.flush()
        db.add(ChoreEvent(turn_id=turn.id, at=at, kind="done", by=OPERATOR, text=note))


def _reports(db: Session, now: datetime) -> None:
    """The newest week's is a draft; those before, and the last month's, are finished."""
    off = days(db)
    week = reports.week_to_report(now, drafts.DEFAULT_WEEKDAY, off)
    earlier = [Days(week.first - n * rules.WEEK, week.last - n * rules.WEEK) for n in (3, 2, 1)]
    listed = [(Kind.WEEKLY, one, True) for one in earlier]
    listed += [
        (Kind.MONTHLY, reports.month_to_report(now, drafts.DEFAULT_BUSINESS_DAY, off), True),
        (Kind.WEEKLY, week, False),
    ]
    for kind, period, is_finished in listed:
        made_at = min(now, clock_at(_drafted_on(kind, period, off), reports.DRAFTING_TIME))
        report = ActivityReport(
            kind=kind.value,
            first_day=period.first,
            last_day=period.last,
            figures=drafts.as_stored(drafts.collect_contents(db, kind, period)),
            drafted_at=made_at,
            **(TEXTS if is_finished else {"findings": TEXTS["findings"]}),
        )
        db.add(report)
        db.flush()
        events = [("drafted", "システム", made_at)]
        if is_finished:
            report.finished_at, report.finished_by = made_at + DAY / 12, OPERATOR
            report.version = 3
            events += [("edited", OPERATOR, made_at + DAY / 16), ("finished", OPERATOR, report.finished_at)]
        for happened, by, at in events:
            text = "所見、課題、次の対応" if happened == "edited" else None
            db.add(ReportEvent(report_id=report.id, at=at, kind=happened, by=by, text=text))


def _drafted_on(kind: Kind, period: Days, off: frozenset[date]) -> date:
    if kind is Kind.WEEKLY:
        return rules.next_business_day(period.last + DAY, off)
    return rules.nth_business_day(reports.month_after(period.last), drafts.DEFAULT_BUSINESS_DAY, off)
