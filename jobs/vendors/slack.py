"""Slack by its Web API. Each message has the outbox key in its metadata, so that the channel's history shows whether an
earlier attempt arrived. A message that follows another (`Claimed.earlier`) is a reply in its thread, or an edit of it.

The bot needs the scopes chat:write, channels:read and channels:history; without the last two the history cannot be
read, and a message in doubt is sent again.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from jobs.vendors import (
    MOST_SECONDS,
    NotSent,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    Sent,
    Unknown,
    Vendor,
    VendorFailure,
)
from jobs.vendors.wire import request_header, retry_after
from service.core.outbox.records import Claimed
from service.core.settings import settings

TIMEOUT_SECONDS = 10
EVENT_TYPE = "genba_message"
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
# Errors on Slack's side; after any of them the message may have arrived nevertheless.
SERVER_ERRORS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
ERROR_TEXTS = {
    "channel_not_found": "チャンネルが見つかりません。チャンネル名を確認してください。",
    "not_in_channel": "ボットがチャンネルに参加していません。チャンネルに招待してください。",
    "is_archived": "チャンネルがアーカイブされています。",
    "invalid_auth": "ボットのトークン（SLACK_BOT_TOKEN）が正しくありません。",
    "not_authed": "ボットのトークン（SLACK_BOT_TOKEN）が設定されていません。",
    "token_revoked": "ボットのトークン（SLACK_BOT_TOKEN）が取り消されています。",
    "account_inactive": "ボットのアカウントが無効になっています。",
    "missing_scope": "ボットに必要な権限（スコープ）がありません。",
    "msg_too_long": "メッセージが長すぎます。",
    "message_not_found": "元のメッセージが見つかりません。Slackで削除された可能性があります。",
    "thread_not_found": "元のメッセージが見つかりません。Slackで削除された可能性があります。",
    "cant_update_message": "元のメッセージを書き換えられません。",
    "edit_window_closed": "Slackの設定により、元のメッセージを書き換えられる時間を過ぎています。",
}
# Pages of history that are searched for one message; with more, the outcome is unknown.
HISTORY_PAGES = 10

# The SDK would log each failed request; the outbox logs it once.
_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.CRITICAL)


def send(message: Claimed) -> Sent:
    """Posts the payload's `text` to its `channel` (a name with # or an id). Returns `channel:ts`, which identifies the
    message in Slack.

    A message that follows an earlier one is a reply in its thread, with `broadcast` also shown in the channel; with
    `do` = "edit" it replaces the earlier text. A reply to a message that was never sent is posted as a new message.

    Raises:
        PermanentFailure, RateLimited, OutcomeUnknown, VendorFailure: as Slack answers, or the connection fails.
    """
    payload = message.payload
    if payload.get("do") == "edit":
        return _edit(message)
    thread: dict[str, Any] = {}
    if message.earlier is not None:
        _, ts = _split_id(message.earlier)
        thread = {"thread_ts": ts} | ({"reply_broadcast": True} if payload.get("broadcast") else {})
    response = _call(
        "chat.postMessage",
        {
            "channel": payload["channel"],
            "text": payload["text"],
            "client_msg_id": str(message.key),
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": str(message.key)}},
            "unfurl_links": False,
        }
        | thread,
    )
    return Sent(f"{response['channel']}:{response['ts']}")


def _edit(message: Claimed) -> Sent:
    """Replaces the text; the message keeps its metadata and is still found by its own key."""
    if message.earlier is None:
        raise PermanentFailure("元のメッセージが送信されていないため、書き換えるものがありません。")
    channel, ts = _split_id(message.earlier)
    _call("chat.update", {"channel": channel, "ts": ts, "text": message.payload["text"]})
    return Sent(message.earlier)


def _split_id(external_id: str) -> tuple[str, str]:
    """Channel and ts."""
    channel, _, ts = external_id.partition(":")
    return channel, ts


def reconcile(message: Claimed) -> Sent | NotSent | Unknown:
    """Looks for the key in the history of the channel or thread since the message was created."""
    if message.payload.get("do") == "edit":
        # The same edit again does no harm.
        return NotSent()
    try:
        # A minute of slack for clocks that differ.
        query: dict[str, Any] = {"oldest": f"{message.created_at.timestamp() - 60:.6f}", "limit": 200}
        method = "conversations.history"
        if message.earlier is None:
            channel = _channel_id(message.payload["channel"])
        else:
            channel, query["ts"] = _split_id(message.earlier)
            method = "conversations.replies"
        if channel is None:
            return Unknown()
        for page in _pages(method, query | {"channel": channel, "include_all_metadata": True}):
            for posted in page["messages"]:
                metadata = posted.get("metadata") or {}
                if metadata.get("event_payload", {}).get("key") == str(message.key):
                    return Sent(f"{channel}:{posted['ts']}")
            if not page.get("has_more"):
                return NotSent()
    except PermanentFailure:
        pass
    return Unknown()


def _channel_id(channel_name: str) -> str | None:
    """The id of the channel, which the history needs; None when there is no such channel."""
    if CHANNEL_ID.fullmatch(channel_name):
        return channel_name
    query = {"limit": 1000, "exclude_archived": True, "types": "public_channel,private_channel"}
    for page in _pages("conversations.list", query):
        for channel in page["channels"]:
            if channel["name"] == channel_name.removeprefix("#"):
                return str(channel["id"])
    return None


def _pages(method: str, query: Mapping[str, Any]) -> Any:
    cursor, deadline = "", time.monotonic() + MOST_SECONDS / 2
    for _ in range(HISTORY_PAGES):
        if time.monotonic() > deadline:
            raise VendorFailure("Slack の応答に時間がかかりすぎています")
        page = _call(method, dict(query) | ({"cursor": cursor} if cursor else {}), as_form=True)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
        if not cursor:
            return


def _call(method: str, arguments: dict[str, Any], *, as_form: bool = False) -> dict[str, Any]:
    config = settings()
    client = WebClient(
        config.slack_bot_token.get_secret_value(),
        base_url=config.slack_base_url,
        timeout=TIMEOUT_SECONDS,
        # The SDK would retry a request whose response was lost, and post twice.
        retry_handlers=[],
        headers=request_header(),
        logger=_quiet,
    )
    try:
        answer = client.api_call(method, params=arguments) if as_form else client.api_call(method, json=arguments)
    except SlackApiError as error:
        raise _failure(error.response) from None
    except URLError as error:
        # Raised before the whole request was sent.
        raise VendorFailure(f"Slack に接続できません（{type(error.reason).__name__}）") from error
    except (OSError, HTTPException) as error:
        raise OutcomeUnknown("Slack の応答が途中で途切れました。届いたかどうかは分かりません。") from error
    data: dict[str, Any] = answer.data  # type: ignore[assignment]  # bytes only for file downloads
    return data


def _failure(response: Any) -> VendorFailure:
    """The failure for an error response. Slack answers `ok: false` with a code, mostly with status 200."""
    code = str(response.data.get("error", "")) if isinstance(response.data, dict) else ""
    if response.status_code == 429 or code in ("ratelimited", "rate_limited"):
        wait = retry_after(response.headers)
        return RateLimited(f"Slack の送信数の上限に達しました（{int(wait.total_seconds())}秒後に再開）", wait)
    # A text that is not a code is the SDK's error about a response that it could not read.
    if response.status_code >= 500 or code in SERVER_ERRORS or not re.fullmatch(r"[a-z_]+", code):
        return OutcomeUnknown(f"Slack 側で問題が起きています（{response.status_code}）")
    return PermanentFailure(f"{ERROR_TEXTS.get(code, 'Slack に拒否されました。')}（{code[:80]}）", code=code[:80])


VENDOR = Vendor(send, reconcile, when_unknown="send")
