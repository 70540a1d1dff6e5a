"""Bodies are read before a request takes a seat: whoever sends one byte a minute keeps nobody else waiting.

Doors that take files or judge bytes by their signature read for themselves, with limits of their own; they and whatever
has no body pass through. What is too large or too slow is refused here, before anything is looked up.
"""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core import problems
from service.core.problems import Malformed, Problem, TooLarge, TooSlow, Unavailable

# As the proxy says it (stack/production/Caddyfile): what is larger comes as a file.
MOST_BYTES = 2_000_000
LONGEST_SECONDS = 30.0
# Of all bodies that are on their way to this process, or wait in it.
MOST_HELD = 64 * 1024 * 1024


class Bodies:
    """`own` matches the paths of doors that read their bodies themselves."""

    def __init__(self, app: ASGIApp, own: re.Pattern[str]) -> None:
        self.app = app
        self._own = own
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope) or self._own.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read(scope, receive, body)
            await self.app(scope, _again(bytes(body), receive), send)
        except Problem as problem:  # of ours alone: the app answers its own
            await problems.answer(scope["path"], problem)(scope, receive, send)
        finally:
            self._held -= len(body)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """
        Raises:
            TooLarge: as soon as that is known.
            TooSlow: it did not come in time.
            Malformed: it broke off.
            Unavailable: too much is on its way already.
        """
        if _announced(scope) > MOST_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Malformed("送信が途中で切れました。もう一度送信してください。")
                    part: bytes = message.get("body", b"")
                    body += part
                    self._held += len(part)
                    if len(body) > MOST_BYTES:
                        raise _too_large()
                    if self._held > MOST_HELD:
                        raise Unavailable("ただいま混み合っています。しばらく待ってから、もう一度お試しください。")
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            raise TooSlow("本文が届かなくなりました。通信の状態を確認して、もう一度送信してください。") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, once more, and then whatever comes: that the caller has gone."""
    told = False

    async def once_more() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once_more


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _announced(scope: Scope) -> int:
    found = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(found[:20]) if found.isdigit() else 0


def _too_large() -> TooLarge:
    return TooLarge(
        f"本文は{MOST_BYTES // 1_000_000}MB以内にしてください。大きなデータはファイルとして送信してください。"
    )
