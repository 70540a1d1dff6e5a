"""Slack messages about 手動対応: threads, bursts in one message, and 解決済み in place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.queue import actions as queue
from service.reservations.queue import schemas
from service.reservations.state_machine.states import Task
from tests import people
from tests.api.reservations import scene

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def posts(db: Session) -> list[OutboxMessage]:
    """Oldest first."""
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)))


def texts(db: Session) -> list[str]:
    return [post.payload["text"] for post in posts(db)]


def open_burst(db: Session, count: int, kind: Task = Task.VAGUE_ANSWER) -> list[Operation]:
    opened = []
    for _ in range(count):
        reservation = scene.create_reservation(db)
        opened.append(operations.open_operation(db, reservation.id, reservation.code, kind))
    db.commit()
    return opened


def pass_time(db: Session, span: timedelta) -> None:
    scene.set_clock(db, app_now(db) + span)
    db.commit()


def resolve(db: Session, operation: Operation, login_id: str = "olivia") -> None:
    by = people.create_actor(db, login_id, reservations="operator")
    queue.resolve(db, by, operation.id, schemas.Resolution(version=operation.version, outcome="連絡がついた"))
    db.commit()


def test_a_second_task_of_a_reservation_is_in_the_thread_of_the_first_for_an_hour(db: Session) -> None:
    reservation = scene.create_reservation(db)
    for kind, pause in (
        (Task.LATE_CANCEL, 10 * MINUTE),
        (Task.CUSTOMER_ENQUIRY, 61 * MINUTE),
        (Task.DISPUTE, MINUTE),
    ):
        operations.open_operation(db, reservation.id, reservation.code, kind)
        pass_time(db, pause)

    first, second, third = posts(db)
    assert (first.follows, second.follows, third.follows) == (None, first.key, None)
    # It is broadcast to the channel, too.
    assert second.payload["broadcast"] is True
    assert second.payload["text"].startswith(f"予約ID: {reservation.code} で手動対応が必要")


def test_a_deadline_warning_is_in_the_tasks_thread(db: Session) -> None:
    open_burst(db, 1)
    pass_time(db, 50 * MINUTE)

    queue.notify_due_operations(db)

    first, warning = posts(db)
    assert (warning.follows, warning.payload["broadcast"]) == (first.key, True)
    assert "期限が近づいています" in warning.payload["text"]


def test_a_resolved_task_edits_its_message_once(db: Session) -> None:
    [operation] = open_burst(db, 1)
    pass_time(db, 12 * MINUTE)
    resolve(db, operation)

    assert operations.notify_resolved(db) == 1
    assert operations.notify_resolved(db) == 0

    first, edit = posts(db)
    assert (edit.follows, edit.payload["do"]) == (first.key, "edit")
    assert edit.payload["text"] == f"【解決済み】{first.payload['text']}\n対応時間: 12分（olivia さん）"


def test_a_task_that_closes_by_itself_edits_its_message_too(db: Session) -> None:
    [operation] = open_burst(db, 1)
    assert operation.reservation_id is not None
    operations.close_operations(db, operation.reservation_id, [Task.VAGUE_ANSWER])
    db.commit()

    operations.notify_resolved(db)

    assert texts(db)[-1].startswith("【解決済み】予約ID: ")
    assert texts(db)[-1].endswith("（システム）")


def test_beyond_five_in_five_minutes_one_message_counts_and_lists_them_all(db: Session) -> None:
    opened = open_burst(db, 9)
    assert len(posts(db)) == 5

    assert operations.notify_burst(db) == 4
    assert operations.notify_burst(db) == 0

    summary = posts(db)[5]
    assert summary.follows is None
    lines = summary.payload["text"].splitlines()
    assert lines[:2] == ["手動対応が集中しています（4件）", "5分間に5件を超えたため、まとめて通知します。"]
    # The document's own texts, all of them.
    assert lines[2:] == [f"・{operation.notice}" for operation in opened[5:]]
    assert all(operation.notice.endswith("が曖昧な回答") for operation in opened)
    assert set(texts(db)[:5]) == {operation.notice for operation in opened[:5]}


def test_a_burst_that_goes_on_is_one_message_that_grows(db: Session) -> None:
    open_burst(db, 6)
    operations.notify_burst(db)
    pass_time(db, 2 * MINUTE)
    open_burst(db, 2, Task.DISPUTE)
    operations.notify_burst(db)

    summary, grown = posts(db)[5:]
    assert (grown.follows, grown.payload["do"]) == (summary.key, "edit")
    lines = grown.payload["text"].splitlines()
    assert lines[0] == "手動対応が集中しています（3件）"
    assert "で手動対応が必要（支払いへの異議）" in lines[3]

    # After five quiet minutes each task is posted again.
    pass_time(db, 6 * MINUTE)
    open_burst(db, 1)
    assert len(posts(db)) == 8
    assert operations.notify_burst(db) == 0


def test_a_resolved_task_of_a_burst_is_marked_in_the_list_and_the_last_one_ends_it(db: Session) -> None:
    first, second = open_burst(db, 7)[5:]
    operations.notify_burst(db)
    pass_time(db, 10 * MINUTE)
    resolve(db, first)
    operations.notify_resolved(db)

    lines = texts(db)[-1].splitlines()
    assert lines[0] == "手動対応が集中しています（2件、うち対応済み1件）"
    assert [line.startswith("・【解決済み】") for line in lines[2:]] == [True, False]

    resolve(db, second, "oscar")
    operations.notify_resolved(db)
    assert texts(db)[-1].splitlines()[0] == "【解決済み】手動対応が集中しました（2件、10分）"
    assert posts(db)[-1].payload["do"] == "edit"


def test_a_long_burst_begins_another_message_after_thirty(db: Session) -> None:
    opened = open_burst(db, 5 + 30 + 3)

    assert operations.notify_burst(db) == 33

    first, second = posts(db)[5:]
    assert (first.follows, second.follows) == (None, None)
    lines = [line for post in (first, second) for line in post.payload["text"].splitlines()[2:]]
    assert lines == [f"・{operation.notice}" for operation in opened[5:]]
    # The next task is added to the message that has room.
    more = open_burst(db, 1)
    operations.notify_burst(db)
    assert posts(db)[-1].follows == second.key
    assert more[0].notice in texts(db)[-1]


def test_a_task_resolved_before_it_was_posted_is_posted_as_resolved(db: Session) -> None:
    *_, last = open_burst(db, 6)
    resolve(db, last)

    operations.notify_burst(db)

    assert f"・【解決済み】{last.notice}" in texts(db)[-1]
    assert operations.notify_resolved(db) == 0


def test_user_text_makes_no_link_in_slack(db: Session) -> None:
    operations.notify_slack(db, "1", "<!channel> & <https://evil.example|押す>", link=("operations", "手動対応を開く"))

    text = texts(db)[-1]
    assert text.startswith("&lt;!channel&gt; &amp; &lt;https://evil.example|押す&gt;\n<http")
    assert text.endswith("/operations|手動対応を開く>")
