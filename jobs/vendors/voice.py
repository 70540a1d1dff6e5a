"""Calls by Bland. It takes no key of ours that it would know a repeat by, and a second call does harm: a call carries
the key in its metadata, and Bland is asked for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, RateLimited, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import Line, not_configured, webhook
from service.core.outbox import Claimed
from service.core.settings import settings

# The list of calls says little of each: so many are looked at one by one, since the message was written.
LISTED, LOOKED_AT = 100, 10
# For clocks that differ.
SLACK = timedelta(minutes=1)
OVER = {"completed", "busy", "no-answer", "failed", "canceled", "cancelled"}
_KEY = "Bland に接続する権限がありません。BLAND_API_KEYを確認してください。"
_GONE = "Bland にこの通話がありません。Bland の管理画面で確認してください。"
WORDS = {
    401: _KEY,
    402: "Bland の残高が足りません。Bland の管理画面で確認してください。",
    403: _KEY,
    404: _GONE,
}


def send(message: Claimed) -> Sent:
    """By the payload's `do`: `call` places a call; `stop` ends one, and one that is over already counts as ended.
    Bland's id of the call.

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Bland or the line to it has it.
    """
    return _stop(message) if message.payload["do"] == "stop" else _place(message)


def reconcile(message: Claimed) -> Sent | NotSent | Unknown:
    """Looks at the calls to the number since the message was written. A call may be stopped twice."""
    if message.payload["do"] == "stop":
        return NotSent()
    line, number = Line("Bland"), _digits(message.payload["phone"])
    query = {"to_number": message.payload["phone"], "limit": LISTED, "ascending": "false", "sort_by": "created_at"}
    rows = _call(line, "GET", "/v1/calls", params=query).get("calls") or []
    recent = [
        row for row in rows if _digits(str(row.get("to", ""))) == number and _created(row) >= message.created_at - SLACK
    ]
    for row in recent[:LOOKED_AT]:
        call_id = str(row.get("call_id") or row.get("c_id"))
        if _effect(_details(line, call_id)) == str(message.key):
            return Sent(call_id)
    return NotSent() if len(recent) <= LOOKED_AT else Unknown()


def details(call_id: str) -> dict[str, Any]:
    """The call as Bland has it now.

    Raises:
        PermanentFailure: there is none (code 404), or Bland does not let us in.
        RateLimited, VendorFailure: it cannot be asked just now.
    """
    return dict(_details(Line("Bland"), call_id))


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
        # Whoever picks up says their name first. Repeats are the flow's, never Bland's: `retry` is not set.
        "wait_for_greeting": True,
        "voicemail": {"action": "hangup"},
        "webhook": webhook("bland"),
        "metadata": {"effect": str(message.key)},
    }
    given = {name: value for name, value in call.items() if value not in (None, "")}
    said = _call(Line("Bland"), "POST", "/v1/calls", json=given)
    if not said.get("call_id"):
        raise OutcomeUnknown("Bland の応答に通話の番号がありません。電話をかけたかどうかは分かりません。")
    return Sent(str(said["call_id"]))


def _stop(message: Claimed) -> Sent:
    line, call_id = Line("Bland"), str(message.payload["call_id"])
    try:
        _call(line, "POST", f"/v1/calls/{quote(call_id, safe='')}/stop")
    except RateLimited:
        raise
    except PermanentFailure as refused:
        if not _is_over(_details(line, call_id)):
            raise VendorFailure("Bland が通話を止められませんでした。", code=refused.code) from refused
    return Sent(call_id)


def _details(line: Line, call_id: str) -> Mapping[str, Any]:
    return _call(line, "GET", f"/v1/calls/{quote(call_id, safe='')}")


def _is_over(call: Mapping[str, Any]) -> bool:
    return bool(call.get("completed")) or call.get("status") in OVER


def _effect(call: Mapping[str, Any]) -> str | None:
    """Bland shows the metadata here or there, by its version."""
    for holder in (call, call.get("variables")):
        metadata = holder.get("metadata") if isinstance(holder, dict) else None
        if isinstance(metadata, dict) and metadata.get("effect"):
            return str(metadata["effect"])
    return None


def _created(row: Mapping[str, Any]) -> datetime:
    """A row that does not say when is looked at."""
    try:
        at = datetime.fromisoformat(str(row.get("created_at")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _call(line: Line, method: str, path: str, **given: Any) -> Mapping[str, Any]:
    config = settings()
    key = config.bland_api_key.get_secret_value()
    if not key:
        raise not_configured("Bland", "BLAND_API_KEY")
    url = config.bland_base_url + path
    said: Mapping[str, Any] = line.json(method, url, _refusal, headers={"authorization": key}, **given)
    return said


def _refusal(answer: httpx2.Response) -> PermanentFailure:
    """In words of our own: Bland's may name the number."""
    status = answer.status_code
    if answer.is_redirect or status == 405:
        return PermanentFailure(f"Bland の窓口が見つかりません。BLAND_BASE_URLを確認してください。（{status}）")
    what = WORDS.get(status, "Bland が電話を受け付けませんでした。電話番号を確認し、担当者から電話してください。")
    return PermanentFailure(f"{what}（{status}）", code=str(status))


VENDOR = Vendor(send, reconcile, when_unknown="stop")
