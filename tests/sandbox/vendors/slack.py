"""Slack's Web API as slack-sdk speaks it: form or JSON in, `{"ok": …}` out, mostly with status 200."""

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

from tests.sandbox.faults import Set
from tests.sandbox.house import House
from tests.sandbox.store import Message, Store
from tests.sandbox.vendors import Card
from tests.sandbox.wire import Cut

# The door by which Slack calls us.
EVENTS = "events"
Answer = Callable[["Workspace", Mapping[str, Any], bool], tuple[str, dict[str, Any]]]


class Slack:
    name, title = "slack", "Slack"
    doors: tuple[str, ...] = (
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.replies",
        "conversations.list",
        "auth.test",
        EVENTS,
    )

    def __init__(self, house: House, token: str, events_url: str = "", signing_secret: str = "") -> None:
        """With an `events_url` an app is subscribed to what is posted (Slack's Events API)."""
        self._house, self._token, self._events_url, self._secret = house, token, events_url, signing_secret

    def routes(self) -> list[BaseRoute]:
        store, faults, webhooks = self._house.store, self._house.faults, self._house.webhooks
        webhooks.signed_by(self.name, self._sign)

        def tell(event: Mapping[str, Any]) -> None:
            if self._events_url:
                body = {"type": "event_callback", "event_id": f"Ev{event['ts']}", "event": event}
                webhooks.enqueue(self.name, EVENTS, self._events_url, json.dumps(body, ensure_ascii=False).encode())

        workspace = Workspace(store, tell)
        methods: dict[str, Answer] = {
            "chat.postMessage": Workspace.post,
            "chat.update": Workspace.update,
            "conversations.history": Workspace.history,
            "conversations.replies": Workspace.replies,
            "conversations.list": Workspace.channels,
            "auth.test": Workspace.who_am_i,
        }

        async def call(request: Request) -> Response:
            method = request.path_params["method"]
            try:
                arguments = await _arguments(request)
            except ValueError:
                return _answered({"ok": False, "error": "invalid_arguments"})

            def work(hold: bool) -> tuple[str, Response]:
                refused = self._refusal(request)
                if refused:
                    return "断った", _answered({"ok": False, "error": refused})
                if method not in methods:
                    return "断った", _answered({"ok": False, "error": "unknown_method"})
                did, body = methods[method](workspace, arguments, hold)
                return did, _answered(body)

            answer = await faults.passing(self.name, method, arguments, work, _fault, _in_words)
            return Cut() if answer is None else answer

        async def posts(_: Request) -> Response:
            return JSONResponse([self.as_json(message) for message in store.newest(self.name, limit=1000)])

        return [Route("/slack/api/{method}", call, methods=["POST", "GET"]), Route("/slack/messages", posts)]

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        digest = hmac.new(self._secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={digest}"}

    def _refusal(self, request: Request) -> str | None:
        given = request.headers.get("authorization", "")
        if not given:
            return "not_authed"
        return None if given == f"Bearer {self._token}" else "invalid_auth"

    def card(self, message: Message) -> Card:
        post = message.content
        lines = _as_read(post["text"]).splitlines()
        thread = self._thread(post)
        edited = [_as_read(text) for text in post.get("earlier", [])]
        state = "・".join(
            word
            for word, so in (
                ("スレッドへの返信", post.get("thread_ts")),
                ("チャンネルにも表示", post.get("broadcast")),
                (f"返信{len(thread):,}件", thread),
                (f"編集{len(edited):,}回", edited),
            )
            if so
        )
        parts = ["\n".join(lines)]
        parts += [f"── 返信 {at}\n{_as_read(text)}" for at, text in thread]
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
        """The replies to a post with when they came, the first one first."""
        found = self._house.store.with_field(self.name, "thread_ts", post["ts"])
        return [(message.at, message.content["text"]) for message in found]

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


class Workspace:
    """Channels appear with their first post. A name is an address only for posting, as at Slack."""

    def __init__(self, store: Store, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._store, self._tell = store, tell
        self._last_ts = 0.0

    def post(self, arguments: Mapping[str, Any], hold: bool) -> tuple[str, dict[str, Any]]:
        channel, text = str(arguments.get("channel") or ""), str(arguments.get("text") or "")
        if not channel:
            return "断った", {"ok": False, "error": "channel_not_found"}
        if not text:
            return "断った", {"ok": False, "error": "no_text"}
        if len(text) > 40_000:
            return "断った", {"ok": False, "error": "msg_too_long"}
        names = {known: name for name, known in self._names().items()}
        if channel in names:
            name = names[channel]
        elif channel.startswith("#"):
            name = channel.removeprefix("#")
        else:
            return "断った", {"ok": False, "error": "channel_not_found"}
        # Unique within the workspace and rising, as Slack's are within a channel.
        self._last_ts = max(time.time(), self._last_ts + 0.000001)
        post: dict[str, Any] = {
            "channel": _id_of(name),
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
        kept = self._store.add("slack", str(key), post, f"{name} {text}", hold=hold)
        said = _seen(post)
        self._tell(said | {"channel": post["channel"]})
        return (
            f"投稿{kept}を#{name}に{'預かった' if hold else '載せた'}",
            {"ok": True, "channel": post["channel"], "ts": post["ts"], "message": said},
        )

    def update(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """Other words for a post; its metadata stays. A channel's name is no address here, as at Slack."""
        channel, text = str(arguments.get("channel") or ""), str(arguments.get("text") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        found = self._find(channel, str(arguments.get("ts") or ""))
        if found is None:
            return "断った", {"ok": False, "error": "message_not_found"}
        if not text:
            return "断った", {"ok": False, "error": "no_text"}
        post = found.content
        if post["text"] != text:
            post = post | {"text": text, "earlier": [*post.get("earlier", []), post["text"]]}
            self._store.rewrite(found.id, post, f"{post['channel_name']} {text}")
        return f"投稿{found.id}を書き換えた", {
            "ok": True,
            "channel": channel,
            "ts": post["ts"],
            "text": text,
            "message": _seen(post),
        }

    def history(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """Replies are not in it, but for those that were shown in the channel as well."""
        channel = str(arguments.get("channel") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        listed = [post for post in self._posts(channel) if not post.get("thread_ts") or post.get("broadcast")]
        return self._portion(listed, arguments, "履歴")

    def replies(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        """A thread, its first post and the oldest reply first."""
        channel, ts = str(arguments.get("channel") or ""), str(arguments.get("ts") or "")
        if channel not in self._names().values():
            return "断った", {"ok": False, "error": "channel_not_found"}
        root = self._find(channel, ts)
        if root is None:
            return "断った", {"ok": False, "error": "thread_not_found"}
        first = root.content.get("thread_ts") or ts
        thread = [post for post in self._posts(channel) if first in (post["ts"], post.get("thread_ts"))]
        return self._portion(thread[::-1], arguments, "スレッド", always=first)

    def _portion(
        self, listed: list[dict[str, Any]], arguments: Mapping[str, Any], what: str, always: str = ""
    ) -> tuple[str, dict[str, Any]]:
        """A page of posts. `always`: the ts of one that is shown however old it is."""
        oldest, limit = float(arguments.get("oldest") or 0), min(int(arguments.get("limit") or 100), 999)
        skip = int(arguments.get("cursor") or 0)
        found = [post for post in listed if float(post["ts"]) > oldest or post["ts"] == always]
        more = len(found) > skip + limit
        with_metadata = arguments.get("include_all_metadata") in (True, "1", "true")
        return f"{what}{len(found)}件を見せた", {
            "ok": True,
            "messages": [
                _seen(post) | ({"metadata": post["metadata"]} if with_metadata and post["metadata"] else {})
                for post in found[skip : skip + limit]
            ],
            "has_more": more,
            "response_metadata": {"next_cursor": str(skip + limit) if more else ""},
        }

    def _posts(self, channel: str) -> list[dict[str, Any]]:
        """The last one first."""
        found = self._store.newest("slack", limit=10_000)
        return [message.content for message in found if message.content["channel"] == channel]

    def _find(self, channel: str, ts: str) -> Message | None:
        found = self._store.with_field("slack", "ts", ts)
        return next((one for one in found if one.content["channel"] == channel), None)

    def channels(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
        listed = [{"id": known, "name": name, "is_channel": True} for name, known in self._names().items()]
        return f"チャンネル{len(listed)}件を見せた", {
            "ok": True,
            "channels": listed,
            "response_metadata": {"next_cursor": ""},
        }

    def who_am_i(self, arguments: Mapping[str, Any], _: bool) -> tuple[str, dict[str, Any]]:
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
        """Channel names and their ids. A post that is held back has made its channel all the same."""
        rows = self._store.sql.execute(
            "SELECT DISTINCT json_extract(content, '$.channel_name') AS name FROM messages WHERE vendor = 'slack'"
        )
        return {row["name"]: _id_of(row["name"]) for row in rows}


def _seen(post: Mapping[str, Any]) -> dict[str, Any]:
    """A post as others get it."""
    seen = {"type": "message", "ts": post["ts"], "text": post["text"]}
    if post.get("thread_ts"):
        seen["thread_ts"] = post["thread_ts"]
    if post.get("broadcast"):
        seen["subtype"] = "thread_broadcast"
    if post.get("earlier"):
        seen["edited"] = {"user": "U0000000001", "ts": post["ts"]}
    return seen


def _as_read(text: str) -> str:
    """Slack's markup as a reader sees it; where a link leads stands behind it."""
    return html.unescape(re.sub(r"<([^|>]+)\|([^>]+)>", r"\2（\1）", text))


def _id_of(channel_name: str) -> str:
    return "C" + hashlib.sha256(channel_name.encode()).hexdigest()[:10].upper()


async def _arguments(request: Request) -> dict[str, Any]:
    """As Slack takes them: JSON, or a form whose structured fields are JSON texts."""
    if request.headers.get("content-type", "").startswith("application/json"):
        # slack-sdk says JSON and sends nothing when a method takes no arguments.
        body = json.loads(await request.body() or "{}")
        return dict(body) if isinstance(body, dict) else {}
    given: dict[str, Any] = dict(request.query_params)
    async with request.form() as form:
        given |= {name: value for name, value in form.items() if isinstance(value, str)}
    if isinstance(given.get("metadata"), str):
        given["metadata"] = json.loads(given["metadata"])
    return given


def _answered(body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)


def _fault(fault: Set) -> Response:
    """429 is Slack's own; a code without a status of its own comes with 200, as Slack's refusals do."""
    if fault.status == 429:
        return _answered({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(fault.retry_after or 30)})
    if fault.code:
        return _answered({"ok": False, "error": fault.code})
    return Response("upstream error", fault.status, media_type="text/plain")


def _in_words(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:200]}"
