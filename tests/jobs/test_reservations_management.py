"""The tick that counts months at night and sends reports to management."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs import reservations
from service.core.access.identity import User
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.monitoring.health import JobHeartbeat
from service.reservations.management import actions, schemas
from service.reservations.management.models import ManagementReport, MonthCounts
from tests import pdfs, people
from tests.api.reservations import outcomes, scene
from tests.api.reservations.outcomes import tokyo
from tests.sandbox.process import Sandbox


@pytest.fixture
def december(db: Session) -> Session:
    scene.fill(db)
    outcomes.confirmed(db, tokyo(2030, 12, 10, 10, 0))
    for number in (1, 2):
        people.create_user(db, f"manager{number}", reservations="manager").mail = f"manager{number}@example.com"
    db.commit()
    return db


def reports(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Mails with a report, without those of the reservation itself."""
    return [mail for mail in sandbox.mails() if "経営レポート" in mail["subject"]]


def set_clock(db: Session, *parts: int) -> None:
    scene.set_clock(db, tokyo(*parts))
    db.commit()


def test_on_the_first_the_report_leaves_with_its_pdf_and_only_once(december: Session, sandbox: Sandbox) -> None:
    set_clock(december, 2030, 12, 31, 2, 30)
    reservations.report_to_management()
    set_clock(december, 2031, 1, 1, 2, 29)
    reservations.report_to_management()
    assert december.scalars(select(ManagementReport)).all() == []

    set_clock(december, 2031, 1, 1, 2, 30)
    reservations.report_to_management()
    reservations.report_to_management()
    outbox_jobs.send_topic("mail")

    [mail] = reports(sandbox)
    assert mail["recipients"] == ["manager1@example.com", "manager2@example.com"]
    assert "経営レポート（2030年12月）" in mail["subject"]
    [report] = december.scalars(select(ManagementReport))
    pdf = december.get_one(File, report.pdf_id)
    assert mail["attachments"] == [
        {"name": "経営レポート_2030-12.pdf", "type": "application/pdf", "size": pdf.size, "sha256": pdf.sha256.hex()}
    ]
    assert (pdf.expires_at, report.recipients) == (None, ["manager1@example.com", "manager2@example.com"])
    assert "2030年12月の予約は1件です" in "".join(pdfs.page_texts(bytes(storage().open(pdf.storage_key).read())))
    entries = december.scalars(select(AuditEntry).where(AuditEntry.subject == "management_report")).all()
    assert [(entry.action, entry.actor, entry.after) for entry in entries] == [
        ("status_change", "システム", {"month": "2030-12", "recipients": 2})
    ]
    assert december.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.management")).all()


def test_a_requested_report_is_sent_at_once(december: Session, sandbox: Sandbox) -> None:
    set_clock(december, 2031, 1, 20, 10, 0)
    reservations.report_to_management()
    assert reports(sandbox) == []
    by = people.create_actor(december, "mia", reservations="manager")
    actions.request_report(december, by, schemas.NewReport(month="2030-12", recipients=2))
    december.commit()

    reservations.report_to_management()
    outbox_jobs.send_topic("mail")
    assert len(reports(sandbox)) == 1


def test_a_report_without_recipients_is_stored_and_not_sent(december: Session, sandbox: Sandbox) -> None:
    for number in (1, 2):
        user = december.scalars(select(User).where(User.login_id == f"manager{number}")).one()
        user.mail = None
    set_clock(december, 2031, 1, 1, 2, 30)
    reservations.report_to_management()
    outbox_jobs.send_topic("mail")

    [report] = december.scalars(select(ManagementReport))
    assert (report.recipients, report.sent_at) == ([], app_now(december))
    assert december.get_one(File, report.pdf_id).attached_at is not None
    assert reports(sandbox) == []


def test_of_two_workers_that_made_the_same_report_one_sends_it(december: Session) -> None:
    set_clock(december, 2031, 1, 1, 2, 30)
    actions.run_nightly_count(december)
    waiting = actions.next_report(december)
    assert waiting is not None
    rendered = [actions.render_report(waiting[1]) for _ in range(2)]

    assert [actions.send_report(december, *waiting, report) for report in rendered] == [True, False]


def test_a_missed_night_is_counted_as_soon_as_the_job_runs_again(december: Session) -> None:
    set_clock(december, 2031, 1, 8, 2, 30)
    reservations.report_to_management()
    set_clock(december, 2031, 1, 10, 11, 17)
    reservations.report_to_management()

    counted = december.scalars(select(MonthCounts.counted_at).order_by(MonthCounts.month.desc())).first()
    assert counted is not None
    assert abs(counted - tokyo(2031, 1, 10, 11, 17)) < timedelta(minutes=1)
