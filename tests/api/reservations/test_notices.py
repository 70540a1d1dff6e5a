"""What Slack is told of 手動対応: threads, bursts in one message, and 解決済み in its place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.reservations.events.rules import Task
from service.reservations.operations import actions as operations
from service.reservations.operations.models import Operation
from service.reservations.queue import actions as queue
from service.reservations.queue import schemas
from tests import people
from tests.api.reservations import scene

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


def posts(db: Session) -> list[OutboxMessage]:
    """Oldest first."""
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)))


def texts(db: Session) -> list[str]:
    return [post.payload["text"] for post in posts(db)]


def burst(db: Session, count: int, kind: Task = Task.VAGUE_ANSWER) -> list[Operation]:
    made = []
    for _ in range(count):
        reservation = scene.ask(db)
        made.append(operations.open_operation(db, reservation.id, reservation.code, kind))
    db.commit()
    return made


def pass_time(db: Session, span: timedelta) -> None:
    scene.set_clock(db, app_now(db) + span)
    db.commit()


def done(db: Session, operation: Operation, login_id: str = "olivia") -> None:
    by = people.actor(db, login_id, reservations="operator")
    queue.resolve(db, by, operation.id, schemas.Resolution(version=operation.version, outcome="連絡がついた"))
    db.commit()


def test_a_second_task_about_a_reservation_stands_in_the_thread_of_the_first_for_an_hour(db: Session) -> None:
    reservation = scene.ask(db)
    for kind, pause in (
        (Task.LATE_CANCEL, 10 * MINUTE),
        (Task.CUSTOMER_ENQUIRY, 61 * MINUTE),
        (Task.DISPUTE, MINUTE),
    ):
        operations.open_operation(db, reservation.id, reservation.code, kind)
        pass_time(db, pause)

    first, second, third = posts(db)
    assert (first.follows, second.follows, third.follows) == (None, first.key, None)
    # Whoever reads the channel sees it as well.
    assert second.payload["broadcast"] is True
    assert second.payload["text"].startswith(f"予約ID: {reservation.code} で手動対応が必要")


def test_what_the_clocks_say_stands_in_the_tasks_thread(db: Session) -> None:
    burst(db, 1)
    pass_time(db, 50 * MINUTE)

    queue.notify_due_operations(db)

    first, warning = posts(db)
    assert (warning.follows, warning.payload["broadcast"]) == (first.key, True)
    assert "期限が近づいています" in warning.payload["text"]


def test_what_is_done_is_said_in_its_place_once(db: Session) -> None:
    [operation] = burst(db, 1)
    pass_time(db, 12 * MINUTE)
    done(db, operation)

    assert operations.notify_resolved(db) == 1
    assert operations.notify_resolved(db) == 0

    first, edit = posts(db)
    assert (edit.follows, edit.payload["do"]) == (first.key, "edit")
    assert edit.payload["text"] == f"【解決済み】{first.payload['text']}\n対応時間: 12分（olivia さん）"


def test_what_ends_by_itself_is_said_as_well(db: Session) -> None:
    [operation] = burst(db, 1)
    assert operation.reservation_id is not None
    operations.close_operations(db, operation.reservation_id, [Task.VAGUE_ANSWER])
    db.commit()

    operations.notify_resolved(db)

    assert texts(db)[-1].startswith("【解決済み】予約ID: ")
    assert texts(db)[-1].endswith("（システム）")


def test_beyond_five_in_five_minutes_one_message_counts_and_lists_them_all(db: Session) -> None:
    made = burst(db, 9)
    assert len(posts(db)) == 5

    assert operations.notify_burst(db) == 4
    assert operations.notify_burst(db) == 0

    summary = posts(db)[5]
    assert summary.follows is None
    lines = summary.payload["text"].splitlines()
    assert lines[:2] == ["手動対応が集中しています（4件）", "5分間に5件を超えたため、まとめて通知します。"]
    # The document's own words, none lost.
    assert lines[2:] == [f"・{operation.notice}" for operation in made[5:]]
    assert all(operation.notice.endswith("が曖昧な回答") for operation in made)
    assert set(texts(db)[:5]) == {operation.notice for operation in made[:5]}


def test_a_burst_that_goes_on_is_one_message_that_grows(db: Session) -> None:
    burst(db, 6)
    operations.notify_burst(db)
    pass_time(db, 2 * MINUTE)
    burst(db, 2, Task.DISPUTE)
    operations.notify_burst(db)

    summary, grown = posts(db)[5:]
    assert (grown.follows, grown.payload["do"]) == (summary.key, "edit")
    lines = grown.payload["text"].splitlines()
    assert lines[0] == "手動対応が集中しています（3件）"
    assert "で手動対応が必要（支払いへの異議）" in lines[3]

    # Five quiet minutes later people hear of each again.
    pass_time(db, 6 * MINUTE)
    burst(db, 1)
    assert len(posts(db)) == 8
    assert operations.notify_burst(db) == 0


def test_a_gathered_task_that_is_done_is_marked_in_the_list_and_the_last_one_ends_it(db: Session) -> None:
    first, second = burst(db, 7)[5:]
    operations.notify_burst(db)
    pass_time(db, 10 * MINUTE)
    done(db, first)
    operations.notify_resolved(db)

    lines = texts(db)[-1].splitlines()
    assert lines[0] == "手動対応が集中しています（2件、うち対応済み1件）"
    assert [line.startswith("・【解決済み】") for line in lines[2:]] == [True, False]

    done(db, second, "oscar")
    operations.notify_resolved(db)
    assert texts(db)[-1].splitlines()[0] == "【解決済み】手動対応が集中しました（2件、10分）"
    assert posts(db)[-1].payload["do"] == "edit"


def test_a_long_burst_begins_another_message_after_thirty(db: Session) -> None:
    made = burst(db, 5 + 30 + 3)

    assert operations.notify_burst(db) == 33

    one, other = posts(db)[5:]
    assert (one.follows, other.follows) == (None, None)
    listed = [line for post in (one, other) for line in post.payload["text"].splitlines()[2:]]
    assert listed == [f"・{operation.notice}" for operation in made[5:]]
    # What comes next is added to the one that has room.
    more = burst(db, 1)
    operations.notify_burst(db)
    assert posts(db)[-1].follows == other.key
    assert more[0].notice in texts(db)[-1]


def test_what_was_done_before_it_was_told_is_told_all_the_same(db: Session) -> None:
    *_, last = burst(db, 6)
    done(db, last)

    operations.notify_burst(db)

    assert f"・【解決済み】{last.notice}" in texts(db)[-1]
    assert operations.notify_resolved(db) == 0


def test_nobodys_words_make_a_link_in_slack(db: Session) -> None:
    operations.notify_slack(db, "1", "<!channel> & <https://evil.example|押す>", link=("operations", "手動対応を開く"))

    text = texts(db)[-1]
    assert text.startswith("&lt;!channel&gt; &amp; &lt;https://evil.example|押す&gt;\n<http")
    assert text.endswith("/operations|手動対応を開く>")
