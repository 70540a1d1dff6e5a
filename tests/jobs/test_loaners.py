"""The loaners area's ticks: they find what is due, and only once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from jobs import loaners
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO, local_date
from service.loaners.history.models import ArchivedEvent
from service.loaners.lending import actions as lending
from service.loaners.models import Site
from service.loaners.notifications.models import Notification
from service.loaners.upkeep.models import UpkeepRun
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import LENT, STORED


@pytest.fixture
def morning(db: Session) -> Session:
    now = app_now(db).astimezone(TOKYO)
    shift = now.replace(hour=10, minute=0, second=0, microsecond=0) - now
    db.execute(text("UPDATE app_clock SET shift = shift + :by"), {"by": shift})
    staff = people.actor(db, "carol", loaners="staff")
    for serial, at in (("AAA1", "osaka"), ("BBB2", "kobe"), ("CCC3", "kobe")):
        device = stock.device(db, staff, serial, at=at, days_ago=2000)
        stock.form(db, staff, device, 1900, STORED)
        due = local_date(app_now(db)) - timedelta(days=1)
        stock.form(db, staff, device, 10, LENT | {"1-8": due.isoformat()})
    db.commit()
    return db


def test_each_site_gets_one_mail_about_all_of_its_loans(morning: Session) -> None:
    loaners.remind()
    loaners.remind()

    titles = morning.scalars(select(OutboxMessage.title).order_by(OutboxMessage.title)).all()
    assert titles == [
        "【代替機管理】大阪: 返却予定日を過ぎた代替機が1台あります",
        "【代替機管理】神戸: 返却予定日を過ぎた代替機が2台あります",
    ]


def test_a_reminder_stands_in_the_history_of_each_device_with_what_became_of_it(morning: Session) -> None:
    loaners.remind()
    while message := queue.claim(morning, "mail"):
        queue.mark_sent(morning, message)
    morning.commit()

    loaners.run_upkeep()

    found = morning.execute(select(Notification.kind, Notification.state, Notification.message_id)).all()
    assert [(kind, state) for kind, state, _ in found] == [("reminder", "sent")] * 3
    assert len({message for *_, message in found}) == 2


def test_a_site_that_cannot_be_told_keeps_no_other_back_and_is_seen(
    morning: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = min(morning.scalars(select(Site.id).where(Site.key.in_(["osaka", "kobe"]))))
    remind = lending.remind
    monkeypatch.setattr(lending, "remind", lambda db, site_id: 1 / 0 if site_id == first else remind(db, site_id))

    with pytest.raises(RuntimeError, match="1 of 2 sites"):
        loaners.remind()

    assert morning.scalar(select(func.count()).select_from(OutboxMessage)) == 1


def test_the_archive_is_fed_and_the_month_checked_once(morning: Session) -> None:
    loaners.run_upkeep()
    loaners.run_upkeep()

    # Each device's registration; the form of before the loan still held three years ago.
    assert morning.scalar(select(func.count()).select_from(ArchivedEvent)) == 3
    assert sorted(morning.scalars(select(UpkeepRun.job))) == ["checks", "rotation"]
    told = select(AuditEntry.actor).where(AuditEntry.subject == "upkeep")
    assert sorted(morning.scalars(told)) == ["loaners.checks", "loaners.rotation"]
