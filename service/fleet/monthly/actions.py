"""Every write of monthly reports: they are drafted from facts, stored as files, and sent when an operator says so."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.exports import csv_file
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.outbox import queue
from service.core.problems import Conflict, Invalid, Stale
from service.core.purposes import FileKind
from service.core.reports.render import render
from service.core.tasks import records as tasks
from service.core.tasks.records import Order, Task
from service.core.values.times import Month, parse_month
from service.fleet.models import Customer
from service.fleet.monthly import queries, rules, schemas
from service.fleet.monthly.models import MonthlyReport
from service.fleet.monthly.rules import Facts
from service.fleet.rules import AREA, MONTHLY_REPORT

TASK = "fleet.monthly_reports"
OpenTransaction = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class RenderedReport:
    """A report's facts with its files, which are stored but not attached yet."""

    facts: Facts
    pdf: Deposit
    csv: Deposit


def due_reports(db: Session) -> tuple[Month, list[int | None]]:
    """Last month, and the customers (None: the report about all) whose reports are still to be drafted; empty before
    all days of the month are summed up."""
    month = queries.last_month(db)
    return month, queries.missing_reports(db, month) if queries.is_summed_up(db, month) else []


def start_drafting(db: Session, by: Actor, new: schemas.NewDrafts) -> Task:
    """Starts the task that drafts the reports.

    Raises:
        Invalid: the month is not over, not summed up, or has no records.
        Conflict: the user has too many open tasks.
    """
    month = parse_month(new.month)
    if not queries.is_summed_up(db, month):
        raise Invalid.at_field(
            "month", "この月の集計はまだ終わっていません。月次報告書は、翌月1日の集計が済んでから作成できます。"
        )
    customer_ids = queries.expected_reports(db, month)
    if not customer_ids or (new.customer_id is not None and new.customer_id not in customer_ids):
        raise Invalid.at_field(
            "month", "この月の端末の記録がないため、月次報告書を作成できません。月と顧客企業を確認してください。"
        )
    params = {"month": str(month), "customer_id": new.customer_id}
    title = f"{rules.month_in_words(month)}の月次報告書の作成"
    total = 1 if new.customer_id is not None else len(customer_ids)
    progress = f"{total:,}件の報告書を作成します。"
    return tasks.start(
        db, by, Order(TASK, AREA.name, title, "fleet:report:create", params, total=total, message=progress)
    )


def draft(
    open_transaction: OpenTransaction,
    by: Actor | str,
    month: Month,
    customer_id: int | None,
    *,
    anew: bool,
    while_waiting: Callable[[], None] | None = None,
) -> bool:
    """Drafts one report, in transactions of its own; the files are rendered and stored outside of them. Returns False
    when there was nothing to do: it was sent, or it exists and `anew` is false."""
    with open_transaction() as db:
        if not _needs_draft(queries.find(db, month, customer_id), anew=anew):
            return False
        facts = queries.report_facts(db, month, customer_id)
    rendered = render_report(facts, while_waiting)
    with open_transaction() as db:
        is_saved = save_report(db, by, customer_id, rendered, anew=anew)
    if not is_saved:
        deposit.discard(rendered.pdf.storage_key)
        deposit.discard(rendered.csv.storage_key)
    return is_saved


def _needs_draft(existing: MonthlyReport | None, *, anew: bool) -> bool:
    return existing is None or (anew and existing.sent_at is None)


def render_report(facts: Facts, while_waiting: Callable[[], None] | None = None) -> RenderedReport:
    """Renders and stores the files. Slow: called outside any transaction."""
    name = rules.report_title(facts.month, facts.customer_name)
    pdf = io.BytesIO(render(rules.build_report(facts), while_waiting))
    csv = io.BytesIO()
    csv_file.write_rows(rules.CSV_HEADER, rules.csv_rows(facts.terminals), csv)
    return RenderedReport(
        facts,
        deposit.store(pdf, MONTHLY_REPORT, f"{name}.pdf", made_as=FileKind.PDF),
        deposit.store(csv, MONTHLY_REPORT, f"{name}.csv", made_as=FileKind.CSV),
    )


def save_report(db: Session, by: Actor | str, customer_id: int | None, rendered: RenderedReport, *, anew: bool) -> bool:
    """Saves the report with its files, in place of an earlier draft. Returns False when it was sent or drafted in the
    meantime."""
    month = rendered.facts.month
    # An advisory lock, because the row to lock may not exist yet: a concurrent draft of the same report waits.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{TASK} {month} {customer_id}"))))
    report = queries.find(db, month, customer_id, lock=True)
    if not _needs_draft(report, anew=anew):
        return False
    files = [records.add(db, by, upload, is_audited=False) for upload in (rendered.pdf, rendered.csv)]
    for file in files:
        records.attach_generated(db, file)
    db.flush()
    figures, (pdf_id, csv_id) = queries.dump_figures(rendered.facts.figures), (file.id for file in files)
    if report is None:
        report = MonthlyReport(
            month=month.first, customer_id=customer_id, figures=figures, pdf_id=pdf_id, csv_id=csv_id
        )
        db.add(report)
    else:
        old = [queries.get_file(db, file_id) for file_id in (report.pdf_id, report.csv_id)]
        report.figures, report.pdf_id, report.csv_id = figures, pdf_id, csv_id
        report.drafted_at, report.version = app_now(db), report.version + 1
        for file in old:
            records.detach(db, file)
    db.flush()
    after = {"month": str(month), "customer_id": customer_id, "version": report.version}
    audit.record(db, by, "create", AREA.name, "monthly_report", report.id, after=after)
    return True


def send(db: Session, by: Actor, report_id: int, new: schemas.Sending) -> None:
    """Mails a customer's report, with its PDF, to the customer's 連絡先メール as it is now.

    Raises:
        NotFound: no such report.
        Stale: it was drafted again or sent since `version` was read (stale edit).
        Conflict: it is about all customers, was sent already, or is too large for a mail.
    """
    report = queries.get(db, report_id, lock=True)
    if report.customer_id is None:
        raise Conflict("全体の月次報告書は社内用です。送信できるのは、顧客企業ごとの月次報告書です。")
    if report.sent_at is not None and not new.again:
        raise Conflict("この月次報告書は送信済みです。もう一度送る場合は、再送信を選んでください。")
    if report.version != new.version:
        current = {"version": report.version}
        raise Stale(
            "ほかの人が先にこの月次報告書を作り直したか、送信しました。まだ送信していません。"
            "最新の内容を確認してから、もう一度お試しください。",
            yours={"version": new.version},
            current=current,
        )
    pdf = queries.get_file(db, report.pdf_id)
    if pdf.size > rules.MAX_ATTACHMENT_BYTES:
        raise Conflict(
            f"PDFが{rules.MAX_ATTACHMENT_BYTES // 1024**2}MBを超えるため、メールに添付できません。"
            "PDFをダウンロードして、別の方法で送ってください。"
        )
    customer = db.get_one(Customer, report.customer_id)
    month = Month(report.month.year, report.month.month)
    subject, body = rules.report_mail(
        month, customer.company_name, customer.contact_person, queries.load_figures(report.figures)
    )
    about, to = ("monthly_report", report.id), [customer.contact_email]
    queue.publish_mail(db, to, subject, body, area=AREA.name, about=about, attachments=[str(pdf.id)])
    before = {"sent_at": report.sent_at.isoformat() if report.sent_at else None, "sent_to": report.sent_to}
    report.sent_at, report.sent_to, report.user_id = app_now(db), customer.contact_email, by.user_id
    report.version += 1
    after = {"sent_at": report.sent_at.isoformat(), "sent_to": report.sent_to}
    audit.record(db, by, "status_change", AREA.name, "monthly_report", report.id, before=before, after=after)
