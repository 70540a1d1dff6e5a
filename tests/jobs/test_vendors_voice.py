"""Calls at a Bland that misbehaves: never two for one message, and an operator decides when the outcome is unknown."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import PermanentFailure, VendorFailure, voice
from service.core.outbox import messages
from service.core.outbox.records import Settled
from tests.jobs.conftest import configure_clients
from tests.jobs.outbox_scene import CALL, SHOP, history, make_due, only_message, publish
from tests.people import create_actor
from tests.sandbox.process import BLAND_KEY, Sandbox
from tests.waiting import wait_for


def test_a_call_is_placed_once_with_the_questions_for_the_shop(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, bland_voice="yuki", bland_from="+815011112222")
    publish(db, "voice")

    outbox_jobs.send_topic("voice")
    outbox_jobs.send_topic("voice")

    [entry] = sandbox.truth("bland", "calls.create")
    [call] = sandbox.calls()
    message = only_message(db)
    assert entry["request"] == {
        "phone_number": SHOP,
        "task": CALL["task"],
        "first_sentence": CALL["first_sentence"],
        "language": "ja",
        "voice": "yuki",
        "from": "+815011112222",
        "max_duration": 5,
        "request_data": CALL["request_data"],
        "analysis_schema": CALL["analysis_schema"],
        "wait_for_greeting": True,
        "voicemail": {"action": "hangup"},
        "webhook": "http://127.0.0.1:8000/api/reservations/webhooks/bland",
        "metadata": {"effect": str(message.key)},
    }
    assert call["call_id"] == message.external_id
    assert [(result.outcome, result.external_id, result.answer) for result in results] == [
        ("sent", call["call_id"], {})
    ]


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "error", "status": 502, "done": True}])
def test_a_call_whose_answer_was_lost_is_found_and_not_placed_again(
    db: Session, sandbox: Sandbox, results: list[Settled], fault: dict[str, Any]
) -> None:
    publish(db, "voice")
    sandbox.fault("bland", **fault, operation="calls.create", count=1)

    outbox_jobs.send_topic("voice")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("voice")

    [call] = sandbox.calls()
    assert history(db) == ["unknown", "found"]
    assert [result.external_id for result in results] == [call["call_id"]]


def test_a_call_that_was_not_placed_is_placed_after_bland_was_asked(db: Session, sandbox: Sandbox) -> None:
    publish(db, "voice")
    sandbox.fault("bland", "error", operation="calls.create", status=500, count=1)

    outbox_jobs.send_topic("voice")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("voice")

    assert len(sandbox.calls()) == 1
    assert history(db) == ["unknown", "sent"]


def test_another_call_to_the_same_shop_is_not_taken_for_it(
    db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "LOOKED_AT", 1)
    publish(db, "voice")
    outbox_jobs.send_topic("voice")
    publish(db, "voice")
    sandbox.fault("bland", "error", operation="calls.create", status=500, count=1)

    outbox_jobs.send_topic("voice")
    make_due(db)
    outbox_jobs.send_topic("voice")

    assert len({call["effect"] for call in sandbox.calls(SHOP)}) == 2
    assert history(db) == ["sent", "unknown", "sent"]


def test_while_bland_cannot_be_asked_no_call_is_placed(db: Session, sandbox: Sandbox) -> None:
    publish(db, "voice")
    sandbox.fault("bland", "drop", operation="calls.create", count=1)
    outbox_jobs.send_topic("voice")
    outage = sandbox.fault("bland", "error", operation="calls.get", status=503)

    make_due(db)
    outbox_jobs.send_topic("voice")
    assert only_message(db).in_doubt
    sandbox.switch_off(outage)
    make_due(db)
    outbox_jobs.send_topic("voice")

    assert len(sandbox.calls()) == 1
    assert history(db) == ["unknown", "unknown", "found"]


def test_an_operator_decides_when_there_are_too_many_calls(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "LOOKED_AT", 1)
    for _ in range(2):
        publish(db, "voice")
        outbox_jobs.send_topic("voice")
    results.clear()
    message = publish(db, "voice")
    sandbox.fault("bland", "error", operation="calls.create", status=500, count=1)
    outbox_jobs.send_topic("voice")
    make_due(db)

    outbox_jobs.send_topic("voice")

    assert [(result.outcome, result.in_doubt) for result in results] == [("dead", True)]
    assert "相手先に確認してから" in str(results[0].error)
    assert len(sandbox.calls()) == 2
    messages.resend(db, create_actor(db, "alice", fleet="admin"), message.id)
    db.commit()
    outbox_jobs.send_topic("voice")
    assert [result.outcome for result in results] == ["dead", "sent"]
    assert len(sandbox.calls()) == 3


def place(db: Session, sandbox: Sandbox, *answers: Any) -> str:
    """Places a call that the shop answers this way."""
    sandbox.script("shop", *answers, phone=SHOP)
    publish(db, "voice")
    outbox_jobs.send_topic("voice")
    return str(sandbox.calls()[-1]["call_id"])


def await_status(call_id: str, *statuses: str) -> dict[str, Any]:
    def current_call() -> dict[str, Any] | None:
        call = voice.details(call_id)
        return call if call["status"] in statuses else None

    return wait_for(current_call, f"not {statuses}") or {}


def test_a_call_that_is_on_is_stopped(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    call_id = place(db, sandbox, {"kind": "ok", "seconds": 600})
    await_status(call_id, "in-progress")
    publish(db, "voice", payload={"do": "stop", "call_id": call_id})

    outbox_jobs.send_topic("voice")

    assert voice.details(call_id)["completed"]
    assert [(result.outcome, result.external_id) for result in results] == [("sent", call_id)] * 2


def test_a_call_that_is_over_counts_as_stopped(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    call_id = place(db, sandbox, "busy")
    await_status(call_id, "busy")
    publish(db, "voice", payload={"do": "stop", "call_id": call_id})

    outbox_jobs.send_topic("voice")

    assert [(result.outcome, result.external_id) for result in results] == [("sent", call_id)] * 2
    assert [entry["did"] for entry in sandbox.truth("bland", "calls.stop")] == [["断った"]]


def test_a_stop_whose_answer_was_lost_is_simply_repeated(db: Session, sandbox: Sandbox, results: list[Settled]) -> None:
    call_id = place(db, sandbox, {"kind": "ok", "seconds": 600})
    await_status(call_id, "in-progress")
    publish(db, "voice", payload={"do": "stop", "call_id": call_id})
    sandbox.fault("bland", "drop", operation="calls.stop", count=1)

    outbox_jobs.send_topic("voice")
    make_due(db)
    outbox_jobs.send_topic("voice")

    assert history(db) == ["sent", "unknown", "sent"]
    assert [result.outcome for result in results] == ["sent", "sent"]


def test_a_stop_that_bland_refuses_for_a_call_that_is_on_is_tried_again(db: Session, sandbox: Sandbox) -> None:
    call_id = place(db, sandbox, {"kind": "ok", "seconds": 600})
    await_status(call_id, "in-progress")
    publish(db, "voice", payload={"do": "stop", "call_id": call_id})
    sandbox.fault("bland", "error", operation="calls.stop", status=400, count=1)

    outbox_jobs.send_topic("voice")
    assert not voice.details(call_id)["completed"]
    make_due(db)
    outbox_jobs.send_topic("voice")

    assert voice.details(call_id)["completed"]
    assert history(db) == ["sent", "failed", "sent"]


def test_a_call_that_bland_does_not_know_cannot_be_stopped(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "voice", payload={"do": "stop", "call_id": "00000000-0000-0000-0000-000000000000"})

    outbox_jobs.send_topic("voice")

    assert [(result.outcome, result.code) for result in results] == [("dead", "404")]
    assert "この通話がありません" in str(results[0].error)


def test_a_call_is_read_as_bland_has_it(db: Session, sandbox: Sandbox) -> None:
    call_id = place(db, sandbox, "ok")

    call = await_status(call_id, "completed")

    assert (call["answered_by"], call["metadata"]["effect"]) == ("human", str(only_message(db).key))
    assert call["transcripts"]


def test_a_read_that_fails_leaves_nothing_in_doubt(sandbox: Sandbox) -> None:
    with pytest.raises(PermanentFailure) as absent:
        voice.details("00000000-0000-0000-0000-000000000000")
    sandbox.fault("bland", "error", operation="calls.get", status=500, count=1)
    with pytest.raises(VendorFailure) as failed:
        voice.details("00000000-0000-0000-0000-000000000000")
    sandbox.fault("bland", "drop", operation="calls.get", count=1)
    with pytest.raises(VendorFailure) as cut_off:
        voice.details("00000000-0000-0000-0000-000000000000")

    assert absent.value.code == "404"
    assert [type(error.value) for error in (failed, cut_off)] == [VendorFailure, VendorFailure]


def test_a_number_that_bland_refuses_is_a_dead_letter_with_a_message(
    db: Session,
    sandbox: Sandbox,
    results: list[Settled],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    publish(db, "voice", payload=CALL | {"phone": "0311112222"})

    outbox_jobs.send_topic("voice")

    [result] = results
    assert (result.outcome, result.code) == ("dead", "400")
    assert "電話番号を確認し、担当者から電話してください" in str(result.error)
    logged = caplog.text + "".join(capsys.readouterr())
    assert [secret for secret in ("0311112222", BLAND_KEY, "予約できるか") if secret in logged] == []


def test_a_rate_limit_holds_the_calls(db: Session, sandbox: Sandbox) -> None:
    publish(db, "voice")
    sandbox.fault("bland", "error", status=429, retry_after=60, count=1)

    outbox_jobs.send_topic("voice")
    outbox_jobs.send_topic("voice")

    assert sandbox.calls() == []
    assert history(db) == ["rate_limited"]


def test_a_wrong_key_names_the_setting_to_check(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, bland_api_key=SecretStr("another-key"))
    publish(db, "voice")

    outbox_jobs.send_topic("voice")

    assert [(result.outcome, result.code) for result in results] == [("dead", "401")]
    assert "BLAND_API_KEYを確認してください" in str(results[0].error)


def test_without_settings_nothing_is_tried(db: Session, results: list[Settled]) -> None:
    publish(db, "voice")

    outbox_jobs.send_topic("voice")

    assert [result.code for result in results] == ["not_configured"]
