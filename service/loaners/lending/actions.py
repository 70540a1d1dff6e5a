"""Reminders: a mail to a site about its loans that are due. Each step of a loan is mailed once."""

from __future__ import annotations

from datetime import time

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.settings import settings
from service.core.values.times import TOKYO, day_bounds, local_date
from service.loaners.lending import queries, rules
from service.loaners.lending.models import Reminder
from service.loaners.models import Device, Site
from service.loaners.notifications import actions as notifications
from service.loaners.notifications.rules import Notice

# No reminders at night: in the morning of the same day they are still correct.
EARLIEST_TIME = time(9)


def remind(db: Session, site_id: int) -> int:
    """Sends one mail about all loans of the site that need a reminder now. Returns the number of loans.

    The devices are locked and the loans are read again, so that the mail does not list a loan that was returned in
    the meantime.
    """
    now = app_now(db)
    if now.astimezone(TOKYO).time() < EARLIEST_TIME:
        return 0
    today = local_date(now)
    candidates = [loan.device_id for loan in queries.due_loans(db, site_id, today)]
    if not candidates:
        return 0
    db.execute(select(Device.id).where(Device.id.in_(candidates)).order_by(Device.id).with_for_update(key_share=True))
    due = [loan for loan in queries.due_loans(db, site_id, today) if loan.device_id in candidates]
    if not due:
        return 0
    db.execute(
        insert(Reminder),
        [{name: getattr(loan, name) for name in ("device_id", "loan_event_id", "due_on", "step")} for loan in due],
    )
    site = db.get_one(Site, site_id)
    subject, body = rules.reminder_mail(site.name, due, today, settings().page_url("/lending"))
    notifications.notify_site(
        db,
        site,
        Notice.REMINDER,
        notifications.Mail(subject, body),
        [(loan.device_id, loan.loan_event_id) for loan in due],
        ("site", site.id),
        # Tomorrow's reminder is different.
        expires_at=day_bounds(today)[1],
    )
    return len(due)
