"""Mail on a change of 0-4: from the form only, when the site wants it, once per change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

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
from service.loaners.statuses import queries
from tests import people
from tests.api.loaners.telling import (
    COLLECTED,
    LENT,
    NUMBER,
    days_after_start,
    form_body,
    mails,
    register_device,
    state,
    submit_form,
)

SignIn = Callable[..., TestClient]
GROUP = "test-group@example.com"


@pytest.fixture
def staff(db: Session, sign_in: SignIn) -> TestClient:
    register_device(db, people.create_actor(db, "ada", loaners="admin"))
    db.execute(update(Site).where(Site.key == "osaka").values(notifies=True))
    db.commit()
    return sign_in("sato", loaners="staff")


def test_the_sites_group_is_notified_of_the_first_form_and_each_change(staff: TestClient, db: Session) -> None:
    answer = submit_form(staff, NUMBER, LENT)
    assert answer["mail_to"] == GROUP
    [mail] = mails(db)
    assert mail.payload["to"] == [GROUP]
    assert mail.title == f"【代替機】{NUMBER} 未登録 → 1.貸出中"
    text = mail.payload["body"]
    link = f"{settings().public_base_url.rstrip('/')}/loaners-device?number={NUMBER}"
    expected = (NUMBER, "ThinkPad-X1-Carbon", "未登録 → 1.貸出中", "山田太郎", "○○商事株式会社", link)
    assert [part for part in expected if part not in text] == []

    submit_form(staff, NUMBER, COLLECTED)
    assert [mail.title.partition("001 ")[2] for mail in mails(db)] == [
        "未登録 → 1.貸出中",
        "1.貸出中 → 2.回収後社内保管",
    ]
    mail_rows = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()["items"]
    assert [(mail_row["kind"], mail_row["recipient"], mail_row["state"]) for mail_row in mail_rows] == [
        ("change", GROUP, "waiting")
    ] * 2


def test_the_mail_and_the_answer_tell_one_outcome(
    staff: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[queries.Outcome] = []

    def compute(*arguments: Any) -> queries.Outcome:
        computed.append(compute_outcome(*arguments))
        return computed[-1]

    compute_outcome = queries.compute_outcome
    monkeypatch.setattr(queries, "compute_outcome", compute)
    answer = submit_form(staff, NUMBER, LENT)

    [outcome] = computed
    assert answer["changes"] == [change.model_dump() for change in outcome.changes]
    assert (answer["status"], answer["mail_to"]) == (outcome.now.status, GROUP)
    assert [mail.title for mail in mails(db)] == [f"【代替機】{NUMBER} 未登録 → 1.貸出中"]


def test_what_became_of_a_mail_stays_with_the_history_when_the_outbox_has_forgotten_it(
    staff: TestClient, db: Session
) -> None:
    submit_form(staff, NUMBER, LENT)
    first = queue.claim(db, "mail")
    assert first is not None
    queue.mark_sent(db, first)
    submit_form(staff, NUMBER, COLLECTED)
    second = queue.claim(db, "mail")
    assert second is not None
    queue.mark_failed(db, second, "メールサーバーが宛先を受け付けませんでした。", permanent=True)

    long_ago = real_now() - timedelta(days=91)
    for column in (OutboxMessage.sent_at, OutboxMessage.dead_at):
        db.execute(update(OutboxMessage).where(column.is_not(None)).values({column: long_ago}))
    # The last row of a table always stays.
    other = queue.publish(db, "mail", {}, area="fleet", recipient="a@example.com", title="お知らせ")
    other.sent_at = real_now()

    assert actions.save_results(db) == 2
    assert actions.save_results(db) == 0
    db.commit()
    before = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()
    [policy] = [candidate for candidate in CORE_RETENTION if candidate.table == "outbox_messages"]
    retention.run_if_due(db, policy)
    db.commit()
    assert mails(db) == []

    after = staff.get(f"/api/loaners/devices/{NUMBER}/mails").json()
    assert after == before
    assert [
        (mail_row["title"].partition("001 ")[2], mail_row["state"], mail_row["recipient"])
        for mail_row in after["items"]
    ] == [
        ("1.貸出中 → 2.回収後社内保管", "dead", GROUP),
        ("未登録 → 1.貸出中", "sent", GROUP),
    ]
    assert after["items"][1]["sent_at"] is not None
    assert staff.get(f"/api/loaners/devices/{NUMBER}/mails", params={"limit": 1}).json()["total"] == 2


def test_notifications_are_neither_changed_nor_deleted(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT)
    for statement in (
        "UPDATE loaners_notifications SET recipient = 'x@example.com'",
        "DELETE FROM loaners_notifications",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(statement))


def test_no_mail_is_sent_when_0_4_stays(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT)
    submit_form(staff, NUMBER, LENT | {"1-4": "無し"})
    assert len(mails(db)) == 1


def test_a_replayed_form_sends_no_second_mail(staff: TestClient, db: Session) -> None:
    form = form_body(staff, NUMBER, LENT)
    path = f"/api/loaners/devices/{NUMBER}/status"
    first, again = staff.post(path, json=form).json(), staff.post(path, json=form).json()
    assert first == again
    assert len(mails(db)) == 1


def test_a_late_entry_that_does_not_change_today_sends_no_mail(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, COLLECTED)
    answer = submit_form(staff, NUMBER, LENT, effective_at=days_after_start(3).isoformat())
    assert answer["mail_to"] is None
    assert len(mails(db)) == 1


def test_a_late_entry_that_is_the_newest_says_when_it_happened_and_when_it_was_recorded(
    staff: TestClient, db: Session
) -> None:
    submit_form(staff, NUMBER, LENT, effective_at=days_after_start(3).isoformat())
    [mail] = mails(db)
    assert "2026/01/08 09:00:00（" in mail.payload["body"]
    assert "に登録）" in mail.payload["body"]


def test_what_is_changed_in_the_viewer_is_silent(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT)
    based_on = state(staff, NUMBER)["event_id"]
    staff.put(f"/api/loaners/devices/{NUMBER}/deposit", json={"deposit": 2, "based_on": based_on})
    assert state(staff, NUMBER)["deposit"] == 2
    assert len(mails(db)) == 1


def test_the_site_where_the_device_is_now_is_notified(staff: TestClient, db: Session, sign_in: SignIn) -> None:
    from service.loaners.history import actions as history
    from service.loaners.history.queries import get_device
    from service.loaners.history.rules import EventKind, Source

    kobe = db.scalars(select(Site).where(Site.key == "kobe")).one()
    event = history.NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=kobe.id, reason="応援のため")
    history.record_event(db, people.create_actor(db, "ida", loaners="admin"), get_device(db, NUMBER).id, event)
    db.commit()
    assert submit_form(staff, NUMBER, LENT)["mail_to"] is None  # Kobe's flag is off.
