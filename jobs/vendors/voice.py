"""Calls by Bland. Bland has no idempotency key, and a second call does harm: a call has the message's key in its
metadata, and an earlier attempt is found by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, RateLimited, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import VendorHttp, not_configured, webhook_url
from service.core.outbox import MESSAGE_KEY
from service.core.outbox.records import Claimed
from service.core.settings import settings

# The list of calls has few fields, so that up to LOOKED_AT calls since the message was created are fetched one by one.
LISTED, LOOKED_AT = 100, 10
# Tolerance for clocks that differ.
CLOCK_TOLERANCE = timedelta(minutes=1)
ENDED_STATUSES = {"completed", "busy", "no-answer", "failed", "canceled", "cancelled"}
_KEY = "Bland に接続する権限がありません。BLAND_API_KEYを確認してください。"
_NOT_FOUND = "Bland にこの通話がありません。Bland の管理画面で確認してください。"
ERROR_TEXTS = {
    401: _KEY,
    402: "Bland の残高が足りません。Bland の管理画面で確認してください。",
    403: _KEY,
    404: _NOT_FOUND,
}


def send(message: Claimed) -> Sent:
    """By the payload's `do`: `call` places a call; `stop` ends one, and succeeds when the call is over already. Returns
    Bland's id of the call.

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Bland answers, or the connection fails.
    """
    return _stop(message) if message.payload["do"] == "stop" else _place(message)


def reconcile(message: Claimed) -> Sent | NotSent | Unknown:
    """Looks for the key in the calls to the number since the message was created. Stopping a call twice is harmless."""
    if message.payload["do"] == "stop":
        return NotSent()
    http, number = VendorHttp("Bland"), _digits(message.payload["phone"])
    query = {"to_number": message.payload["phone"], "limit": LISTED, "ascending": "false", "sort_by": "created_at"}
    rows = _call(http, "GET", "/v1/calls", params=query).get("calls") or []
    recent = [
        row
        for row in rows
        if _digits(str(row.get("to", ""))) == number and _created(row) >= message.created_at - CLOCK_TOLERANCE
    ]
    for row in recent[:LOOKED_AT]:
        call_id = str(row.get("call_id") or row.get("c_id"))
        if _message_key(_details(http, call_id)) == str(message.key):
            return Sent(call_id)
    return NotSent() if len(recent) <= LOOKED_AT else Unknown()


def details(call_id: str) -> dict[str, Any]:
    """The current state of the call at Bland.

    Raises:
        PermanentFailure: it does not exist (code 404), or Bland refuses the credentials.
        RateLimited, VendorFailure: Bland cannot be queried now.
    """
    return dict(_details(VendorHttp("Bland"), call_id))


def _place(message: Claimed) -> Sent:
    config, payload = settings(), message.payload
    call = {
        "phone_number": payload["phone"],
        "task": payload["task"],
        "first_sentence": payload.get("first_sentence"),
        "language": payload.get("language", "ja"),
        "voice": config.bland_voice,
        "from": config.bland_from,
        "max_duration": payload.get("max_minutes"),
        "request_data": payload.get("request_data"),
        "analysis_schema": payload.get("analysis_schema"),
        # The called shop speaks first. Retries are made by the flow, never by Bland: `retry` is not set.
        "wait_for_greeting": True,
        "voicemail": {"action": "hangup"},
        "webhook": webhook_url("bland"),
        "metadata": {MESSAGE_KEY: str(message.key)},
    }
    body = {name: value for name, value in call.items() if value not in (None, "")}
    response = _call(VendorHttp("Bland"), "POST", "/v1/calls", json=body)
    if not response.get("call_id"):
        raise OutcomeUnknown("Bland の応答に通話の番号がありません。電話をかけたかどうかは分かりません。")
    return Sent(str(response["call_id"]))


def _stop(message: Claimed) -> Sent:
    http, call_id = VendorHttp("Bland"), str(message.payload["call_id"])
    try:
        _call(http, "POST", f"/v1/calls/{quote(call_id, safe='')}/stop")
    except RateLimited:
        raise
    except PermanentFailure as error:
        if not _is_over(_details(http, call_id)):
            raise VendorFailure("Bland が通話を止められませんでした。", code=error.code) from error
    return Sent(call_id)


def _details(http: VendorHttp, call_id: str) -> Mapping[str, Any]:
    return _call(http, "GET", f"/v1/calls/{quote(call_id, safe='')}")


def _is_over(call: Mapping[str, Any]) -> bool:
    return bool(call.get("completed")) or call.get("status") in ENDED_STATUSES


def _message_key(call: Mapping[str, Any]) -> str | None:
    """The message's key in the call's metadata, whose place depends on Bland's version."""
    for source in (call, call.get("variables")):
        metadata = source.get("metadata") if isinstance(source, dict) else None
        if isinstance(metadata, dict) and metadata.get(MESSAGE_KEY):
            return str(metadata[MESSAGE_KEY])
    return None


def _created(row: Mapping[str, Any]) -> datetime:
    """The creation time; the latest possible one when it is missing, so that the call is checked."""
    try:
        created_at = datetime.fromisoformat(str(row.get("created_at")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _call(http: VendorHttp, method: str, path: str, **options: Any) -> Mapping[str, Any]:
    config = settings()
    key = config.bland_api_key.get_secret_value()
    if not key:
        raise not_configured("Bland", "BLAND_API_KEY")
    url = config.bland_base_url + path
    response: Mapping[str, Any] = http.json(method, url, _refusal, headers={"authorization": key}, **options)
    return response


def _refusal(answer: httpx2.Response) -> PermanentFailure:
    """The error with our own text: Bland's texts may contain the telephone number."""
    status = answer.status_code
    if answer.is_redirect or status == 405:
        return PermanentFailure(f"Bland の窓口が見つかりません。BLAND_BASE_URLを確認してください。（{status}）")
    text = ERROR_TEXTS.get(status, "Bland が電話を受け付けませんでした。電話番号を確認し、担当者から電話してください。")
    return PermanentFailure(f"{text}（{status}）", code=str(status))


VENDOR = Vendor(send, reconcile, when_unknown="stop")
