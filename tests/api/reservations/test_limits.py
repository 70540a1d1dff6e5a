"""A model in a loop: neither a number nor the shops are flooded, customers hear why, and people hear of it once."""

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
from service.reservations.assistants.models import Assistant
from service.reservations.flow.models import Reservation
from service.reservations.outgoing.models import Message
from tests.api.reservations.test_assistants import WISH, assistant, call
from tests.api.reservations.test_assistants_mcp import facts, refusal

__all__ = ["assistant"]


@pytest.fixture(autouse=True)
def support(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RESERVATIONS_SUPPORT_PHONE", "03-0000-0000")
    area_settings.settings.cache_clear()
    yield
    area_settings.settings.cache_clear()


def ask(number: int, **said: Any) -> Any:
    """Each a wish of its own."""
    wish = WISH | {"client_request_id": f"loop-{number}", "starts_at": f"2031-01-15T{10 + number % 9}:00"}
    return call("request_reservation", **(wish | said))


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
    said = [ask(number) for number in range(8)]

    assert [one.is_error for one in said] == [False] * 5 + [True] * 3
    words = refusal(said[5])
    assert words.startswith(
        "この電話番号での新しいお申し込みが続いたため、受け付けを一時止めています（1時間に5件まで）。"
    )
    assert "あと60分ほど待ってから" in words
    assert "カスタマーサポート（03-0000-0000）" in words
    assert "get_reservation_status" in words
    assert (count(db, Reservation), count(db, Message)) == (5, 5)


def test_that_a_limit_was_reached_is_told_people_once(db: Session, assistant: Assistant) -> None:
    for number in range(9):
        ask(number)

    [told] = slack(db)
    assert told.startswith("アシスタント「Claude」からの予約リクエストが上限に達したため、受け付けを止めています")
    assert "電話番号 09012345678: 1時間に5件まで。" in told
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.subject == "assistant"))
    assert (entry.actor, entry.subject_id) == ("アシスタント Claude", str(assistant.id))
    assert entry.after == {"name": "Claude", "reason": "予約リクエストの上限（電話番号 09012345678、1時間に5件）"}


def test_a_repeat_is_no_new_request(db: Session, assistant: Assistant) -> None:
    for _ in range(8):
        facts(ask(0))
    # The same wish under another id is the same reservation.
    for number in range(3):
        facts(ask(0, client_request_id=f"again-{number}"))

    for number in range(1, 5):
        facts(ask(number))
    assert (count(db, Reservation), slack(db)) == (5, [])
    facts(ask(0))


def test_what_was_refused_for_another_reason_does_not_count(db: Session, assistant: Assistant) -> None:
    for number in range(8):
        refusal(ask(number, plan="xl"))

    facts(ask(1))


def test_a_token_sends_only_so_many_to_whatever_numbers(
    db: Session, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESERVATIONS_REQUESTS_PER_ASSISTANT", "3")
    area_settings.settings.cache_clear()

    said = [ask(number, phone=f"090-2000-000{number}") for number in range(5)]

    assert [one.is_error for one in said] == [False] * 3 + [True] * 2
    assert "このアシスタントからの新しいお申し込みが続いたため" in refusal(said[3])
    assert len(slack(db)) == 1
    # Shared by many customers, it may more.
    db.execute(update(Assistant).values(is_shared=True))
    db.commit()
    facts(ask(5, phone="090-2000-0005"))


def test_after_the_hour_it_goes_on(db: Session, assistant: Assistant) -> None:
    for number in range(6):
        ask(number)
    hour = timedelta(hours=1)
    db.execute(
        text("UPDATE throttles SET hits = ARRAY(SELECT hit - CAST(:hour AS interval) FROM unnest(hits) hit)"),
        {"hour": hour},
    )
    db.commit()

    facts(ask(6))
