"""Bytes on their way in: from a request's body to a deposit, whoever sends them. All that is held meanwhile is a file
in the temp folder."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import IO

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from service.core.brief import brief
from service.core.db import Scopes
from service.core.files import deposit
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.problems import Malformed, Problem, TooLarge, TooSlow, Unavailable
from service.core.purposes import Purpose

# So long a sender may say nothing before we stop waiting.
SILENCE_SECONDS = 30.0
LONGEST_SECONDS = 3600.0
# Bodies on their way at once in one process: each has a file in the temp folder.
MOST_UPLOADS = 64
_BUFFER = 1024 * 1024

# Threads of their own, for checking and storing, and for what is quick: large files hold up nobody's short request.
_working = CapacityLimiter(4)
_writing = CapacityLimiter(8)
_uploads = asyncio.Semaphore(MOST_UPLOADS)


async def deposited(request: Request, purpose: Purpose, name: str) -> Deposit:
    """The body, checked and stored; its row is the caller's to write.

    Raises:
        TooLarge, TooSlow, Malformed: see `_receive`.
        UnsupportedMedia, Invalid: it is not what the purpose takes.
        Unavailable: too many are on their way, or the storage is away.
    """
    if _uploads.locked():
        raise Unavailable("ただいまファイルの受け取りが混み合っています。しばらく待ってから、もう一度お試しください。")
    async with _uploads:
        with tempfile.TemporaryFile() as spool:
            await _receive(request, spool, purpose)
            return await to_thread.run_sync(deposit.make, spool, purpose, name, limiter=_working)


async def kept(request: Request, scopes: Scopes, made: Deposit, add: Callable[[Session], File]) -> File:
    """The deposit's row, written by `add`. Bytes that get none, because it was refused or sent before, go at once;
    after any other failure the row may have been committed: then they stay, and are swept if it was not."""
    try:
        file = await brief(request, scopes, add)
    except Problem:
        await to_thread.run_sync(deposit.discard, made.storage_key, limiter=_working)
        raise
    if file.id != made.id:
        await to_thread.run_sync(deposit.discard, made.storage_key, limiter=_working)
    return file


async def _receive(request: Request, spool: IO[bytes], purpose: Purpose) -> None:
    """The body into the spool, as it comes.

    Raises:
        TooLarge: as soon as that is known.
        TooSlow: nothing came for a while.
        Malformed: it broke off.
    """
    too_large = TooLarge(
        f"ファイルが大きすぎます。{purpose.max_bytes // (1024 * 1024)}MB以下にして、もう一度送ってください。"
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > purpose.max_bytes:
        raise too_large
    body, buffer, received = aiter(request.stream()), bytearray(), 0
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    chunk = await anext(body, None)
                if chunk is None:
                    break
                received += len(chunk)
                if received > purpose.max_bytes:
                    raise too_large
                buffer += chunk
                if len(buffer) >= _BUFFER:
                    await to_thread.run_sync(spool.write, bytes(buffer), limiter=_writing)
                    buffer.clear()
    except TimeoutError:
        raise TooSlow("ファイルが届かなくなりました。通信の状態を確認して、もう一度送ってください。") from None
    except ClientDisconnect:
        raise Malformed("ファイルの送信が途中で切れました。もう一度送ってください。") from None
    await to_thread.run_sync(spool.write, bytes(buffer), limiter=_writing)
    await to_thread.run_sync(spool.flush, limiter=_writing)
