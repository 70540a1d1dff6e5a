"""Twilio's SDK checks the sandbox's Twilio: what it sends, what is refused, and the signatures of callbacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.sandbox.process import TWILIO_SID, TWILIO_TOKEN, Sandbox, running_sandbox
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.waiting import wait_for

PHONE, SENDER = "+819012345678", "+815031234567"


class RedirectedHttpClient(TwilioHttpClient):
    """Twilio's own client, with another host."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=10)
        self._base = urlsplit(base_url)

    def request(self, method: str, url: str, *args: Any, **settings: Any) -> Any:
        redirected = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        return super().request(method, urlunsplit(redirected), *args, **settings)


def twilio_client(sandbox: Sandbox, token: str = TWILIO_TOKEN) -> Client:
    return Client(TWILIO_SID, token, http_client=RedirectedHttpClient(sandbox.url))


def send(sandbox: Sandbox, body: str = "ご予約を承りました。", to: str = PHONE, **settings: Any) -> str:
    return str(twilio_client(sandbox).messages.create(to=to, from_=SENDER, body=body, **settings).sid)


def statuses(sandbox: Sandbox, to: str = PHONE) -> list[str]:
    return [step["status"] for sms in sandbox.sms(to) for step in sms["history"]]


def test_a_message_is_accepted_sent_and_delivered(sandbox: Sandbox) -> None:
    sent = twilio_client(sandbox).messages.create(to=PHONE, from_=SENDER, body="あ" * 71)

    assert (sent.status, sent.error_code, sent.num_segments, sent.date_sent) == ("queued", None, "2", None)
    wait_for(lambda: twilio_client(sandbox).messages(sent.sid).fetch().status == "delivered")
    assert statuses(sandbox) == ["queued", "sent", "delivered"]
    fetched = twilio_client(sandbox).messages(sent.sid).fetch()
    assert (fetched.to, fetched.from_, fetched.body) == (PHONE, SENDER, "あ" * 71)
    assert fetched.date_sent is not None


@pytest.mark.parametrize(
    ("to", "settings", "status", "code"),
    [
        ("09012345678", {}, 400, 21211),
        ("+15005550001", {}, 400, 21211),
        ("+15005550009", {}, 400, 21614),
        ("+819000021610", {}, 400, 21610),
        (PHONE, {"body": "x" * 1601}, 400, 21617),
        (PHONE, {"body": " "}, 400, 21602),
        (PHONE, {"from_": ""}, 400, 21603),
        (PHONE, {"validity_period": 36_001}, 400, 20001),
        (PHONE, {"status_callback": "not-an-address"}, 400, 21609),
    ],
)
def test_twilio_refuses_by_its_own_codes(
    sandbox: Sandbox, to: str, settings: dict[str, Any], status: int, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio_client(sandbox).messages.create(**{"to": to, "from_": SENDER, "body": "x"} | settings)

    assert (refused.value.status, refused.value.code) == (status, code)
    assert sandbox.sms() == []


def test_a_wrong_token_is_refused_with_20003(sandbox: Sandbox) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio_client(sandbox, "wrong").messages.create(to=PHONE, from_=SENDER, body="x")

    assert (refused.value.status, refused.value.code) == (401, 20003)
    with pytest.raises(TwilioRestException) as unknown:
        twilio_client(sandbox).messages("SM" + "0" * 32).fetch()
    assert (unknown.value.status, unknown.value.code) == (404, 20404)


def test_a_script_decides_the_result_of_the_next_messages_to_a_number(sandbox: Sandbox) -> None:
    sandbox.script("sms", {"kind": "refused", "code": 21614}, {"kind": "failed", "code": 30008}, phone=PHONE)
    sandbox.script("sms", then={"kind": "undelivered", "code": 30003})

    with pytest.raises(TwilioRestException) as refused:
        send(sandbox)
    assert refused.value.code == 21614
    send(sandbox)
    send(sandbox)
    send(sandbox, to="+819000030006")
    wait_for(lambda: all(sms["status"] in ("undelivered", "failed") for sms in sandbox.sms()))

    assert statuses(sandbox) == ["queued", "failed", "queued", "sent", "undelivered"]
    assert [sms["error_code"] for sms in sandbox.sms()] == [30008, 30003, 30003]
    sandbox.http.delete("/_control/script")
    send(sandbox, to="+819000030005")
    wait_for(lambda: sandbox.sms("+819000030005")[0]["error_code"] == 30005)


def test_a_fault_can_be_repeated_or_not(sandbox: Sandbox) -> None:
    sandbox.fault("twilio", "error", operation="messages.create", status=429, count=1)
    sandbox.fault("twilio", "error", operation="messages.create", status=503, count=1)

    errors = []
    for _ in range(2):
        with pytest.raises(TwilioRestException) as failed:
            send(sandbox)
        errors.append((failed.value.status, failed.value.code))
    assert errors == [(429, 20429), (503, 20500)]
    send(sandbox)
    assert len(sandbox.sms()) == 1


def test_a_message_that_is_not_delivered_in_time_is_given_up(sandbox: Sandbox) -> None:
    sandbox.script("sms", "stuck", {"kind": "delivered", "seconds": 3000}, phone=PHONE)
    send(sandbox, validity_period=600)
    send(sandbox, validity_period=600)
    wait_for(lambda: sandbox.sms()[0]["status"] == "sent")

    sandbox.clock(advance=599)
    wait_for(lambda: sandbox.truth("twilio", "message"))
    assert [sms["status"] for sms in sandbox.sms()] == ["sent", "queued"]
    sandbox.clock(advance=601)
    wait_for(lambda: sandbox.sms()[1]["status"] == "failed")

    assert [(sms["status"], sms["error_code"]) for sms in sandbox.sms()] == [("undelivered", 30036), ("failed", 30036)]


def test_callbacks_are_signed_over_the_whole_url(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    url = f"{receiver.url}twilio?effect=k-1&x=%E3%81%82"
    send(sandbox, status_callback=url)
    wait_for(lambda: len(receiver.received) == 2)

    validator = RequestValidator(TWILIO_TOKEN)
    for (headers, _), form, status in zip(receiver.received, receiver.forms(), ("sent", "delivered"), strict=True):
        assert (form["MessageStatus"], form["To"], form["AccountSid"]) == (status, PHONE, TWILIO_SID)
        assert validator.validate(url, form, headers["X-Twilio-Signature"])
        assert not validator.validate(url, form | {"MessageStatus": "failed"}, headers["X-Twilio-Signature"])
        assert not validator.validate(f"{receiver.url}twilio?effect=k-2", form, headers["X-Twilio-Signature"])
        assert not RequestValidator("another").validate(url, form, headers["X-Twilio-Signature"])
    assert "ErrorCode" not in receiver.forms()[1]
    assert [sms["effect"] for sms in sandbox.sms()] == ["k-1"]
    assert receiver.paths[0] == "/twilio?effect=k-1&x=%E3%81%82"


def test_a_callback_has_the_error_code_and_is_not_retried(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    receiver.statuses += [500, 500]
    send(sandbox, to="+819000030005", status_callback=receiver.url)
    wait_for(lambda: len(receiver.received) == 2)

    assert [form.get("ErrorCode") for form in receiver.forms()] == [None, "30005"]
    wait_for(lambda: all(webhook["done"] for webhook in sandbox.webhooks("twilio")))
    assert [webhook["tries"] for webhook in sandbox.webhooks("twilio")] == [1, 1]


def test_callbacks_are_withheld_repeated_reordered_and_sent_again(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.fault("twilio", "drop", operation="callback:sent", count=1)
    sandbox.fault("twilio", "duplicate", operation="callback:delivered", count=1)
    send(sandbox, status_callback=receiver.url)
    wait_for(lambda: len(receiver.received) == 2)
    [withheld] = sandbox.webhooks("twilio", "callback:sent")
    switch = sandbox.fault("twilio", "reorder", operation="callback")
    send(sandbox, status_callback=receiver.url)
    wait_for(lambda: sum(webhook["held"] for webhook in sandbox.webhooks("twilio")) == 2)
    sandbox.switch_off(switch)
    wait_for(lambda: len(receiver.received) == 4)
    sandbox.send_again(withheld["id"], times=2)
    wait_for(lambda: len(receiver.received) == 6)

    sent_statuses = [form["MessageStatus"] for form in receiver.forms()]
    assert sent_statuses == ["delivered", "delivered", "delivered", "sent", "sent", "sent"]


def test_redirected_callbacks_are_signed_for_the_requested_url(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    requested_url = "https://genba.example/api/hooks?effect=k-9"
    sandbox.target("twilio", f"{receiver.url}inside")
    try:
        send(sandbox, status_callback=requested_url)
        wait_for(lambda: receiver.received)
    finally:
        sandbox.target("twilio", "")

    assert receiver.paths[0] == "/inside?effect=k-9"
    assert RequestValidator(TWILIO_TOKEN).validate(
        requested_url, receiver.forms()[0], receiver.received[0][0]["X-Twilio-Signature"]
    )


def test_messages_are_listed_by_number_and_time_page_by_page(sandbox: Sandbox) -> None:
    started_at = datetime.now(UTC)
    sids = [send(sandbox, f"{number}通目") for number in range(5)]
    send(sandbox, to="+819099999999")
    client = twilio_client(sandbox)

    assert [message.sid for message in client.messages.list(to=PHONE, date_sent_after=started_at, page_size=2)] == sids[
        ::-1
    ]
    assert client.messages.list(to=PHONE, date_sent_after=started_at + timedelta(minutes=1)) == []
    assert [message.sid for message in client.messages.list(to=PHONE, limit=1)] == sids[-1:]


def test_there_is_no_idempotency_a_repeat_is_a_second_message(sandbox: Sandbox) -> None:
    callback = "http://127.0.0.1:9/?effect=k-1"
    sandbox.fault("twilio", "drop", operation="messages.create", count=1)
    with pytest.raises(Exception, match="Connection aborted"):
        send(sandbox, status_callback=callback)
    send(sandbox, status_callback=callback)

    assert [sms["effect"] for sms in sandbox.sms(PHONE)] == ["k-1", "k-1"]
    assert "同じIDの2回目" in sandbox.http.get("/").text


def test_a_late_response_comes_after_the_callback(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.fault("twilio", "late", operation="messages.create", seconds=2, count=1)

    send(sandbox, status_callback=receiver.url)

    assert receiver.forms()[0]["MessageStatus"] == "sent"


@pytest.mark.deep
def test_a_message_continues_after_a_restart(tmp_path: Path) -> None:
    store = tmp_path / "sandbox.sqlite"
    with running_sandbox(store, pace=3) as first:
        send(first)
        first.process.kill()
        first.process.wait(10)
    with running_sandbox(store, pace=0.05) as second:
        wait_for(lambda: statuses(second) == ["queued", "sent", "delivered"])
