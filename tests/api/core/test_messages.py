"""The outbox for administrators: lists, the attempts of a message, resending, discarding, and no messages of other
areas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import slack
from service.core import areas as core_areas
from service.core.access import auth
from service.core.audit import AuditEntry
from service.core.database.clock import app_now, real_now
from service.core.database.session import Scopes, set_scopes
from service.core.outbox import queue
from service.core.outbox.records import OutboxAttempt, OutboxMessage
from service.core.settings import settings
from tests.sandbox.process import TOKEN, running_sandbox

SignIn = Callable[..., TestClient]
URL = "/api/core/messages"


@pytest.fixture
def two_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second area next to the fleet, whose administrator may not see the fleet's messages."""
    fleet = core_areas.areas()["fleet"]
    both = {"fleet": fleet, "loaners": replace(fleet, name="loaners", title="代替機管理")}
    monkeypatch.setattr(auth, "areas", lambda: both)


def publish(db: Session, topic: str = "mail", area: str = "fleet", **values: Any) -> OutboxMessage:
    set_scopes(db, Scopes(frozenset({"core", "fleet", "loaners"})))
    payload: dict[str, Any] = {"to": ["x@example.com"], "subject": "件名", "body": "本文です。"}
    if topic == "slack":
        payload = {"channel": "#fleet-alerts", "text": "アラートです。"}
    defaults = {"recipient": "x@example.com", "title": "件名"}
    message = queue.publish(db, topic, payload, area=area, **defaults | values)
    db.commit()
    return message


def give_up(db: Session, message: OutboxMessage, error: str = "拒否されました", *, in_doubt: bool = False) -> None:
    claimed = queue.claim(db, message.topic)
    assert claimed is not None
    queue.mark_failed(db, claimed, error, permanent=True, in_doubt=in_doubt)
    db.commit()


def test_an_admin_sees_the_areas_messages_newest_first_and_page_by_page(sign_in: SignIn, db: Session) -> None:
    ids = [publish(db).id for _ in range(3)]
    client = sign_in("alice", fleet="admin")

    first = client.get(URL, params={"limit": 2}).json()
    second = client.get(URL, params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert (first["total"], second["next_cursor"]) == (3, None)
    assert {"to", "body", "payload"}.isdisjoint(first["items"][0])


def test_messages_are_found_by_state_topic_and_text(sign_in: SignIn, db: Session) -> None:
    dead = publish(db, title="全滅しました")
    give_up(db, dead)
    retrying, waiting = publish(db, recipient="sato@example.com"), publish(db, "slack", recipient="#fleet-alerts")
    claimed = queue.claim(db, "mail")
    assert claimed is not None
    queue.mark_failed(db, claimed, "あとで")
    sending = publish(db)
    queue.claim(db, "mail")
    db.commit()
    client = sign_in("alice", fleet="admin")

    def find(**filters: str) -> list[int]:
        return [item["id"] for item in client.get(URL, params=filters).json()["items"]]

    assert find(state="dead") == [dead.id]
    assert find(state="retrying") == [retrying.id]
    assert find(state="waiting") == [waiting.id]
    assert find(state="sending") == [sending.id]
    assert find(state="sent") == []
    assert find(topic="slack") == [waiting.id]
    assert find(q="SATO") == [retrying.id]
    assert find(q="全滅") == [dead.id]
    assert find(q="%") == []
    assert find(area="loaners") == []
    assert client.get(URL, params={"state": "lost"}).status_code == 422


def test_the_summary_counts_what_is_open_dead_and_sent_today(sign_in: SignIn, db: Session) -> None:
    give_up(db, publish(db))
    publish(db)
    done = publish(db)
    db.execute(update(OutboxMessage).where(OutboxMessage.id == done.id).values(sent_at=real_now()))
    db.commit()

    summary = sign_in("alice", fleet="admin").get(f"{URL}/summary").json()

    assert (summary["open"], summary["tried"], summary["dead"], summary["sent_today"]) == (1, 0, 1, 1)
    assert summary["oldest_open_at"] is not None


def test_a_message_shows_its_text_and_every_attempt(sign_in: SignIn, db: Session) -> None:
    give_up(db, publish(db), "別のお知らせ")
    message = publish(db, about=("alert", 7))
    give_up(db, message, "宛先を拒否されました（550）")
    client = sign_in("alice", fleet="admin")

    detail = client.get(f"{URL}/{message.id}").json()

    assert (detail["text"], detail["subject"], detail["subject_id"]) == ("本文です。", "alert", "7")
    [attempt] = detail["history"]
    assert (attempt["number"], attempt["outcome"]) == (1, "refused")
    assert attempt["error"] == detail["last_error"] == "宛先を拒否されました（550）"


def test_a_dead_letter_sent_again_arrives_under_the_same_key(
    sign_in: SignIn, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("alice", fleet="admin")
    with running_sandbox() as sandbox:
        sandbox_settings = settings().model_copy(update={"slack_base_url": sandbox.slack_url})
        monkeypatch.setattr(slack, "settings", lambda: sandbox_settings)
        message = publish(db, "slack", expires_at=app_now(db) + timedelta(hours=1))
        outbox_jobs.send_topic("slack")  # without a token: refused
        assert client.get(f"{URL}/{message.id}").json()["state"] == "dead"
        assert sandbox.posts() == []

        again = client.post(f"{URL}/{message.id}/resend")
        assert (again.status_code, again.json()["state"], again.json()["expires_at"]) == (200, "retrying", None)
        with_token = sandbox_settings.model_copy(update={"slack_bot_token": SecretStr(TOKEN)})
        monkeypatch.setattr(slack, "settings", lambda: with_token)
        outbox_jobs.send_topic("slack")

        [post] = sandbox.posts()
        assert post["metadata"]["event_payload"]["key"] == str(message.key)
    detail = client.get(f"{URL}/{message.id}").json()
    assert (detail["state"], [attempt["outcome"] for attempt in detail["history"]]) == ("sent", ["sent", "refused"])
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "message")).one()
    assert (entry.actor, entry.action, entry.area) == ("alice", "status_change", "fleet")
    assert entry.subject_id == str(message.id)
    assert entry.before is not None
    assert entry.before["state"] == "dead"


def test_a_dead_letter_in_doubt_is_sent_again_when_a_user_insists(sign_in: SignIn, db: Session) -> None:
    message = publish(db)
    give_up(db, message, in_doubt=True)

    sign_in("alice", fleet="admin").post(f"{URL}/{message.id}/resend")

    db.expire_all()
    claimed = queue.claim(db, "mail")
    assert claimed is not None
    assert (claimed.in_doubt, claimed.insisted, claimed.tries) == (True, True, 1)


def test_a_dead_letter_is_discarded_with_a_reason(sign_in: SignIn, db: Session) -> None:
    message = publish(db)
    give_up(db, message)
    client = sign_in("alice", fleet="admin")

    assert client.post(f"{URL}/{message.id}/discard", json={"reason": "  "}).status_code == 422
    discarded = client.post(f"{URL}/{message.id}/discard", json={"reason": "電話で伝えました"}).json()

    assert (discarded["state"], discarded["discard_reason"]) == ("discarded", "電話で伝えました")
    assert discarded["decided_by"] == "alice さん"
    assert discarded["dead_at"] is not None
    counts = client.get(f"{URL}/summary").json()
    assert (counts["dead"], counts["open"]) == (0, 0)
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "message")).one()
    assert entry.after == {"state": "discarded", "reason": "電話で伝えました"}


@pytest.mark.parametrize("action", ["resend", "discard"])
def test_only_a_dead_letter_can_be_sent_again_or_discarded(sign_in: SignIn, db: Session, action: str) -> None:
    waiting, discarded = publish(db, "slack"), publish(db)
    give_up(db, discarded)
    client = sign_in("alice", fleet="admin")
    body = {"reason": "不要"} if action == "discard" else None
    assert client.post(f"{URL}/{discarded.id}/discard", json={"reason": "不要"}).status_code == 200

    for message in (waiting, discarded):
        refused = client.post(f"{URL}/{message.id}/{action}", json=body)
        assert refused.status_code == 409
        assert "送信失敗" in refused.json()["detail"]


def test_only_an_admin_sees_messages(sign_in: SignIn, db: Session) -> None:
    message = publish(db)
    client = sign_in("oscar", fleet="operator")

    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}/summary").status_code == 403
    assert client.get(f"{URL}/{message.id}").status_code == 403
    assert client.post(f"{URL}/{message.id}/resend").status_code == 403


@pytest.mark.usefixtures("two_areas")
def test_the_admin_of_another_area_sees_none_of_it(sign_in: SignIn, db: Session) -> None:
    message = publish(db)
    give_up(db, message)
    client = sign_in("charlie", loaners="admin")

    assert client.get(URL).json() == {"items": [], "total": 0, "next_cursor": None}
    assert client.get(URL, params={"area": "fleet", "q": "件名"}).json()["total"] == 0
    assert client.get(f"{URL}/summary").json()["dead"] == 0
    absent = client.get(f"{URL}/{2**62}").json()
    for answer in (
        client.get(f"{URL}/{message.id}"),
        client.post(f"{URL}/{message.id}/resend"),
        client.post(f"{URL}/{message.id}/discard", json={"reason": "不要"}),
    ):
        assert (answer.status_code, answer.json()) == (404, absent)


@pytest.mark.usefixtures("two_areas")
def test_an_admin_of_one_area_and_operator_of_another_sees_the_one_areas_messages(sign_in: SignIn, db: Session) -> None:
    publish(db)
    publish(db, area="loaners")

    page = sign_in("dora", loaners="admin", fleet="operator").get(URL).json()

    assert [item["area"] for item in page["items"]] == ["loaners"]


def test_the_database_hides_the_attempts_of_other_areas_too(db: Session) -> None:
    give_up(db, publish(db))
    set_scopes(db, Scopes(frozenset({"loaners"})))

    assert db.scalars(select(OutboxMessage.id)).all() == []
    assert db.scalars(select(OutboxAttempt.id)).all() == []
