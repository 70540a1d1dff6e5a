"""Uploads: from a request's body to a deposit. Meanwhile an upload holds only a temporary file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import IO

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from service.core.database.session import Scopes
from service.core.files import deposit
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.problems import Malformed, Problem, TooLarge, TooSlow, Unavailable
from service.core.purposes import Purpose
from service.core.routing.short_transactions import short_transaction

# The longest pause between two chunks.
SILENCE_SECONDS = 30.0
MAX_SECONDS = 3600.0
# Concurrent uploads in one process: each has a temporary file.
MAX_UPLOADS = 64
_BUFFER = 1024 * 1024

# Separate threads, for checking and storing and for quick writes, so that large files do not block short requests.
_working = CapacityLimiter(4)
_writing = CapacityLimiter(8)
_uploads = asyncio.Semaphore(MAX_UPLOADS)


async def receive_and_store(request: Request, purpose: Purpose, name: str) -> Deposit:
    """Receives, checks and stores the body; the caller writes the row.

    Raises:
        TooLarge, TooSlow, Malformed: see `_receive`.
        UnsupportedMedia, Invalid: the purpose does not accept the file.
        Unavailable: too many uploads are running, or the storage cannot be reached.
    """
    if _uploads.locked():
        raise Unavailable("ただいまファイルの受け取りが混み合っています。しばらく待ってから、もう一度お試しください。")
    async with _uploads:
        with tempfile.TemporaryFile() as spool:
            await _receive(request, spool, purpose)
            return await to_thread.run_sync(deposit.store, spool, purpose, name, limiter=_working)


async def save_file_row(
    request: Request, scopes: Scopes, deposited_file: Deposit, add: Callable[[Session], File]
) -> File:
    """Writes the deposit's row with `add`. When it is refused, or the file was sent before, the bytes are deleted at
    once. After any other failure the row may have been committed: the bytes stay, and are deleted later if it was
    not."""
    try:
        file = await short_transaction(request, scopes, add)
    except Problem:
        await to_thread.run_sync(deposit.discard, deposited_file.storage_key, limiter=_working)
        raise
    if file.id != deposited_file.id:
        await to_thread.run_sync(deposit.discard, deposited_file.storage_key, limiter=_working)
    return file


async def _receive(request: Request, spool: IO[bytes], purpose: Purpose) -> None:
    """Writes the body into the spool as it comes.

    Raises:
        TooLarge: by its Content-Length, or as soon as the limit is exceeded.
        TooSlow: nothing came for SILENCE_SECONDS, or the upload took too long.
        Malformed: the connection broke off.
    """
    too_large = TooLarge(
        f"ファイルが大きすぎます。{purpose.max_bytes // (1024 * 1024)}MB以下にして、もう一度送ってください。"
    )
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length[:20]) > purpose.max_bytes:
        raise too_large
    body, buffer, received = aiter(request.stream()), bytearray(), 0
    try:
        async with asyncio.timeout(MAX_SECONDS):
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
