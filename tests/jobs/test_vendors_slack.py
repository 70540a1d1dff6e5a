"""Slack threads and edits: a follow-up is sent after its message and to the right thread."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from service.core.database.clock import real_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage
from tests.jobs.outbox_scene import history, make_due
from tests.sandbox.process import Sandbox


def publish(db: Session, text: str, follows: OutboxMessage | None = None, **fields: Any) -> OutboxMessage:
    payload = {"channel": "#fleet-alerts", "text": text} | fields
    message = queue.publish(
        db,
        "slack",
        payload,
        area="fleet",
        recipient="#fleet-alerts",
        title=text,
        follows=follows.key if follows else None,
    )
    db.commit()
    return message


def shown_posts(sandbox: Sandbox) -> list[tuple[str, str | None]]:
    """Text and thread ts of each post, oldest first."""
    return [(post["text"], post.get("thread_ts")) for post in reversed(sandbox.posts())]


def test_a_reply_goes_into_the_thread_and_an_edit_replaces_its_message(db: Session, sandbox: Sandbox) -> None:
    first = publish(db, "発生")
    publish(db, "続いています", first)
    publish(db, "ほかにも", first, broadcast=True)
    publish(db, "【解決済み】発生", first, do="edit")

    outbox_jobs.send_topic("slack")

    root, reply, broadcast = reversed(sandbox.posts())
    assert (root["text"], root["earlier"]) == ("【解決済み】発生", ["発生"])
    assert (reply["thread_ts"], reply["broadcast"]) == (root["ts"], False)
    assert (broadcast["thread_ts"], broadcast["broadcast"]) == (root["ts"], True)
    assert set(db.scalars(select(OutboxMessage.external_id).where(OutboxMessage.sent_at.is_not(None)))) == {
        f"{post['channel']}:{post['ts']}" for post in (root, reply, broadcast)
    }


def test_a_follow_up_waits_for_its_message_and_wakes_no_sender(db: Session, sandbox: Sandbox) -> None:
    first = publish(db, "発生")
    publish(db, "【解決済み】発生", first, do="edit")
    sandbox.fault("slack", "error", operation="chat.postMessage", status=502, count=1)
    outbox_jobs.send_topic("slack")

    outbox_jobs.send_topic("slack")
    assert sandbox.truth("slack", "chat.update") == []
    assert queue.topics_due(db) == []

    make_due(db)
    assert queue.topics_due(db) == ["slack"]
    outbox_jobs.send_topic("slack")
    assert shown_posts(sandbox) == [("【解決済み】発生", None)]


def test_none_overtakes_another_of_the_same_thread(db: Session, sandbox: Sandbox) -> None:
    """An old text must not arrive after a new one."""
    first = publish(db, "発生")
    outbox_jobs.send_topic("slack")
    publish(db, "2件", first, do="edit")
    publish(db, "3件", first, do="edit")
    other_message = publish(db, "別の件")
    sandbox.fault("slack", "error", operation="chat.update", code="internal_error", count=1)

    outbox_jobs.send_topic("slack")
    assert other_message.sent_at is not None
    assert [entry["request"]["text"] for entry in sandbox.truth("slack", "chat.update")] == ["2件"]

    make_due(db)
    outbox_jobs.send_topic("slack")
    assert [entry["request"]["text"] for entry in sandbox.truth("slack", "chat.update")] == ["2件", "2件", "3件"]
    assert shown_posts(sandbox)[0] == ("3件", None)


def test_a_reply_whose_answer_was_lost_is_found_in_its_thread(db: Session, sandbox: Sandbox) -> None:
    first = publish(db, "発生")
    outbox_jobs.send_topic("slack")
    publish(db, "続いています", first)
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")

    make_due(db)
    outbox_jobs.send_topic("slack")

    assert [text for text, _ in shown_posts(sandbox)] == ["発生", "続いています"]
    assert history(db) == ["sent", "unknown", "found"]


def test_an_edit_whose_answer_was_lost_is_repeated_without_harm(db: Session, sandbox: Sandbox) -> None:
    first = publish(db, "発生")
    outbox_jobs.send_topic("slack")
    publish(db, "【解決済み】発生", first, do="edit")
    sandbox.fault("slack", "drop", operation="chat.update", count=1)
    outbox_jobs.send_topic("slack")

    make_due(db)
    outbox_jobs.send_topic("slack")

    assert sandbox.posts()[0]["earlier"] == ["発生"]
    assert history(db) == ["sent", "unknown", "sent"]


def test_a_reply_to_a_dead_letter_is_posted_on_its_own_and_an_edit_fails(db: Session, sandbox: Sandbox) -> None:
    first = publish(db, "発生")
    db.execute(update(OutboxMessage).values(dead_at=real_now()))
    publish(db, "続いています", first)
    edit = publish(db, "【解決済み】発生", first, do="edit")

    outbox_jobs.send_topic("slack")

    assert shown_posts(sandbox) == [("続いています", None)]
    db.expire_all()
    assert edit.dead_at is not None
    assert "元のメッセージが送信されていない" in str(edit.last_error)


@pytest.mark.parametrize("do", ["edit", "reply"])
def test_a_follow_up_to_a_message_deleted_in_slack_is_a_dead_letter_with_a_reason(
    db: Session, sandbox: Sandbox, do: str
) -> None:
    first = publish(db, "発生")
    db.execute(update(OutboxMessage).values(sent_at=real_now(), external_id="C0123456789:1.000001"))
    publish(db, "別の件")
    outbox_jobs.send_topic("slack")
    channel = sandbox.posts()[0]["channel"]
    db.execute(
        update(OutboxMessage).where(OutboxMessage.id == first.id).values(external_id=f"{channel}:1700000000.000001")
    )
    late = publish(db, "続き", first, do=do)

    outbox_jobs.send_topic("slack")

    db.expire_all()
    assert late.dead_at is not None
    assert "Slackで削除された可能性があります" in str(late.last_error)


def test_a_reply_to_a_message_that_is_no_longer_stored_is_posted_on_its_own(db: Session, sandbox: Sandbox) -> None:
    queue.publish(
        db,
        "slack",
        {"channel": "#fleet-alerts", "text": "解決しました"},
        area="fleet",
        recipient="#fleet-alerts",
        title="解決しました",
        follows=uuid.uuid4(),
    )
    db.commit()

    outbox_jobs.send_topic("slack")

    assert shown_posts(sandbox) == [("解決しました", None)]
