"""Mail on a change of 0-4: by form only, where the site wants it, once per change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from service.core.areas import CORE_RETENTION
from service.core.database import retention
from service.core.database.clock import real_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage
from service.core.settings import settings
from service.loaners.models import Site
from service.loaners.notifications import actions
from tests import people
from tests.api.loaners.telling import (
    COLLECTED,
    LENT,
    NUMBER,
    body,
    days,
    mails,
    registered,
    state,
    stored,
)

SignIn = Callable[..., TestClient]
GROUP = "test-group@example.com"


@pytest.fixture
def staff(db: Session, sign_in: SignIn) -> TestClient:
    registered(db, people.actor(db, "ada", loaners="admin"))
    db.execute(update(Site).where(Site.key == "osaka").values(notifies=True))
    db.commit()
    return sign_in("sato", loaners="staff")


def test_the_first_form_and_each_change_are_told_to_the_sites_group(staff: TestClient, db: Session) -> None:
    answer = stored(staff, NUMBER, LENT)
    assert answer["mail_to"] == GROUP
    [mail] = mails(db)
    assert mail.payload["to"] == [GROUP]
    assert mail.title == f"【代替機】{NUMBER} 未登録 → 1.貸出中"
    text = mail.payload["body"]
    link = f"{settings().public_base_url.rstrip('/')}/loaners-device?number={NUMBER}"
    told = (NUMBER, "ThinkPad-X1-Carbon", "未登録 → 1.貸出中", "山田太郎", "○○商事株式会社", link)
    assert [one for one in told if one not in text] == []

    stored(staff, NUMBER, COLLECTED)
    assert [mail.title.partition("001 ")[2] for mail in mails(db)] == [
        "未登録 → 1.貸出中",
        "1.貸出中 → 2.回収後社内保管",
    ]
    found = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()["items"]
    assert [(one["kind"], one["recipient"], one["state"]) for one in found] == [("change", GROUP, "waiting")] * 2


def test_what_became_of_a_mail_stays_with_the_history_when_the_outbox_has_forgotten_it(
    staff: TestClient, db: Session
) -> None:
    stored(staff, NUMBER, LENT)
    first = queue.claim(db, "mail")
    assert first is not None
    queue.mark_sent(db, first)
    stored(staff, NUMBER, COLLECTED)
    second = queue.claim(db, "mail")
    assert second is not None
    queue.mark_failed(db, second, "メールサーバーが宛先を受け付けませんでした。", permanent=True)

    long_ago = real_now() - timedelta(days=91)
    for over in (OutboxMessage.sent_at, OutboxMessage.dead_at):
        db.execute(update(OutboxMessage).where(over.is_not(None)).values({over: long_ago}))
    # The last one of a table always stays.
    other = queue.publish(db, "mail", {}, area="fleet", recipient="a@example.com", title="お知らせ")
    other.sent_at = real_now()

    assert actions.save_results(db) == 2
    assert actions.save_results(db) == 0
    db.commit()
    seen = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()
    [policy] = [one for one in CORE_RETENTION if one.table == "outbox_messages"]
    retention.run_if_due(db, policy)
    db.commit()
    assert mails(db) == []

    kept = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()
    assert kept == seen
    assert [(one["title"].partition("001 ")[2], one["state"], one["recipient"]) for one in kept["items"]] == [
        ("1.貸出中 → 2.回収後社内保管", "dead", GROUP),
        ("未登録 → 1.貸出中", "sent", GROUP),
    ]
    assert kept["items"][1]["sent_at"] is not None
    assert staff.get(f"/api/loaners/devices/{NUMBER}/mails", params={"limit": 1}).json()["total"] == 2


def test_what_was_told_is_neither_changed_nor_deleted(staff: TestClient, db: Session) -> None:
    stored(staff, NUMBER, LENT)
    for statement in (
        "UPDATE loaners_notifications SET recipient = 'x@example.com'",
        "DELETE FROM loaners_notifications",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(statement))


def test_nothing_is_told_when_0_4_stays(staff: TestClient, db: Session) -> None:
    stored(staff, NUMBER, LENT)
    stored(staff, NUMBER, LENT | {"1-4": "無し"})
    assert len(mails(db)) == 1


def test_a_form_that_is_sent_again_is_not_told_again(staff: TestClient, db: Session) -> None:
    sent = body(staff, NUMBER, LENT)
    path = f"/api/loaners/devices/{NUMBER}/status"
    first, again = staff.post(path, json=sent).json(), staff.post(path, json=sent).json()
    assert first == again
    assert len(mails(db)) == 1


def test_a_late_entry_that_leaves_today_as_it_is_is_not_told(staff: TestClient, db: Session) -> None:
    stored(staff, NUMBER, COLLECTED)
    answer = stored(staff, NUMBER, LENT, effective_at=days(3).isoformat())
    assert answer["mail_to"] is None
    assert len(mails(db)) == 1


def test_a_late_entry_that_is_the_newest_says_when_it_happened_and_when_it_was_told(
    staff: TestClient, db: Session
) -> None:
    stored(staff, NUMBER, LENT, effective_at=days(3).isoformat())
    [mail] = mails(db)
    assert "2026/01/08 09:00:00（" in mail.payload["body"]
    assert "に登録）" in mail.payload["body"]


def test_what_is_changed_in_the_viewer_is_silent(staff: TestClient, db: Session) -> None:
    stored(staff, NUMBER, LENT)
    based_on = state(staff, NUMBER)["event_id"]
    staff.put(f"/api/loaners/devices/{NUMBER}/deposit", json={"deposit": 2, "based_on": based_on})
    assert state(staff, NUMBER)["deposit"] == 2
    assert len(mails(db)) == 1


def test_the_site_where_the_device_is_now_is_told(staff: TestClient, db: Session, sign_in: SignIn) -> None:
    from service.loaners.history import actions as history
    from service.loaners.history.queries import get_device
    from service.loaners.history.rules import EventKind, Source

    kobe = db.scalars(select(Site).where(Site.key == "kobe")).one()
    told = history.NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=kobe.id, reason="応援のため")
    history.record_event(db, people.actor(db, "ida", loaners="admin"), get_device(db, NUMBER).id, told)
    db.commit()
    assert stored(staff, NUMBER, LENT)["mail_to"] is None  # Kobe's flag is off.
