"""The vendors' mail and Slack operations, used by their real clients, with every fault switch."""

from __future__ import annotations

import smtplib
import time
from email.message import EmailMessage
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.sandbox.process import TOKEN, Sandbox, running_sandbox


def slack_client(sandbox: Sandbox, token: str = TOKEN) -> WebClient:
    return WebClient(token, base_url=sandbox.slack_url, retry_handlers=[], timeout=10)


def post(sandbox: Sandbox, text: str) -> str:
    return str(slack_client(sandbox).chat_postMessage(channel="#fleet-alerts", text=text)["ts"])


def send_mail(sandbox: Sandbox, subject: str, message_id: str = "<1@genba>") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "genba@techcore.example", "support@techcore.example", subject
    mail["Message-ID"] = message_id
    mail.set_content("本文です。\n")
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as server:
        server.send_message(mail)


def test_slack_takes_posts_and_shows_them_in_the_channels_history(sandbox: Sandbox) -> None:
    client = slack_client(sandbox)
    metadata = {"event_type": "genba_message", "event_payload": {"key": "k-1"}}
    response = client.chat_postMessage(channel="#fleet-alerts", text="一つ目", metadata=metadata)
    client.chat_postMessage(channel=response["channel"], text="二つ目")
    client.chat_postMessage(channel="#general", text="別のチャンネル")

    channel_ids = {channel["name"]: channel["id"] for channel in client.conversations_list()["channels"]}
    assert channel_ids["fleet-alerts"] == response["channel"]
    newest = client.conversations_history(channel=response["channel"], limit=1, include_all_metadata=True)
    assert ([message["text"] for message in newest["messages"]], newest["has_more"]) == (["二つ目"], True)
    cursor = newest["response_metadata"]["next_cursor"]
    [first] = client.conversations_history(
        channel=response["channel"], limit=1, cursor=cursor, include_all_metadata=True
    )["messages"]
    assert (first["ts"], first["metadata"]) == (response["ts"], metadata)
    assert (
        client.conversations_history(channel=response["channel"], oldest=response["ts"])["messages"][0]["text"]
        == "二つ目"
    )
    assert client.auth_test()["ok"]


def test_slack_has_threads_which_the_channel_does_not_show(sandbox: Sandbox) -> None:
    client = slack_client(sandbox)
    metadata = {"event_type": "genba_message", "event_payload": {"key": "k-3"}}
    root = client.chat_postMessage(channel="#fleet-alerts", text="はじめ")
    channel, ts = root["channel"], root["ts"]
    reply = client.chat_postMessage(channel=channel, text="返信", thread_ts=ts, metadata=metadata)
    # A reply to a reply belongs to the same thread.
    broadcast = client.chat_postMessage(channel=channel, text="皆に", thread_ts=reply["ts"], reply_broadcast=True)

    assert reply["message"]["thread_ts"] == broadcast["message"]["thread_ts"] == ts
    messages = client.conversations_history(channel=channel)["messages"]
    assert [(message["text"], message.get("subtype")) for message in messages] == [
        ("皆に", "thread_broadcast"),
        ("はじめ", None),
    ]
    thread = client.conversations_replies(channel=channel, ts=ts, include_all_metadata=True)["messages"]
    assert [message["text"] for message in thread] == ["はじめ", "返信", "皆に"]
    assert thread[1]["metadata"] == metadata
    newer = client.conversations_replies(channel=channel, ts=ts, oldest=reply["ts"])["messages"]
    assert [message["text"] for message in newer] == ["はじめ", "皆に"]
    assert "返信2件" in sandbox.http.get("/").text


def test_slack_changes_a_posts_text_and_nothing_else(sandbox: Sandbox) -> None:
    client = slack_client(sandbox)
    metadata = {"event_type": "genba_message", "event_payload": {"key": "k-4"}}
    response = client.chat_postMessage(channel="#fleet-alerts", text="発生", metadata=metadata)
    client.chat_postMessage(channel="#fleet-alerts", text="あと")

    for _ in range(2):
        updated = client.chat_update(channel=response["channel"], ts=response["ts"], text="【解決済み】発生")
        assert (updated["ts"], updated["text"]) == (response["ts"], "【解決済み】発生")

    messages = client.conversations_history(channel=response["channel"], include_all_metadata=True)["messages"]
    assert [message["text"] for message in messages] == ["あと", "【解決済み】発生"]
    assert (messages[1]["metadata"], "edited" in messages[1], "edited" in messages[0]) == (metadata, True, False)
    page = sandbox.http.get(f"/messages/{sandbox.posts()[1]['id']}").text
    assert "編集1回" in page
    assert "編集前（1）\n発生" in page


def test_slack_takes_a_form_as_well_as_json(sandbox: Sandbox) -> None:
    response = sandbox.http.post(
        "/slack/api/chat.postMessage",
        data={"channel": "#fleet-alerts", "text": "フォーム", "metadata": '{"event_payload": {"key": "k-2"}}'},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )

    assert response.json()["ok"]
    assert sandbox.posts()[0]["metadata"]["event_payload"]["key"] == "k-2"


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "C0000000000", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#a"}, "no_text"),
        ("conversations.history", {"channel": "#fleet-alerts"}, "channel_not_found"),
        ("conversations.replies", {"channel": "#fleet-alerts", "ts": "1.0"}, "channel_not_found"),
        ("chat.update", {"channel": "#fleet-alerts", "ts": "1.0", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#a", "text": "x", "thread_ts": "1.0"}, "thread_not_found"),
        ("chat.fly", {}, "unknown_method"),
    ],
)
def test_slack_refuses_with_its_own_error_codes(
    sandbox: Sandbox, method: str, arguments: dict[str, str], error: str
) -> None:
    with pytest.raises(SlackApiError) as refused:
        slack_client(sandbox).api_call(method, json=arguments)

    assert refused.value.response["error"] == error


def test_slack_takes_its_own_token_only(sandbox: Sandbox) -> None:
    with pytest.raises(SlackApiError) as refused:
        slack_client(sandbox, "xoxb-stranger").auth_test()
    assert refused.value.response["error"] == "invalid_auth"
    assert sandbox.http.post("/slack/api/auth.test").json()["error"] == "not_authed"


def test_an_error_switch_answers_as_the_vendor_would_and_does_nothing(sandbox: Sandbox) -> None:
    sandbox.fault("slack", "error", status=429, retry_after=7, count=1)
    sandbox.fault("mail", "error", operation="RCPT", status=550, count=1)

    with pytest.raises(SlackApiError) as refused:
        post(sandbox, "x")
    assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (429, "7")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_mail(sandbox, "x")

    assert sandbox.posts() == sandbox.mails() == []
    assert sandbox.faults() == []
    [entry] = sandbox.truth("slack", "chat.postMessage")
    assert (entry["did"], entry["faults"]) == ([], ["エラー 429"])


def test_a_dropped_response_means_done_but_not_answered(sandbox: Sandbox) -> None:
    sandbox.fault("slack", "drop", count=1)
    sandbox.fault("mail", "drop", operation="DATA", count=1)

    with pytest.raises(RemoteDisconnected):
        post(sandbox, "届いた")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send_mail(sandbox, "届いた")

    assert len(sandbox.posts()) == len(sandbox.mails()) == 1
    for vendor, operation in (("slack", "chat.postMessage"), ("mail", "DATA")):
        [entry] = sandbox.truth(vendor, operation)
        assert (len(entry["did"]), entry["answer"]) == (1, "応答せずに切断")


def test_a_duplicate_is_done_twice_and_answered_once(sandbox: Sandbox) -> None:
    sandbox.fault("mail", "duplicate", operation="DATA", count=1)
    sandbox.fault("slack", "duplicate", operation="chat.postMessage", count=1)

    send_mail(sandbox, "二重")
    post(sandbox, "二重")

    assert [mail["repeat"] for mail in sandbox.mails()] == [1, 0]
    assert len(sandbox.posts()) == 2
    assert len(sandbox.truth("mail", "DATA")) == 1


def test_a_delay_keeps_the_caller_waiting(sandbox: Sandbox) -> None:
    sandbox.fault("slack", "delay", seconds=0.4, count=1)

    started_at = time.monotonic()
    post(sandbox, "x")

    assert time.monotonic() - started_at >= 0.4


@pytest.mark.parametrize("release", ["after its count", "when switched off"])
def test_held_messages_arrive_in_reverse_order(sandbox: Sandbox, release: str) -> None:
    switch = sandbox.fault(
        "slack", "reorder", operation="chat.postMessage", count=3 if release == "after its count" else None
    )

    first, second = post(sandbox, "一"), post(sandbox, "二")
    assert sandbox.posts() == []
    assert first < second
    third = post(sandbox, "三")
    if release == "when switched off":
        sandbox.switch_off(switch)

    assert [received["ts"] for received in reversed(sandbox.posts())] == [third, second, first]
    assert sandbox.faults() == []


def test_the_same_seed_gives_the_same_hits(sandbox: Sandbox) -> None:
    def hits() -> list[bool]:
        switch = sandbox.fault("mail", "duplicate", operation="DATA", probability=0.5, seed=7)
        for _ in range(12):
            send_mail(sandbox, "x")
        sandbox.switch_off(switch)
        results = [len(entry["did"]) == 2 for entry in sandbox.truth("mail", "DATA")]
        sandbox.reset()
        return results

    first_hits = hits()
    assert hits() == first_hits
    assert {True, False} == set(first_hits)


@pytest.mark.parametrize(
    "invalid",
    [
        {"vendor": "fax", "kind": "drop"},
        {"vendor": "mail", "operation": "chat.postMessage", "kind": "drop"},
        {"vendor": "mail", "kind": "explode"},
        {"vendor": "mail", "kind": "error", "status": 200},
        {"vendor": "mail", "kind": "drop", "probability": 0},
    ],
)
def test_an_invalid_switch_is_refused(sandbox: Sandbox, invalid: dict[str, object]) -> None:
    assert sandbox.http.post("/_control/faults", json=invalid).status_code == 422
    assert sandbox.faults() == []


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    store = tmp_path / "sandbox.sqlite"
    with running_sandbox(store) as first:
        send_mail(first, "前")
        first.fault("mail", "delay", seconds=1)
        first.process.kill()
        first.process.wait(10)
    with running_sandbox(store) as second:
        assert [mail["subject"] for mail in second.mails()] == ["前"]
        assert [fault["kind"] for fault in second.faults()] == ["delay"]
        assert len(second.truth("mail", "DATA")) == 1
