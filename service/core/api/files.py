"""Files in and out. While bytes trickle, neither a connection nor a seat nor a thread is held."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from functools import partial
from typing import IO, Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from service.core.auth import Actor
from service.core.brief import SignedInBriefly, brief
from service.core.files import answers, deposit, names, records
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.problems import (
    RESPONSES,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    TooLarge,
    TooSlow,
    Unavailable,
)
from service.core.purposes import Kind, Purpose

PATH = "/api/core/files"
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

router = APIRouter(prefix=PATH, tags=["files"])

_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": _BYTES}},
    206: {"description": "The part asked for", "content": {"*/*": _BYTES}},
    304: {"description": "Not changed"},
    **{status: RESPONSES[status] for status in (400, 401, 404, 416, 422, 503)},
}


class FileAnswer(BaseModel):
    """`width` and `height` are of images as they are shown; `content_type` was told from the content."""

    id: uuid.UUID
    name: str
    size: int
    content_type: str
    width: int | None
    height: int | None


def described(file: File) -> FileAnswer:
    return FileAnswer.model_validate(file, from_attributes=True)


@router.put(
    "",
    status_code=201,
    responses={status: RESPONSES[status] for status in (400, 401, 403, 408, 409, 413, 415, 422, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": _BYTES},
        }
    },
)
async def upload(
    request: Request,
    actor: SignedInBriefly,
    name: Annotated[str, Query(min_length=1, max_length=1000)],
    purpose: Annotated[str, Query(max_length=64)],
    idempotency_key: Annotated[uuid.UUID | None, Header()] = None,
) -> FileAnswer:
    """The raw bytes of one file. It waits a day for being used by what it is meant for. An `Idempotency-Key` (a UUID)
    that was sent before is answered with the first file."""
    wanted = _purpose(actor, purpose)
    if idempotency_key:
        find = partial(records.find_repeat, by=actor, client_id=idempotency_key, purpose=wanted)
        if known := await brief(request, actor.scopes, find):
            return described(known)
    if _uploads.locked():
        raise Unavailable("ただいまファイルの受け取りが混み合っています。しばらく待ってから、もう一度お試しください。")
    async with _uploads:
        with tempfile.TemporaryFile() as spool:
            await _receive(request, spool, wanted)
            made = await to_thread.run_sync(deposit.make, spool, wanted, name, limiter=_working)
    try:
        file = await brief(
            request, actor.scopes, partial(records.add, by=actor, deposit=made, client_id=idempotency_key)
        )
    except Problem:
        await to_thread.run_sync(deposit.discard, made.storage_key, limiter=_working)
        raise  # after any other failure the row may have been committed: the bytes stay, and are swept if it was not
    if file.id != made.id:
        await to_thread.run_sync(deposit.discard, made.storage_key, limiter=_working)
    return described(file)


def _purpose(actor: Actor, key: str) -> Purpose:
    purpose = records.purposes().get(key)
    if purpose is None:
        message = "このファイルの用途（purpose）は使えません。画面を開き直して、もう一度送ってください。"
        raise Invalid(message, [("purpose", message)])
    if purpose.area not in actor.areas_where(purpose.permission):
        raise Forbidden(
            "お使いのアカウントには、このファイルを送る権限がありません。必要な場合は管理者に依頼してください。"
        )
    return purpose


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


@router.get(
    "/{file_id}",
    response_class=Response,
    responses=_ANSWERS,
)
async def download(
    request: Request, actor: SignedInBriefly, file_id: uuid.UUID, thumbnail: Annotated[bool, Query()] = False
) -> Response:
    """The file as it was stored, or, of an image, a small WebP of it. Understands Range and If-None-Match."""
    file = await brief(request, actor.scopes, partial(records.get_visible, by=actor, file_id=file_id))
    if thumbnail:
        return await _thumbnail(request, file)
    return await answers.answer(
        request.headers,
        key=file.storage_key,
        size=file.size,
        etag=file.sha256.hex(),
        content_type=file.content_type,
        name=file.name,
        # A PDF can run programs of its own, and a table is not for looking at in a browser.
        inline=Kind(file.content_type).is_image,
    )


async def _thumbnail(request: Request, file: File) -> Response:
    if not file.has_thumbnail:
        raise NotFound("このファイルには縮小画像がありません。ファイルそのものを開いてください。")
    key = deposit.thumbnail_key(file.storage_key)
    size = await to_thread.run_sync(storage().size, key, limiter=_writing)
    return await answers.answer(
        request.headers,
        key=key,
        size=size,
        etag=f"{file.sha256.hex()}-thumbnail",
        content_type=deposit.THUMBNAIL_TYPE.value,
        name=names.clean(file.name, deposit.THUMBNAIL_TYPE),
        inline=True,
    )
