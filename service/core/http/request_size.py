"""Request size limit: reads the body before the request takes a slot, so that a slow sender blocks no other request.

Routes that take files or verify a signature over the bytes read their bodies themselves, with limits of their own; they
and requests without a body pass through. A body that is too large or too slow is refused before any lookup.
"""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.http import problem_responses
from service.core.problems import Malformed, Problem, TooLarge, TooSlow, Unavailable

# As in the proxy (stack/production/Caddyfile): larger data is sent as a file.
MAX_BYTES = 2_000_000
MAX_SECONDS = 30.0
# Of all bodies together that this process is receiving or has in memory.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024


class RequestSizeLimit:
    """`streamed` matches the paths of routes that read their bodies themselves."""

    def __init__(self, app: ASGIApp, streamed: re.Pattern[str]) -> None:
        self.app = app
        self._streamed = streamed
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope) or self._streamed.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read_body(scope, receive, body)
            await self.app(scope, _replay_body(bytes(body), receive), send)
        except Problem as problem:  # only from `_read_body`: the app handles its own
            await problem_responses.problem_response(scope["path"], problem)(scope, receive, send)
        finally:
            self._buffered -= len(body)

    async def _read_body(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """
        Raises:
            TooLarge: the body exceeds MAX_BYTES, by its Content-Length or by what has come.
            TooSlow: the body did not come in time.
            Malformed: the connection broke off.
            Unavailable: MAX_BUFFERED_BYTES is reached.
        """
        if _content_length(scope) > MAX_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(MAX_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Malformed("送信が途中で切れました。もう一度送信してください。")
                    part: bytes = message.get("body", b"")
                    body += part
                    self._buffered += len(part)
                    if len(body) > MAX_BYTES:
                        raise _too_large()
                    if self._buffered > MAX_BUFFERED_BYTES:
                        raise Unavailable("ただいま混み合っています。しばらく待ってから、もう一度お試しください。")
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            raise TooSlow("本文が届かなくなりました。通信の状態を確認して、もう一度送信してください。") from None


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, and then what comes next: that the client has disconnected."""
    replayed = False

    async def receive_replayed() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_replayed


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _content_length(scope: Scope) -> int:
    header = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(header[:20]) if header.isdigit() else 0


def _too_large() -> TooLarge:
    return TooLarge(
        f"本文は{MAX_BYTES // 1_000_000}MB以内にしてください。大きなデータはファイルとして送信してください。"
    )
