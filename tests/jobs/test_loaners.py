"""The loaners area's ticks: they do what is due, and only once."""

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
    staff = people.create_actor(db, "carol", loaners="staff")
    for serial, at in (("AAA1", "osaka"), ("BBB2", "kobe"), ("CCC3", "kobe")):
        device = stock.add_device(db, staff, serial, at=at, days_ago=2000)
        stock.add_form(db, staff, device, 1900, STORED)
        due = local_date(app_now(db)) - timedelta(days=1)
        stock.add_form(db, staff, device, 10, LENT | {"1-8": due.isoformat()})
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


def test_a_reminder_is_in_the_history_of_each_device_with_its_delivery_result(morning: Session) -> None:
    loaners.remind()
    while message := queue.claim(morning, "mail"):
        queue.mark_sent(morning, message)
    morning.commit()

    loaners.run_upkeep()

    notifications = morning.execute(select(Notification.kind, Notification.state, Notification.message_id)).all()
    assert [(kind, state) for kind, state, _ in notifications] == [("reminder", "sent")] * 3
    assert len({message for *_, message in notifications}) == 2


def test_a_site_that_cannot_be_notified_does_not_stop_the_others_and_is_reported(
    morning: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_site = min(morning.scalars(select(Site.id).where(Site.key.in_(["osaka", "kobe"]))))
    remind = lending.remind
    monkeypatch.setattr(
        lending, "remind", lambda db, site_id: 1 / 0 if site_id == failing_site else remind(db, site_id)
    )

    with pytest.raises(RuntimeError, match="1 of 2 sites"):
        loaners.remind()

    assert morning.scalar(select(func.count()).select_from(OutboxMessage)) == 1


def test_events_are_archived_and_the_month_is_checked_once(morning: Session) -> None:
    loaners.run_upkeep()
    loaners.run_upkeep()

    # Only the registration of each device: the state of the form before the loan was still valid three years ago.
    assert morning.scalar(select(func.count()).select_from(ArchivedEvent)) == 3
    assert sorted(morning.scalars(select(UpkeepRun.job))) == ["checks", "rotation"]
    actors = select(AuditEntry.actor).where(AuditEntry.subject == "upkeep")
    assert sorted(morning.scalars(actors)) == ["loaners.checks", "loaners.rotation"]
