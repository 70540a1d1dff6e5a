"""Slack's Web API as slack-sdk uses it: form or JSON in, `{"ok": …}` out, mostly with status 200."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.connections import AbortedResponse
from sandbox.faults import ActiveSwitch
from sandbox.services import SandboxServices
from sandbox.store import Message, Store
from sandbox.vendors import Card

# The webhook of Slack's Events API.
EVENTS = "events"
ApiMethod = Callable[["Workspace", Mapping[str, Any], bool], tuple[str, dict[str, Any]]]


class Slack:
    name, title = "slack", "Slack"
    operations: tuple[str, ...] = (
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.replies",
        "conversations.list",
        "auth.test",
        EVENTS,
    )

    def __init__(self, services: SandboxServices, token: str, events_url: str = "", signing_secret: str = "") -> None:
        """With an `events_url` an app is subscribed to posts (Slack's Events API)."""
        self._services, self._token, self._events_url, self._secret = services, token, events_url, signing_secret

    def routes(self) -> list[BaseRoute]:
        store, faults, webhooks = self._services.store, self._services.faults, self._services.webhooks
        webhooks.register_signer(self.name, self._sign)

        def send_event(event: Mapping[str, Any]) -> None:
            if self._events_url:
                body = {"type": "event_callback", "event_id": f"Ev{event['ts']}", "event": event}
                webhooks.enqueue(self.name, EVENTS, self._events_url, json.dumps(body, ensure_ascii=False).encode())

        workspace = Workspace(store, send_event)
        methods: dict[str, ApiMethod] = {
            "chat.postMessage": Workspace.post,
            "chat.update": Workspace.update,
            "conversations.history": Workspace.history,
            "conversations.replies": Workspace.replies,
            "conversations.list": Workspace.channels,
            "auth.test": Workspace.auth_test,
        }

        async def call(request: Request) -> Response:
            method = request.path_params["method"]
            try:
                arguments = await _arguments(request)
            except ValueError:
                return _json_response({"ok": False, "error": "invalid_arguments"})

            def work(hold: bool) -> tuple[str, Response]:
                error = self._authentication_error(request)
                if error:
                    return "断った", _json_response({"ok": False, "error": error})
                if method not in methods:
                    return "断った", _json_response({"ok": False, "error": "unknown_method"})
                action, body = methods[method](workspace, arguments, hold)
                return action, _json_response(body)

            answer = await faults.handle_request(self.name, method, arguments, work, _fault_response, _response_text)
            return AbortedResponse() if answer is None else answer

        async def posts(_: Request) -> Response:
            return JSONResponse([self.as_json(message) for message in store.newest_messages(self.name, limit=1000)])

        return [Route("/slack/api/{method}", call, methods=["POST", "GET"]), Route("/slack/messages", posts)]

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        digest = hmac.new(self._secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={digest}"}

    def _authentication_error(self, request: Request) -> str | None:
        header = request.headers.get("authorization", "")
        if not header:
            return "not_authed"
        return None if header == f"Bearer {self._token}" else "invalid_auth"

    def card(self, message: Message) -> Card:
        post = message.content
        lines = _plain_text(post["text"]).splitlines()
        thread = self._thread(post)
        edited = [_plain_text(text) for text in post.get("earlier", [])]
        state = "・".join(
            label
            for label, applies in (
                ("スレッドへの返信", post.get("thread_ts")),
                ("チャンネルにも表示", post.get("broadcast")),
                (f"返信{len(thread):,}件", thread),
                (f"編集{len(edited):,}回", edited),
            )
            if applies
        )
        parts = ["\n".join(lines)]
        parts += [f"── 返信 {at}\n{_plain_text(text)}" for at, text in thread]
        parts += [f"── 編集前（{number}）\n{text}" for number, text in enumerate(edited, 1)]
        facts = [("チャンネル", f"#{post['channel_name']}（{post['channel']}）"), ("ts", post["ts"])]
        if post.get("thread_ts"):
            facts.append(("返信先のts", post["thread_ts"]))
        return Card(
            title=lines[0],
            where=f"#{post['channel_name']}",
            preview=" ".join(lines[1:]),
            text="\n\n".join(parts),
            facts=facts,
            state=state,
        )

    def _thread(self, post: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The replies to a post with their times, oldest first."""
        replies = self._services.store.messages_with_field(self.name, "thread_ts", post["ts"])
        return [(message.at, message.content["text"]) for message in replies]

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


class Workspace:
    """A channel is created by its first post. Only posting accepts a channel's name, as at Slack."""

    def __init__(self, store: Store, send_event: Callable[[Mapping[str, Any]], None]) -> None:
        self._store, self._send_event = store, send_event
        self._last_ts = 0.0

    def post(self, arguments: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
        channel, text = str(arguments.get("channel") or ""), str(arguments.get("text") or "")
        if not channel:
            return "断った", {"ok": False, "error": "channel_not_found"}
        if not text:
            return "断った", {"ok": False, "error": "no_text"}
        if len(text) > 40_000:
            return "断った", {"ok": False, "error": "msg_too_long"}
        names = {channel_id: name for name, channel_id in self._names().items()}
        if channel in names:
            name = names[channel]
        elif channel.startswith("#"):
            name = channel.removeprefix("#")
        else:
            return "断った", {"ok": False, "error": "channel_not_found"}
        # Unique and rising in the whole workspace; Slack's are so in one channel.
        self._last_ts = max(time.time(), self._last_ts + 0.000001)
        post: dict[str, Any] = {
            "channel": _channel_id(name),
            "channel_name": name,
            "ts": f"{self._last_ts:.6f}",
            "text": text,
            "metadata": arguments.get("metadata") or None,
        }
        if thread_ts := arguments.get("thread_ts"):
            root = self._find(post["channel"], str(thread_ts))
            if root is None:
                return "断った", {"ok": False, "error": "thread_not_found"}
            # A reply to a reply belongs to the same thread.
            post["thread_ts"] = root.content.get("thread_ts") or root.content["ts"]
            post["broadcast"] = arguments.get("reply_broadcast") in (True, "1", "true")
        metadata: dict[str, Any] = arguments.get("metadata") or {}
        key = metadata.get("event_payload", {}).get("key") or post["ts"]
        stored_id = self._store.add_message("slack", str(key), post, f"{name} {text}", hold=hold)
        public_post = _public_post(post)
        self._send_event(public_post | {"channel": post["channel"]})
        return (
            f"投稿{stored_id}を#{name}に{'預かった' if hold else '載せた'}",
            {"ok": True, "channel": post["channel"], "ts": post["ts"], "message": public_post},
        )

    def update(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """Replaces the text of a post; its metadata stays. Accepts a channel's id only, as at Slack."""
        channel, text = str(arguments.get("channel") or ""), str(arguments.get("text") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        message = self._find(channel, str(arguments.get("ts") or ""))
        if message is None:
            return "断った", {"ok": False, "error": "message_not_found"}
        if not text:
            return "断った", {"ok": False, "error": "no_text"}
        post = message.content
        if post["text"] != text:
            post = post | {"text": text, "earlier": [*post.get("earlier", []), post["text"]]}
            self._store.update_message(message.id, post, f"{post['channel_name']} {text}")
        return f"投稿{message.id}を書き換えた", {
            "ok": True,
            "channel": channel,
            "ts": post["ts"],
            "text": text,
            "message": _public_post(post),
        }

    def history(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """Without replies, except those that were also sent to the channel."""
        channel = str(arguments.get("channel") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        posts = [post for post in self._posts(channel) if not post.get("thread_ts") or post.get("broadcast")]
        return self._list_page(posts, arguments, "履歴")

    def replies(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """The first post of a thread and its replies, oldest first."""
        channel, ts = str(arguments.get("channel") or ""), str(arguments.get("ts") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        root = self._find(channel, ts)
        if root is None:
            return "断った", {"ok": False, "error": "thread_not_found"}
        first = root.content.get("thread_ts") or ts
        thread = [post for post in self._posts(channel) if first in (post["ts"], post.get("thread_ts"))]
        return self._list_page(thread[::-1], arguments, "スレッド", always_ts=first)

    def _list_page(
        self, posts: list[dict[str, Any]], arguments: Mapping[str, Any], title: str, always_ts: str = ""
    ) -> tuple[str, dict[str, Any]]:
        """A page of posts. `always_ts`: the post that is included however old it is."""
        oldest, limit = float(arguments.get("oldest") or 0), min(int(arguments.get("limit") or 100), 999)
        skip = int(arguments.get("cursor") or 0)
        matches = [post for post in posts if float(post["ts"]) > oldest or post["ts"] == always_ts]
        has_more = len(matches) > skip + limit
        with_metadata = arguments.get("include_all_metadata") in (True, "1", "true")
        return f"{title}{len(matches)}件を見せた", {
            "ok": True,
            "messages": [
                _public_post(post) | ({"metadata": post["metadata"]} if with_metadata and post["metadata"] else {})
                for post in matches[skip : skip + limit]
            ],
            "has_more": has_more,
            "response_metadata": {"next_cursor": str(skip + limit) if has_more else ""},
        }

    def _posts(self, channel: str) -> list[dict[str, Any]]:
        """Newest first."""
        messages = self._store.newest_messages("slack", limit=10_000)
        return [message.content for message in messages if message.content["channel"] == channel]

    def _find(self, channel: str, ts: str) -> Message | None:
        messages = self._store.messages_with_field("slack", "ts", ts)
        return next((message for message in messages if message.content["channel"] == channel), None)

    def channels(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        channels = [{"id": channel_id, "name": name, "is_channel": True} for name, channel_id in self._names().items()]
        return f"チャンネル{len(channels)}件を見せた", {
            "ok": True,
            "channels": channels,
            "response_metadata": {"next_cursor": ""},
        }

    def auth_test(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        return "名乗った", {
            "ok": True,
            "url": "https://sandbox.example/",
            "team": "Genba サンドボックス",
            "user": "genba",
            "team_id": "T0000000001",
            "user_id": "U0000000001",
            "bot_id": "B0000000001",
        }

    def _names(self) -> dict[str, str]:
        """Channel names and their ids. A held post already creates its channel."""
        rows = self._store.sql.execute(
            "SELECT DISTINCT json_extract(content, '$.channel_name') AS name FROM messages WHERE vendor = 'slack'"
        )
        return {row["name"]: _channel_id(row["name"]) for row in rows}


def _public_post(post: Mapping[str, Any]) -> dict[str, Any]:
    """A post as the API returns it."""
    public_post = {"type": "message", "ts": post["ts"], "text": post["text"]}
    if post.get("thread_ts"):
        public_post["thread_ts"] = post["thread_ts"]
    if post.get("broadcast"):
        public_post["subtype"] = "thread_broadcast"
    if post.get("earlier"):
        public_post["edited"] = {"user": "U0000000001", "ts": post["ts"]}
    return public_post


def _plain_text(text: str) -> str:
    """Slack's markup as plain text; a link's URL follows its text."""
    return html.unescape(re.sub(r"<([^|>]+)\|([^>]+)>", r"\2（\1）", text))


def _channel_id(channel_name: str) -> str:
    return "C" + hashlib.sha256(channel_name.encode()).hexdigest()[:10].upper()


async def _arguments(request: Request) -> dict[str, Any]:
    """The arguments as Slack accepts them: JSON, or a form whose structured fields are JSON texts."""
    if request.headers.get("content-type", "").startswith("application/json"):
        # slack-sdk sends the JSON content type and no body when a method has no arguments.
        body = json.loads(await request.body() or "{}")
        return dict(body) if isinstance(body, dict) else {}
    arguments: dict[str, Any] = dict(request.query_params)
    async with request.form() as form:
        arguments |= {name: value for name, value in form.items() if isinstance(value, str)}
    if isinstance(arguments.get("metadata"), str):
        arguments["metadata"] = json.loads(arguments["metadata"])
    return arguments


def _json_response(body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)


def _fault_response(fault: ActiveSwitch) -> Response:
    """429 is Slack's own format. A fault with a code has status 200, as Slack's errors have."""
    if fault.status == 429:
        return _json_response({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(fault.retry_after or 30)})
    if fault.code:
        return _json_response({"ok": False, "error": fault.code})
    return Response("upstream error", fault.status, media_type="text/plain")


def _response_text(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:200]}"
