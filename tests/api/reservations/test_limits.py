"""Rate limits for a model in a loop: neither a number nor the shops are flooded, customers read why, and staff are
notified once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.outbox.records import OutboxMessage
from service.reservations import settings as area_settings
from service.reservations.models import Assistant, Reservation
from service.reservations.outgoing.models import Message
from tests.api.reservations.test_assistants import REQUEST_ARGUMENTS, assistant, call
from tests.api.reservations.test_assistants_mcp import facts, refusal

__all__ = ["assistant"]


@pytest.fixture(autouse=True)
def support(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RESERVATIONS_SUPPORT_PHONE", "03-0000-0000")
    area_settings.settings.cache_clear()
    yield
    area_settings.settings.cache_clear()


def send_request(number: int, **fields: Any) -> Any:
    """Each number is a request of its own."""
    arguments = REQUEST_ARGUMENTS | {
        "client_request_id": f"loop-{number}",
        "starts_at": f"2031-01-15T{10 + number % 9}:00",
    }
    return call("request_reservation", **(arguments | fields))


def count(db: Session, model: type[Any]) -> int:
    return db.scalar(select(func.count()).select_from(model)) or 0


def slack(db: Session) -> list[str]:
    return [
        message.payload["text"]
        for message in db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "slack"))
        if message.subject == "assistant"
    ]


def test_a_model_in_a_loop_sends_a_number_five_sms_an_hour_and_not_a_thousand(
    db: Session, assistant: Assistant
) -> None:
    results = [send_request(number) for number in range(8)]

    assert [result.is_error for result in results] == [False] * 5 + [True] * 3
    message = refusal(results[5])
    assert message.startswith(
        "この電話番号での新しいお申し込みが続いたため、受け付けを一時止めています（1時間に5件まで）。"
    )
    assert "あと60分ほど待ってから" in message
    assert "カスタマーサポート（03-0000-0000）" in message
    assert "get_reservation_status" in message
    assert (count(db, Reservation), count(db, Message)) == (5, 5)


def test_a_reached_limit_is_notified_once(db: Session, assistant: Assistant) -> None:
    for number in range(9):
        send_request(number)

    [message] = slack(db)
    assert message.startswith("アシスタント「Claude」からの予約リクエストが上限に達したため、受け付けを止めています")
    assert "電話番号 09012345678: 1時間に5件まで。" in message
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.subject == "assistant"))
    assert (entry.actor, entry.subject_id) == ("アシスタント Claude", str(assistant.id))
    assert entry.after == {"name": "Claude", "reason": "予約リクエストの上限（電話番号 09012345678、1時間に5件）"}


def test_a_repeat_is_no_new_request(db: Session, assistant: Assistant) -> None:
    for _ in range(8):
        facts(send_request(0))
    # The same request under another id is the same reservation.
    for number in range(3):
        facts(send_request(0, client_request_id=f"again-{number}"))

    for number in range(1, 5):
        facts(send_request(number))
    assert (count(db, Reservation), slack(db)) == (5, [])
    facts(send_request(0))


def test_what_was_refused_for_another_reason_does_not_count(db: Session, assistant: Assistant) -> None:
    for number in range(8):
        refusal(send_request(number, plan="xl"))

    facts(send_request(1))


def test_a_token_has_a_limit_over_all_numbers(
    db: Session, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESERVATIONS_REQUESTS_PER_ASSISTANT", "3")
    area_settings.settings.cache_clear()

    results = [send_request(number, phone=f"090-2000-000{number}") for number in range(5)]

    assert [result.is_error for result in results] == [False] * 3 + [True] * 2
    assert "このアシスタントからの新しいお申し込みが続いたため" in refusal(results[3])
    assert len(slack(db)) == 1
    # A shared assistant has a higher limit.
    db.execute(update(Assistant).values(is_shared=True))
    db.commit()
    facts(send_request(5, phone="090-2000-0005"))


def test_after_the_hour_it_goes_on(db: Session, assistant: Assistant) -> None:
    for number in range(6):
        send_request(number)
    hour = timedelta(hours=1)
    db.execute(
        text("UPDATE throttles SET hits = ARRAY(SELECT hit - CAST(:hour AS interval) FROM unnest(hits) hit)"),
        {"hour": hour},
    )
    db.commit()

    facts(send_request(6))
