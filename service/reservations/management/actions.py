"""The night's counting, and reports that are sent."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Date, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.problems import Conflict
from service.core.purposes import Kind
from service.core.reports.render import render
from service.core.times import Month, day_bounds, local_date, month_of, parse_month
from service.reservations.figures.queries import FACTS, SUMS, asked
from service.reservations.figures.rules import COUNTS
from service.reservations.incidents.queries import managers_mails
from service.reservations.management import queries, rules, schemas
from service.reservations.management.models import ManagementReport
from service.reservations.management.rules import Facts
from service.reservations.rules import AREA, MANAGEMENT_REPORT

SUBJECT = "management_report"
SYSTEM = "システム"
_COLUMNS = ", ".join(COUNTS)
_CLEAR = text("DELETE FROM reservations_days WHERE day >= :first")
_FILL = text(f"""
INSERT INTO reservations_days (day, service_id, shop_id, {_COLUMNS})
WITH f AS ({FACTS})
SELECT (f.at AT TIME ZONE 'Asia/Tokyo')::date, r.service_id, r.shop_id, {SUMS}
FROM f JOIN reservations_reservations r ON r.id = f.reservation_id GROUP BY 1, 2, 3
""")
_ADD_UP = text(f"""
INSERT INTO reservations_months (month, counted_at, operations, {_COLUMNS})
SELECT m.month, :now, (
        SELECT count(*) FROM reservations_operations WHERE opened_at >= m.since AND opened_at < least(m.until, :until)
    ), {", ".join(f"coalesce(sum(d.{name}), 0)" for name in COUNTS)}
FROM unnest(:months, :sinces, :untils) AS m (month, since, until)
    LEFT JOIN reservations_days d ON d.day >= m.month AND d.day < m.month + interval '1 month'
GROUP BY m.month, m.since, m.until
ON CONFLICT (month) DO UPDATE SET counted_at = excluded.counted_at, operations = excluded.operations,
    {", ".join(f"{name} = excluded.{name}" for name in COUNTS)}
""").bindparams(
    bindparam("months", type_=ARRAY(Date)),
    bindparam("sinces", type_=ARRAY(TIMESTAMP(timezone=True))),
    bindparam("untils", type_=ARRAY(TIMESTAMP(timezone=True))),
)


def night(db: Session) -> Sequence[Month]:
    """Counts the months if they were not since the last 2:30, and asks for last month's report when it is time. Which
    months were counted."""
    now = app_now(db)
    counted = queries.counted_at(db)
    if counted is not None and counted >= rules.last_night(now):
        return ()
    # Whoever comes second waits, and sees that it was done.
    _alone(db)
    if (queries.counted_at(db) or counted) != counted:
        return ()
    done = _count(db, now, month_of(counted) if counted else None)
    last = rules.to_send(now)
    if last is not None and last in done:
        _ask_by_itself(db, last)
    return done


def recount(db: Session, by: Actor) -> Sequence[Month]:
    """All months from the first reservation on."""
    _alone(db)
    now = app_now(db)
    done = _count(db, now, None)
    audit.record(db, by, "update", AREA.name, "month", done[-1], after={"months": len(done)})
    return done


def _alone(db: Session) -> None:
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext("reservations months"))))


def _count(db: Session, now: datetime, counted: Month | None) -> Sequence[Month]:
    """Whole days only: whoever counts twice on a day gets the same."""
    earliest = queries.earliest(db) or rules.newest(now)
    listed = rules.to_count(now, earliest, counted)
    until = day_bounds(local_date(now))[0]
    db.execute(_CLEAR, {"first": listed[0].first})
    db.execute(_FILL, asked(listed[0].bounds()[0], until))
    bounds = [month.bounds() for month in listed]
    db.execute(
        _ADD_UP,
        {
            "now": now,
            "until": until,
            "months": [month.first for month in listed],
            "sinces": [since for since, _ in bounds],
            "untils": [end for _, end in bounds],
        },
    )
    return listed


def _ask_by_itself(db: Session, month: Month) -> None:
    db.execute(
        upsert(ManagementReport)
        .values(month=month.first, is_automatic=True, asked_at=app_now(db), asked_by=SYSTEM)
        .on_conflict_do_nothing(index_elements=["month"], index_where=text("is_automatic"))
    )


def ask(db: Session, by: Actor, new: schemas.NewReport) -> ManagementReport:
    """A month's report is to be sent to the management now.

    Raises:
        NotFound: the month was not counted.
        Conflict: nobody has an address, or others than the sender has seen.
    """
    month = parse_month(new.month)
    queries.facts(db, month)
    found = len(managers_mails(db))
    if not found:
        raise Conflict(
            "メールアドレスのある「経営」の利用者がいません。ユーザー管理でメールアドレスを登録してください。"
        )
    if found != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients}人から{found}人に変わりました。まだ送信していません。画面を更新して、"
            "送信先を確認してください。"
        )
    report = ManagementReport(
        month=month.first, is_automatic=False, asked_at=app_now(db), asked_by=by.name[:100], user_id=by.user_id
    )
    db.add(report)
    db.flush()
    after = {"month": str(month), "recipients": found}
    audit.record(db, by, "create", AREA.name, SUBJECT, report.id, after=after)
    return report


def to_make(db: Session) -> tuple[int, Facts] | None:
    """The report that is to be sent next, with what it says."""
    report = queries.waiting(db)
    if report is None:
        return None
    return report.id, queries.facts(db, Month(report.month.year, report.month.month))


def make(facts: Facts) -> Deposit:
    """The PDF. Slow: outside any transaction."""
    pdf = io.BytesIO(render(rules.report(facts)))
    return deposit.make(pdf, MANAGEMENT_REPORT, rules.file_name(facts.month), made_as=Kind.PDF)


def send(db: Session, report_id: int, facts: Facts, made: Deposit) -> bool:
    """With the PDF, to whoever of the management has an address now; False when another worker was first."""
    report = db.get_one(ManagementReport, report_id, with_for_update=True, populate_existing=True)
    if report.sent_at is not None:
        return False
    file = records.add(db, SYSTEM, made)
    records.take(db, file)
    report.pdf_id, report.sent_at, report.recipients = file.id, app_now(db), managers_mails(db)
    if report.recipients:
        subject, body = rules.mail(facts)
        outbox.publish(
            db,
            "mail",
            {"to": report.recipients, "subject": subject, "body": body, "attachments": [str(file.id)]},
            area=AREA.name,
            recipient="、".join(report.recipients),
            title=subject,
            about=(SUBJECT, report.id),
        )
    after = {"month": str(facts.month), "recipients": len(report.recipients)}
    audit.record(db, SYSTEM, "status_change", AREA.name, SUBJECT, report.id, after=after)
    return True
