"""The demo's year of loaners: enough of everything that the pages are about."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.demo import fill
from service.loaners.history import queries
from service.loaners.history.models import Event, Loan
from service.loaners.history.rules import project_loans, project_states
from service.loaners.models import Device, DeviceState, Site


def test_the_demo_has_every_deposit_overdue_loans_a_transfer_and_a_past(db: Session) -> None:
    fill(db, ["loaners"])
    current = select(DeviceState).where(func.upper_inf(DeviceState.during)).subquery()
    lent = current.c.status == 1

    deposits = set(db.scalars(select(current.c.deposit).where(lent, current.c.held)))
    overdue = db.scalar(select(func.count()).where(func.upper_inf(Loan.during), Loan.due_on < app_now(db).date()))
    moved = db.execute(
        select(Device.number, Site.code)
        .join(current, current.c.device_id == Device.id)
        .join(Site, Site.id == current.c.site_id)
        .where(~Device.number.startswith(Site.code + "_"))
    ).all()
    first, last = db.execute(select(func.min(Event.effective_at), func.max(Event.effective_at))).one()

    assert deposits == {None, 1, 2, 3, 4}
    assert 60 <= (db.scalar(select(func.count(Device.id))) or 0) <= 70
    assert (overdue or 0) >= 5
    assert [(number.split("_")[0], code) for number, code in moved] == [("KOBE", "HIMEJI")]
    assert app_now(db) - first > timedelta(days=330)
    assert last <= app_now(db)
    assert db.scalar(text("SELECT count(DISTINCT status) FROM loaners_states WHERE upper_inf(during)")) == 2


def test_the_demos_projection_is_what_its_events_say_and_filling_again_adds_nothing(db: Session) -> None:
    fill(db, ["loaners"])
    count = db.scalar(select(func.count(Event.id)))
    fill(db, ["loaners"])

    ids = list(db.scalars(select(Device.id)))
    facts = queries.facts(db, ids)
    stored, lent = queries.stored_states(db, ids), queries.stored_loans(db, ids)

    assert db.scalar(select(func.count(Event.id))) == count
    assert {device_id: project_states(events) for device_id, events in facts.items()} == stored
    assert {device_id: project_loans(events) for device_id, events in facts.items()} == lent
