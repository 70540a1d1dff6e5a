"""Bland's calls: how they run, what a shop says, the webhook about them and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.sandbox.process import BLAND_KEY, BLAND_SECRET, Sandbox, running_sandbox
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.waiting import wait_for

SHOP = "+81312345678"
WISH = {
    "service": "ハウスクリーニング",
    "size": "2LDK",
    "date": "2026-12-01",
    "time": "14:00",
    "customer_name": "田中",
    "shop_name": "さくらクリーン 渋谷店",
}
SCHEMA = {
    "answer": "ok | refused | vague | change_requested",
    "quote": "string",
    "confirmed_time": "string",
    "staff_name": "string",
    "requested_change": "string",
}
KEY = {"authorization": BLAND_KEY}


def call_request(**changed: Any) -> dict[str, Any]:
    return {
        "phone_number": SHOP,
        "task": "予約を1件お願いする。",
        "language": "ja",
        "max_duration": 5,
        "request_data": WISH,
        "analysis_schema": SCHEMA,
        "metadata": {"effect": "k-1"},
    } | changed


def place(sandbox: Sandbox, **changed: Any) -> str:
    response = sandbox.http.post("/v1/calls", json=call_request(**changed), headers=KEY)
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "success"
    return str(response.json()["call_id"])


def details(sandbox: Sandbox, call_id: str) -> dict[str, Any]:
    call: dict[str, Any] = sandbox.http.get(f"/v1/calls/{call_id}", headers=KEY).json()
    return call


def await_end(sandbox: Sandbox, call_id: str) -> dict[str, Any]:
    wait_for(lambda: details(sandbox, call_id)["completed"])
    return details(sandbox, call_id)


def call_statuses(sandbox: Sandbox) -> list[list[str]]:
    return [[step["status"] for step in call["history"]] for call in sandbox.calls()]


def test_a_call_is_queued_rings_is_answered_and_ends(sandbox: Sandbox) -> None:
    call = await_end(sandbox, place(sandbox, first_sentence="お世話になっております。QRVです。"))

    assert call_statuses(sandbox) == [["queued", "ringing", "in-progress", "completed"]]
    assert (call["answered_by"], call["to"], call["metadata"]) == ("human", SHOP, {"effect": "k-1"})
    assert call["call_length"] > 0
    assert call["analysis"] == {
        "answer": "ok",
        "quote": "はい、12月1日（火）の14時からでお取りできます。",
        "confirmed_time": "2026-12-01T14:00",
        "staff_name": "佐藤",
        "requested_change": None,
    }
    lines = [(line["user"], line["text"]) for line in call["transcripts"]]
    assert lines[0] == ("user", "お電話ありがとうございます。さくらクリーン 渋谷店でございます。")
    assert lines[1] == ("assistant", "お世話になっております。QRVです。")
    wish = "12月1日（火）の14時から、ハウスクリーニング 2LDKを1件お願いできますでしょうか。お名前は田中様です。"
    assert ("assistant", wish) in lines
    assert ("user", call["analysis"]["quote"]) in lines
    assert call["analysis"]["quote"] in call["concatenated_transcript"]


@pytest.mark.parametrize(
    ("answer", "status", "answered_by", "outcome", "spoken"),
    [
        ("refused", "completed", "human", "refused", "お受けできません"),
        ("vague", "completed", "human", "vague", "では、お電話を切らせていただきます。ご連絡お待ちしております。"),
        ("change", "completed", "human", "change_requested", "承知しました。確認して折り返しご連絡いたします。"),
        ({"kind": "change", "size": "3LDK"}, "completed", "human", "change_requested", "3LDKでのご案内"),
        ("ok_without_name", "completed", "human", "ok", "そのままお越しください"),
        ({"kind": "slow", "seconds": 0.1}, "completed", "human", "ok", "もう少々お待ちください"),
        ("hang_up", "completed", "human", None, "今ちょっと"),
        ("voicemail", "completed", "voicemail", None, "発信音のあとに"),
        ("busy", "busy", "busy", None, ""),
        ("no_answer", "no-answer", "no-answer", None, ""),
        ("failed", "failed", "unknown", None, ""),
    ],
)
def test_a_shop_answers_as_its_script_says(
    sandbox: Sandbox, answer: Any, status: str, answered_by: str, outcome: str | None, spoken: str
) -> None:
    sandbox.script("shop", answer, phone=SHOP)

    call = await_end(sandbox, place(sandbox))

    assert (call["status"], call["answered_by"]) == (status, answered_by)
    assert (call["analysis"] or {}).get("answer") == outcome
    assert spoken in call["concatenated_transcript"]
    if outcome:
        assert call["analysis"]["quote"] in call["concatenated_transcript"]
    else:
        assert call["analysis"] in (None, dict.fromkeys(SCHEMA))


def test_a_change_that_the_shop_requests_is_in_the_analysis(sandbox: Sandbox) -> None:
    sandbox.script("shop", "change", {"kind": "change", "time": "16:30"}, {"kind": "change_size", "size": "3LDK"})
    changes = [await_end(sandbox, place(sandbox))["analysis"] for _ in range(3)]

    assert [analysis["requested_change"] for analysis in changes] == [
        "開始時間を14時30分に変更",
        "開始時間を16時30分に変更",
        "サイズを3LDKに変更",
    ]


@pytest.mark.parametrize(
    ("wish", "spoken", "confirmed"),
    [
        (
            {"start": "2026-12-31T23:30:00Z", "service_name": "エアコン清掃"},
            "1月1日（金）の8時30分から、エアコン清掃を",
            "2027-01-01T08:30",
        ),
        (
            {"date": "来週の月曜日", "time": "午後2時", "service": "庭木の剪定"},
            "来週の月曜日の午後2時から、庭木の剪定を",
            None,
        ),
        ({}, "ご希望の日時から、ご予約を1件", None),
    ],
)
def test_a_conversation_uses_the_details_of_the_request(
    sandbox: Sandbox, wish: dict[str, str], spoken: str, confirmed: str | None
) -> None:
    call = await_end(sandbox, place(sandbox, request_data=wish))

    assert spoken in call["concatenated_transcript"]
    assert (call["analysis"]["answer"], call["analysis"]["confirmed_time"]) == ("ok", confirmed)


def test_a_script_is_a_queue_with_an_answer_for_afterwards(sandbox: Sandbox) -> None:
    sandbox.script("shop", "busy", {"kind": "ok", "staff": "鈴木", "time": "15:00"}, phone=SHOP, then="refused")
    sandbox.script("shop", then="vague")

    calls = [await_end(sandbox, place(sandbox)) for _ in range(4)]
    other_call = await_end(sandbox, place(sandbox, phone_number="+81399999999"))

    assert [(call["analysis"] or {}).get("answer") for call in calls] == [None, "ok", "refused", "refused"]
    assert (calls[1]["analysis"]["staff_name"], calls[1]["analysis"]["confirmed_time"]) == ("鈴木", "2026-12-01T15:00")
    assert other_call["analysis"]["answer"] == "vague"
    assert sandbox.http.post("/_control/script", json={"what": "shop", "next": ["sing"]}).status_code == 422


def test_the_model_can_be_wrong_about_what_was_said(sandbox: Sandbox) -> None:
    sandbox.script("shop", {"kind": "vague", "analysis": {"answer": "ok", "quote": "はい、承りました。"}})

    call = await_end(sandbox, place(sandbox))

    assert call["analysis"]["answer"] == "ok"
    assert call["analysis"]["quote"] not in call["concatenated_transcript"]


def test_a_number_in_another_call_is_busy_and_reported_as_overlapped(sandbox: Sandbox) -> None:
    sandbox.script("shop", {"kind": "ok", "seconds": 60}, phone=SHOP)
    first = place(sandbox)
    wait_for(lambda: details(sandbox, first)["status"] == "in-progress")

    second = await_end(sandbox, place(sandbox))

    assert second["status"] == "busy"
    assert [call["overlapped"] for call in sandbox.calls(SHOP)] == [False, True]


def test_a_webhook_is_signed_over_its_bytes_and_not_retried(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    receiver.statuses.append(500)
    call_id = place(sandbox, webhook=f"{receiver.url}bland")
    wait_for(lambda: receiver.received)

    [(headers, body)] = receiver.received
    assert headers["X-Webhook-Signature"] == hmac.new(BLAND_SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert "お電話ありがとうございます" in body.decode()
    assert json.loads(body) == details(sandbox, call_id)
    wait_for(lambda: sandbox.webhooks("bland")[0]["done"])
    assert sandbox.webhooks("bland")[0]["tries"] == 1


def test_a_webhook_can_be_requested_again(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.fault("bland", "drop", operation="webhook", count=1)
    call_id = place(sandbox, webhook=receiver.url)
    await_end(sandbox, call_id)
    wait_for(lambda: sandbox.webhooks("bland")[0]["done"])
    assert receiver.received == []

    stored = sandbox.http.get(f"/v1/postcall/webhooks/{call_id}", headers=KEY).json()["data"]
    assert (stored["payload"], stored["url"]) == (details(sandbox, call_id), receiver.url)
    resent = sandbox.http.post("/v1/postcall/webhooks/resend", json={"call_ids": [call_id, "x"]}, headers=KEY).json()
    assert [webhook["call_id"] for webhook in resent["data"]] == [call_id]
    assert len(resent["errors"]) == 1
    wait_for(lambda: receiver.received)
    assert receiver.events()[0]["call_id"] == call_id
    assert sandbox.http.get("/v1/postcall/webhooks/x", headers=KEY).status_code == 404


def test_a_call_can_be_stopped_while_it_is_not_over(sandbox: Sandbox, receiver: WebhookReceiver) -> None:
    sandbox.script("shop", {"kind": "ok", "seconds": 60}, {"kind": "ask", "seconds": 60})
    talking = place(sandbox, webhook=receiver.url)
    wait_for(lambda: details(sandbox, talking)["status"] == "in-progress")
    ringing = place(sandbox, webhook=receiver.url, phone_number="+81311111111")
    wait_for(lambda: details(sandbox, ringing)["status"] == "ringing")

    for call_id in (talking, ringing):
        stopped = sandbox.http.post(f"/v1/calls/{call_id}/stop", headers=KEY)
        assert stopped.json() == {"status": "success", "message": "Call ended successfully."}
    wait_for(lambda: len(receiver.received) == 2)
    again = sandbox.http.post(f"/v1/calls/{talking}/stop", headers=KEY)
    assert (again.status_code, again.json()["message"]) == (400, "SID not found for the given c_id.")

    assert [(event["status"], event["completed"]) for event in receiver.events()] == [
        ("completed", True),
        ("canceled", True),
    ]
    assert all((event["analysis"] or {}).get("answer") is None for event in receiver.events())


def test_calls_are_listed_by_number_without_their_metadata(sandbox: Sandbox) -> None:
    ids = [place(sandbox) for _ in range(3)]
    place(sandbox, phone_number="+81399999999")

    page = sandbox.http.get("/v1/calls", params={"to_number": SHOP, "limit": 2}, headers=KEY).json()

    assert ([call["call_id"] for call in page["calls"]], page["total_count"]) == (ids[:0:-1], 3)
    assert page["calls"][0]["to"] == SHOP.removeprefix("+")
    assert not {"metadata", "transcripts", "analysis"} & set(page["calls"][0])
    next_page = sandbox.http.get(
        "/v1/calls", params={"to_number": SHOP, "from": 1, "ascending": "true"}, headers=KEY
    ).json()
    assert [call["call_id"] for call in next_page["calls"]] == ids[1:]


@pytest.mark.parametrize(
    "invalid",
    [
        {"phone_number": "0312345678"},
        {"task": ""},
        {"metadata": "k-1"},
        {"max_duration": -1},
    ],
)
def test_an_invalid_call_is_refused(sandbox: Sandbox, invalid: dict[str, Any]) -> None:
    response = sandbox.http.post("/v1/calls", json=call_request(**invalid), headers=KEY)

    assert (response.status_code, response.json()["status"]) == (400, "error")
    assert sandbox.calls() == []


def test_wrong_keys_and_unknown_calls_are_refused(sandbox: Sandbox) -> None:
    assert sandbox.http.post("/v1/calls", json=call_request()).status_code == 401
    assert sandbox.http.get("/v1/calls", headers={"authorization": "x"}).status_code == 401
    assert sandbox.http.get("/v1/calls/none", headers=KEY).status_code == 404
    sandbox.fault("bland", "error", operation="calls.create", status=429, retry_after=9, count=1)
    limited = sandbox.http.post("/v1/calls", json=call_request(), headers=KEY)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")


def test_a_visitor_can_answer_as_the_shop(sandbox: Sandbox) -> None:
    sandbox.script("shop", "ask", then="ask", phone=SHOP)
    call_id = place(sandbox)
    wait_for(lambda: details(sandbox, call_id)["status"] == "ringing")

    assert "電話が鳴っています" in sandbox.http.get("/shops").text
    form = {"kind": "change_time", "time": "16:00"}
    assert sandbox.http.post(f"/calls/{call_id}/answer", data=form).status_code == 303
    assert await_end(sandbox, call_id)["analysis"]["requested_change"] == "開始時間を16時に変更"
    assert sandbox.http.post(f"/calls/{call_id}/answer", data=form).status_code == 409

    unanswered = place(sandbox)
    wait_for(lambda: details(sandbox, unanswered)["status"] == "ringing")
    sandbox.clock(advance=60)
    assert await_end(sandbox, unanswered)["status"] == "no-answer"


def test_a_call_is_placed_even_when_the_response_is_lost(sandbox: Sandbox) -> None:
    sandbox.fault("bland", "drop", operation="calls.create", count=1)

    with pytest.raises(httpx2.RemoteProtocolError):
        place(sandbox)
    place(sandbox)

    assert [call["effect"] for call in sandbox.calls()] == ["k-1", "k-1"]


@pytest.mark.deep
def test_a_call_continues_after_a_restart(tmp_path: Path) -> None:
    store = tmp_path / "sandbox.sqlite"
    with running_sandbox(store, pace=10) as first:
        call_id = place(first)
        wait_for(lambda: details(first, call_id)["status"] == "ringing")
        first.process.kill()
        first.process.wait(10)
    with running_sandbox(store) as second:
        second.clock(advance=100)
        assert await_end(second, call_id)["analysis"]["answer"] == "ok"
