"""Monthly reports are drafted from facts, kept as files, and sent on a person's word."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.exports import csv_file
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.problems import Conflict, Invalid, Stale
from service.core.purposes import Kind
from service.core.reports.render import render
from service.core.tasks import records as tasks
from service.core.tasks.records import Order, Task
from service.core.times import Month, parse_month
from service.fleet.models import Customer
from service.fleet.monthly import queries, rules, schemas
from service.fleet.monthly.models import MonthlyReport
from service.fleet.monthly.rules import Facts
from service.fleet.rules import AREA, MONTHLY_REPORT

TASK = "fleet.monthly_reports"
Opened = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Made:
    """A report's facts with its files, which are stored and not yet in use."""

    facts: Facts
    pdf: Deposit
    csv: Deposit


def due(db: Session) -> tuple[Month, list[int | None]]:
    """Last month, and whose reports of it are still to be drafted; nobody's before all of its days are summed up."""
    month = queries.last_month(db)
    return month, queries.missing(db, month) if queries.is_summed_up(db, month) else []


def ordered(db: Session, by: Actor, new: schemas.NewDrafts) -> Task:
    """The task that drafts them.

    Raises:
        Invalid: the month is not over, not summed up, or nothing was recorded in it.
        Conflict: the person has too many tasks open.
    """
    month = parse_month(new.month)
    if not queries.is_summed_up(db, month):
        message = "この月の集計はまだ終わっていません。月次報告書は、翌月1日の集計が済んでから作成できます。"
        raise Invalid(message, [("month", message)])
    whose = queries.reported(db, month)
    if not whose or (new.customer_id is not None and new.customer_id not in whose):
        message = "この月の端末の記録がないため、月次報告書を作成できません。月と顧客企業を確認してください。"
        raise Invalid(message, [("month", message)])
    params = {"month": str(month), "customer_id": new.customer_id}
    title = f"{rules.month_in_words(month)}の月次報告書の作成"
    total = 1 if new.customer_id is not None else len(whose)
    words = f"{total:,}件の報告書を作成します。"
    return tasks.start(db, by, Order(TASK, AREA.name, title, "fleet:report:create", params, total=total, message=words))


def draft(
    opened: Opened,
    by: Actor | str,
    month: Month,
    customer_id: int | None,
    *,
    anew: bool,
    while_waiting: Callable[[], None] | None = None,
) -> bool:
    """One report, in transactions of its own by `opened`: the type is set and the files are stored outside of any.
    False when there was nothing to do: it was sent, or drafted already and is not wanted `anew`."""
    with opened() as db:
        if not _is_wanted(queries.find(db, month, customer_id), anew=anew):
            return False
        facts = queries.facts(db, month, customer_id)
    made = make(facts, while_waiting)
    with opened() as db:
        kept = keep(db, by, customer_id, made, anew=anew)
    if not kept:
        deposit.discard(made.pdf.storage_key)
        deposit.discard(made.csv.storage_key)
    return kept


def _is_wanted(known: MonthlyReport | None, *, anew: bool) -> bool:
    return known is None or (anew and known.sent_at is None)


def make(facts: Facts, while_waiting: Callable[[], None] | None = None) -> Made:
    """The files. Slow: outside any transaction."""
    name = rules.title(facts.month, facts.customer_name)
    pdf = io.BytesIO(render(rules.report(facts), while_waiting))
    csv = io.BytesIO()
    csv_file.write_rows(rules.HEADER, rules.csv_rows(facts.terminals), csv)
    return Made(
        facts,
        deposit.make(pdf, MONTHLY_REPORT, f"{name}.pdf", made_as=Kind.PDF),
        deposit.make(csv, MONTHLY_REPORT, f"{name}.csv", made_as=Kind.CSV),
    )


def keep(db: Session, by: Actor | str, customer_id: int | None, made: Made, *, anew: bool) -> bool:
    """The report's row with its files, in place of an earlier draft. False when it was sent, or drafted, meanwhile."""
    month = made.facts.month
    # Whoever drafts the same report waits: the row to lock may not be there yet.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{TASK} {month} {customer_id}"))))
    known = queries.find(db, month, customer_id, lock=True)
    if not _is_wanted(known, anew=anew):
        return False
    files = [records.add(db, by, one) for one in (made.pdf, made.csv)]
    for file in files:
        records.take(db, file)
    db.flush()
    figures, (pdf_id, csv_id) = queries.as_stored(made.facts.figures), (file.id for file in files)
    if known is None:
        known = MonthlyReport(month=month.first, customer_id=customer_id, figures=figures, pdf_id=pdf_id, csv_id=csv_id)
        db.add(known)
    else:
        old = [queries.file_of(db, one) for one in (known.pdf_id, known.csv_id)]
        known.figures, known.pdf_id, known.csv_id = figures, pdf_id, csv_id
        known.drafted_at, known.version = app_now(db), known.version + 1
        for file in old:
            records.release(db, file)
    db.flush()
    after = {"month": str(month), "customer_id": customer_id, "version": known.version}
    audit.record(db, by, "create", AREA.name, "monthly_report", known.id, after=after)
    return True


def send(db: Session, by: Actor, report_id: int, asked: schemas.Sending) -> None:
    """Mails a customer's report, with its PDF, to the customer's 連絡先メール as it is now.

    Raises:
        NotFound: no such report.
        Stale: it was drafted anew or sent since `version` was read.
        Conflict: it is about all customers, was sent already, or is too large for a mail.
    """
    report = queries.get(db, report_id, lock=True)
    if report.customer_id is None:
        raise Conflict("全体の月次報告書は社内用です。送信できるのは、顧客企業ごとの月次報告書です。")
    if report.sent_at is not None and not asked.again:
        raise Conflict("この月次報告書は送信済みです。もう一度送る場合は、再送信を選んでください。")
    if report.version != asked.version:
        current = {"version": report.version}
        raise Stale(
            "ほかの人が先にこの月次報告書を作り直したか、送信しました。まだ送信していません。"
            "最新の内容を確認してから、もう一度お試しください。",
            yours={"version": asked.version},
            current=current,
        )
    pdf = queries.file_of(db, report.pdf_id)
    if pdf.size > rules.MOST_ATTACHED:
        raise Conflict(
            f"PDFが{rules.MOST_ATTACHED // 1024**2}MBを超えるため、メールに添付できません。"
            "PDFをダウンロードして、別の方法で送ってください。"
        )
    customer = db.get_one(Customer, report.customer_id)
    month = Month(report.month.year, report.month.month)
    subject, body = rules.mail(
        month, customer.company_name, customer.contact_person, queries.from_stored(report.figures)
    )
    outbox.publish(
        db,
        "mail",
        {"to": [customer.contact_email], "subject": subject, "body": body, "attachments": [str(pdf.id)]},
        area=AREA.name,
        recipient=customer.contact_email,
        title=subject,
        about=("monthly_report", report.id),
    )
    before = {"sent_at": report.sent_at.isoformat() if report.sent_at else None, "sent_to": report.sent_to}
    report.sent_at, report.sent_to, report.user_id = app_now(db), customer.contact_email, by.user_id
    report.version += 1
    after = {"sent_at": report.sent_at.isoformat(), "sent_to": report.sent_to}
    audit.record(db, by, "status_change", AREA.name, "monthly_report", report.id, before=before, after=after)
