"""Reminders: a mail to a site about its loans that are due, each step of each loan told once."""

from __future__ import annotations

from datetime import time

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.clock import TOKYO, app_now
from service.core.settings import settings
from service.core.times import day_bounds, local_date
from service.loaners.lending import queries, rules
from service.loaners.lending.models import Reminder
from service.loaners.models import Device, Site
from service.loaners.notifications import actions as notifications
from service.loaners.notifications.rules import Notice

# Nobody reads a reminder at night; on that day it is still true in the morning.
FROM = time(9)


def remind(db: Session, site_id: int) -> int:
    """One mail about everything that the site is to be told of now; how many loans stand in it.

    Whoever returns one of them meanwhile waits for the lock, and what was returned before is asked again after it: what
    the mail says held in the transaction that wrote it.
    """
    now = app_now(db)
    if now.astimezone(TOKYO).time() < FROM:
        return 0
    today = local_date(now)
    first = [one.device_id for one in queries.due_at(db, site_id, today)]
    if not first:
        return 0
    db.execute(select(Device.id).where(Device.id.in_(first)).order_by(Device.id).with_for_update(key_share=True))
    due = [one for one in queries.due_at(db, site_id, today) if one.device_id in first]
    if not due:
        return 0
    db.execute(
        insert(Reminder),
        [{name: getattr(one, name) for name in ("device_id", "loan_event_id", "due_on", "step")} for one in due],
    )
    site = db.get_one(Site, site_id)
    subject, body = rules.mail(site.name, due, today, f"{settings().public_base_url.rstrip('/')}/lending")
    notifications.tell(
        db,
        site,
        Notice.REMINDER,
        notifications.Mail(subject, body),
        [(one.device_id, one.loan_event_id) for one in due],
        ("site", site.id),
        # Tomorrow it says something else.
        expires_at=day_bounds(today)[1],
    )
    return len(due)
