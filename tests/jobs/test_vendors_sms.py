"""SMS at a Twilio that misbehaves: exactly one arrives, and errors have messages for staff."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from jobs import outbox as outbox_jobs
from jobs.vendors import sms
from service.core.database.clock import real_now
from service.core.outbox.records import Settled
from tests.jobs.conftest import configure_clients
from tests.jobs.outbox_scene import PHONE, SMS, history, make_due, only_message, publish
from tests.sandbox.process import TWILIO_SID, TWILIO_TOKEN, Sandbox


def test_an_sms_goes_out_once_with_its_key_in_the_callback(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "sms")

    outbox_jobs.send_topic("sms")
    outbox_jobs.send_topic("sms")

    [received] = sandbox.sms()
    message = only_message(db)
    assert (received["to"], received["from"], received["body"]) == (PHONE, "+815000000000", SMS["body"])
    assert (received["effect"], received["validity"]) == (str(message.key), 600)
    assert received["callback"].startswith("http://127.0.0.1:8000/api/reservations/webhooks/twilio?effect=")
    assert message.external_id == received["sid"]
    assert [(result.outcome, result.external_id, result.answer) for result in results] == [
        ("sent", received["sid"], {"status": "queued"})
    ]


def test_a_request_is_the_same_as_that_of_twilios_own_client(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    outbox_jobs.send_topic("sms")
    official = Client(TWILIO_SID, TWILIO_TOKEN, http_client=TwilioHttpClient())
    official.api.base_url = sandbox.url

    official.messages.create(
        to=PHONE,
        from_="+815000000000",
        body=str(SMS["body"]),
        validity_period=600,
        status_callback=sandbox.sms()[0]["callback"],
    )

    own_entry, official_entry = sandbox.truth("twilio", "messages.create")
    assert own_entry["request"] == official_entry["request"]
    assert [message.body for message in official.messages.list(to=PHONE)] == [SMS["body"]] * 2


def test_a_messaging_service_chooses_the_sender_itself(
    db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, twilio_from="MG00000000000000000000000000000001")
    publish(db, "sms", payload={"to": PHONE, "body": "本文"})

    outbox_jobs.send_topic("sms")

    [received] = sandbox.sms()
    assert (received["messaging_service_sid"], received["from"]) == ("MG00000000000000000000000000000001", None)


def test_an_sms_whose_answer_was_lost_is_found_and_not_sent_again(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "drop", operation="messages.create", count=1)

    outbox_jobs.send_topic("sms")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("sms")

    [received] = sandbox.sms()
    assert history(db) == ["unknown", "found"]
    assert [result.external_id for result in results] == [received["sid"]]


def test_an_sms_that_never_arrived_is_sent_after_twilio_was_asked(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=500, count=1)

    outbox_jobs.send_topic("sms")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.sms()) == 1
    assert history(db) == ["unknown", "sent"]


def test_an_sms_that_was_taken_before_the_failure_is_found(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=503, done=True, count=1)

    outbox_jobs.send_topic("sms")
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.sms()) == 1
    assert history(db) == ["unknown", "found"]


def test_an_sms_whose_answer_came_too_late_is_found(
    db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, vendor_timeout_seconds=1)
    publish(db, "sms")
    sandbox.fault("twilio", "late", operation="messages.create", seconds=3, count=1)

    outbox_jobs.send_topic("sms")
    assert "1秒以内に終わりませんでした" in str(only_message(db).last_error)
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.sms()) == 1
    assert history(db) == ["unknown", "found"]


def test_of_an_sms_that_twilio_doubled_one_is_found(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "duplicate", operation="messages.create", count=1)
    sandbox.fault("twilio", "drop", operation="messages.create", count=1)

    outbox_jobs.send_topic("sms")
    make_due(db)
    outbox_jobs.send_topic("sms")

    duplicates = sandbox.sms()
    assert {entry["effect"] for entry in duplicates} == {str(only_message(db).key)}
    assert len(duplicates) == 2
    assert only_message(db).external_id in {entry["sid"] for entry in duplicates}


def test_the_same_text_an_hour_ago_is_another_sms(db: Session, sandbox: Sandbox) -> None:
    sandbox.clock(shift=-3600)
    publish(db, "sms")
    outbox_jobs.send_topic("sms")
    sandbox.clock(shift=0)
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=500, count=1)

    outbox_jobs.send_topic("sms")
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len({entry["effect"] for entry in sandbox.sms()}) == 2
    assert history(db) == ["sent", "unknown", "sent"]


def test_the_prefix_of_a_trial_account_is_ignored_in_the_comparison() -> None:
    trial = {"body": "Sent from your Twilio trial account - ご予約を受け付けました。\n番号 1"}

    assert sms._is_text(trial, "ご予約を受け付けました。\n番号 1 ")
    assert not sms._is_text(trial, "ご予約を取り消しました。")


def test_while_twilio_cannot_be_asked_nothing_is_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "drop", operation="messages.create", count=1)
    outbox_jobs.send_topic("sms")
    outage = sandbox.fault("twilio", "error", operation="messages.list", status=503)

    make_due(db)
    outbox_jobs.send_topic("sms")
    assert only_message(db).in_doubt
    sandbox.switch_off(outage)
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.sms()) == 1
    assert history(db) == ["unknown", "unknown", "found"]


def test_a_rate_limit_holds_the_topic_as_long_as_twilio_says(db: Session, sandbox: Sandbox) -> None:
    publish(db, "sms")
    publish(db, "sms", payload=SMS | {"body": "別の本文"})
    sandbox.fault("twilio", "error", status=429, retry_after=90, count=1)

    outbox_jobs.send_topic("sms")

    assert len(sandbox.truth("twilio", "messages.create")) == 1
    make_due(db)
    outbox_jobs.send_topic("sms")
    assert len(sandbox.sms()) == 2
    assert history(db) == ["rate_limited", "sent", "sent"]


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (21211, "予約の電話番号を確認し"),
        (21408, "Geo Permissions"),
        (21610, "受信を拒否しています"),
        (21614, "固定電話など"),
        (21635, "固定電話など"),
        (30005, "使われていない番号"),
        (30007, "通信会社がSMSを止めました"),
        (21999, "Twilio に拒否されました"),
    ],
)
def test_an_unreachable_number_is_a_dead_letter_at_once_with_its_code(
    db: Session, sandbox: Sandbox, results: list[Settled], code: int, phrase: str
) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=400, code=str(code), count=1)

    outbox_jobs.send_topic("sms")

    [result] = results
    assert (result.outcome, result.code, result.in_doubt) == ("dead", str(code), False)
    assert phrase in str(result.error)
    assert f"（{code}）" in str(result.error)


def test_twilios_error_texts_are_not_logged(
    db: Session, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twilio's error texts contain the number."""
    caplog.set_level(logging.DEBUG)
    number = "+819000021211"
    publish(db, "sms", payload=SMS | {"to": number})
    publish(db, "sms")
    sandbox.fault("twilio", "drop", operation="messages.create", count=1)

    outbox_jobs.send_topic("sms")
    outbox_jobs.send_topic("sms")
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.truth("twilio", "messages.list")) == 1
    logged = caplog.text + "".join(capsys.readouterr())
    secrets = [SMS["body"], TWILIO_TOKEN, number[1:], PHONE[1:], "予約番号"]
    assert [secret for secret in secrets if str(secret) in logged] == []


@pytest.mark.parametrize("code", [30001, 30003, 30008, 30022, 14107])
def test_a_temporary_error_is_tried_again(db: Session, sandbox: Sandbox, code: int) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=400, code=str(code), count=1)

    outbox_jobs.send_topic("sms")
    assert not only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("sms")

    assert len(sandbox.sms()) == 1
    assert history(db) == ["failed", "sent"]


def test_an_sms_has_three_repeats_after_1_5_and_15_minutes(
    db: Session, sandbox: Sandbox, results: list[Settled]
) -> None:
    publish(db, "sms")
    sandbox.fault("twilio", "error", operation="messages.create", status=400, code="30003")

    for minutes in (1, 5, 15):
        outbox_jobs.send_topic("sms")
        wait = only_message(db).next_attempt_at - real_now()
        assert timedelta(minutes=minutes, seconds=-10) < wait <= timedelta(minutes=minutes)
        assert results == []
        make_due(db)
    outbox_jobs.send_topic("sms")

    assert [(result.outcome, result.code) for result in results] == [("dead", "30003")]
    assert history(db) == ["failed"] * 4


def test_a_wrong_token_names_the_settings_to_check(
    db: Session, sandbox: Sandbox, results: list[Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_clients(monkeypatch, twilio_auth_token=SecretStr("another-token"))
    publish(db, "sms")

    outbox_jobs.send_topic("sms")

    [result] = results
    assert (result.outcome, result.code) == ("dead", "20003")
    assert "TWILIO_ACCOUNT_SIDとTWILIO_AUTH_TOKENを確認してください" in str(result.error)
    assert "another-token" not in str(result.error)


def test_without_settings_nothing_is_tried(db: Session, results: list[Settled]) -> None:
    publish(db, "sms")

    outbox_jobs.send_topic("sms")

    assert [result.code for result in results] == ["not_configured"]
    assert "TWILIO_ACCOUNT_SID" in str(only_message(db).last_error)
