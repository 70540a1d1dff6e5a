"""Writes of monthly figures: the nightly count, and management reports that are sent by mail."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Date, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.outbox import queue
from service.core.problems import Conflict
from service.core.purposes import FileKind
from service.core.reports.render import render
from service.core.values.times import Month, day_bounds, local_date, month_of, parse_month
from service.reservations.figures.queries import FACTS, SUMS, fact_parameters
from service.reservations.figures.rules import COUNTS
from service.reservations.history import SYSTEM
from service.reservations.incidents.queries import manager_mails
from service.reservations.management import queries, rules, schemas
from service.reservations.management.models import ManagementReport
from service.reservations.management.rules import Facts
from service.reservations.rules import AREA, MANAGEMENT_REPORT

SUBJECT = "management_report"
_COLUMNS = ", ".join(COUNTS)
_DELETE_DAYS = text("DELETE FROM reservations_days WHERE day >= :first")
_INSERT_DAYS = text(f"""
INSERT INTO reservations_days (day, service_id, shop_id, {_COLUMNS})
WITH f AS ({FACTS})
SELECT (f.at AT TIME ZONE 'Asia/Tokyo')::date, r.service_id, r.shop_id, {SUMS}
FROM f JOIN reservations_reservations r ON r.id = f.reservation_id GROUP BY 1, 2, 3
""")
_SUM_MONTHS = text(f"""
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


def run_nightly_count(db: Session) -> Sequence[Month]:
    """Counts the months once after each 2:30, and requests last month's report when it is due. Returns the months that
    were counted."""
    now = app_now(db)
    last_counted_at = queries.counted_at(db)
    if last_counted_at is not None and last_counted_at >= rules.last_counting_time(now):
        return ()
    # A concurrent worker waits here, and then finds the count done.
    _lock_counting(db)
    if (queries.counted_at(db) or last_counted_at) != last_counted_at:
        return ()
    counted_months = _count_months(db, now, month_of(last_counted_at) if last_counted_at else None)
    month_to_send = rules.month_to_send(now)
    if month_to_send is not None and month_to_send in counted_months:
        _request_automatic_report(db, month_to_send)
    return counted_months


def recount(db: Session, by: Actor) -> Sequence[Month]:
    """Counts all months again, from the first reservation on."""
    _lock_counting(db)
    now = app_now(db)
    months = _count_months(db, now, None)
    audit.record(db, by, "update", AREA.name, "month", months[-1], after={"months": len(months)})
    return months


def _lock_counting(db: Session) -> None:
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext("reservations months"))))


def _count_months(db: Session, now: datetime, last_counted: Month | None) -> Sequence[Month]:
    """Counts complete days only: a second count on the same day gives the same result."""
    earliest = queries.first_month(db) or rules.newest_month(now)
    months = rules.months_to_count(now, earliest, last_counted)
    until = day_bounds(local_date(now))[0]
    db.execute(_DELETE_DAYS, {"first": months[0].first})
    db.execute(_INSERT_DAYS, fact_parameters(months[0].bounds()[0], until))
    bounds = [month.bounds() for month in months]
    db.execute(
        _SUM_MONTHS,
        {
            "now": now,
            "until": until,
            "months": [month.first for month in months],
            "sinces": [since for since, _ in bounds],
            "untils": [end for _, end in bounds],
        },
    )
    return months


def _request_automatic_report(db: Session, month: Month) -> None:
    db.execute(
        upsert(ManagementReport)
        .values(month=month.first, is_automatic=True, asked_at=app_now(db), asked_by=SYSTEM)
        .on_conflict_do_nothing(index_elements=["month"], index_where=text("is_automatic"))
    )


def request_report(db: Session, by: Actor, new: schemas.NewReport) -> ManagementReport:
    """Requests that a month's report is sent to managers now.

    Raises:
        NotFound: the month was not counted.
        Conflict: no manager has an address, or the number of recipients differs from the one the sender confirmed.
    """
    month = parse_month(new.month)
    queries.facts(db, month)
    recipients = len(manager_mails(db))
    if not recipients:
        raise Conflict(
            "メールアドレスのある「経営」の利用者がいません。ユーザー管理でメールアドレスを登録してください。"
        )
    if recipients != new.recipients:
        raise Conflict(
            f"送信先が{new.recipients}人から{recipients}人に変わりました。まだ送信していません。画面を更新して、"
            "送信先を確認してください。"
        )
    report = ManagementReport(
        month=month.first, is_automatic=False, asked_at=app_now(db), asked_by=by.name[:100], user_id=by.user_id
    )
    db.add(report)
    db.flush()
    after = {"month": str(month), "recipients": recipients}
    audit.record(db, by, "create", AREA.name, SUBJECT, report.id, after=after)
    return report


def next_report(db: Session) -> tuple[int, Facts] | None:
    """The next report to send: its id and its data."""
    report = queries.next_unsent(db)
    if report is None:
        return None
    return report.id, queries.facts(db, Month(report.month.year, report.month.month))


def render_report(facts: Facts) -> Deposit:
    """Renders the PDF. Slow: call it outside of a transaction."""
    content = io.BytesIO(render(rules.build_report(facts)))
    return deposit.store(content, MANAGEMENT_REPORT, rules.file_name(facts.month), made_as=FileKind.PDF)


def send_report(db: Session, report_id: int, facts: Facts, pdf_file: Deposit) -> bool:
    """Mails the report with its PDF to all managers with an address. Returns False when another worker has sent it."""
    report = db.get_one(ManagementReport, report_id, with_for_update=True, populate_existing=True)
    if report.sent_at is not None:
        return False
    file = records.add(db, SYSTEM, pdf_file, is_audited=False)
    records.attach_generated(db, file)
    report.pdf_id, report.sent_at, report.recipients = file.id, app_now(db), manager_mails(db)
    if report.recipients:
        subject, body = rules.build_mail(facts)
        files = [str(file.id)]
        queue.publish_mail(
            db, report.recipients, subject, body, area=AREA.name, about=(SUBJECT, report.id), attachments=files
        )
    after = {"month": str(facts.month), "recipients": len(report.recipients)}
    audit.record(db, SYSTEM, "status_change", AREA.name, SUBJECT, report.id, after=after)
    return True
