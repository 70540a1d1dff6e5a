"""Upload and download of files. During a transfer neither a connection nor a slot nor a thread is held."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from service.core.access.auth import Actor
from service.core.files import answers, deposit, incoming, names, records
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.http.problem_responses import refusals
from service.core.problems import Forbidden, Invalid, NotFound
from service.core.purposes import FileKind, Purpose
from service.core.routing.short_transactions import SignedInWithoutTransaction, short_transaction

PATH = "/api/core/files"

# Separate threads for quick calls, so that large files do not block short requests.
_quick_threads = CapacityLimiter(8)

router = APIRouter(prefix=PATH, tags=["files"])

_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_DOWNLOAD_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": _BYTES}},
    206: {"description": "The part asked for", "content": {"*/*": _BYTES}},
    304: {"description": "Not changed"},
    **refusals(400, 401, 404, 416, 422, 503),
}


class FileAnswer(BaseModel):
    """`width` and `height` are of images as shown; `content_type` was detected from the content."""

    id: uuid.UUID
    name: str
    size: int
    content_type: str
    width: int | None
    height: int | None


def file_answer(file: File) -> FileAnswer:
    return FileAnswer.model_validate(file, from_attributes=True)


@router.put(
    "",
    status_code=201,
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": _BYTES},
        }
    },
)
async def upload(
    request: Request,
    actor: SignedInWithoutTransaction,
    name: Annotated[str, Query(min_length=1, max_length=1000)],
    purpose: Annotated[str, Query(max_length=64)],
    idempotency_key: Annotated[uuid.UUID | None, Header()] = None,
) -> FileAnswer:
    """The raw bytes of one file. The file expires after a day unless it is attached to a record. A request with an
    `Idempotency-Key` (a UUID) that was used before gets the first file."""
    file_purpose = _purpose(actor, purpose)
    if idempotency_key:
        find = partial(records.find_repeat, by=actor, client_id=idempotency_key, purpose=file_purpose)
        if existing := await short_transaction(request, actor.scopes, find):
            return file_answer(existing)
    deposited_file = await incoming.receive_and_store(request, file_purpose, name)
    add = partial(records.add, by=actor, deposit=deposited_file, client_id=idempotency_key)
    file = await incoming.save_file_row(request, actor.scopes, deposited_file, add)
    return file_answer(file)


def _purpose(actor: Actor, key: str) -> Purpose:
    purpose = records.purposes().get(key)
    if purpose is None:
        raise Invalid.at_field(
            "purpose", "このファイルの用途（purpose）は使えません。画面を開き直して、もう一度送ってください。"
        )
    if purpose.area not in actor.areas_where(purpose.permission):
        raise Forbidden(
            "お使いのアカウントには、このファイルを送る権限がありません。必要な場合は管理者に依頼してください。"
        )
    return purpose


@router.get(
    "/{file_id}",
    response_class=Response,
    responses=_DOWNLOAD_RESPONSES,
)
async def download(
    request: Request, actor: SignedInWithoutTransaction, file_id: uuid.UUID, thumbnail: Annotated[bool, Query()] = False
) -> Response:
    """The stored file, or the thumbnail (WebP) of an image. Supports Range and If-None-Match."""
    file = await short_transaction(request, actor.scopes, partial(records.get_visible, by=actor, file_id=file_id))
    if thumbnail:
        return await _thumbnail(request, file)
    return await answers.answer(
        request.headers,
        key=file.storage_key,
        size=file.size,
        etag=file.sha256.hex(),
        content_type=file.content_type,
        name=file.name,
        # A PDF can run scripts, and browsers do not show tables.
        inline=FileKind(file.content_type).is_image,
    )


async def _thumbnail(request: Request, file: File) -> Response:
    if not file.has_thumbnail:
        raise NotFound("このファイルには縮小画像がありません。ファイルそのものを開いてください。")
    key = deposit.thumbnail_key(file.storage_key)
    size = await to_thread.run_sync(storage().size, key, limiter=_quick_threads)
    return await answers.answer(
        request.headers,
        key=key,
        size=size,
        etag=f"{file.sha256.hex()}-thumbnail",
        content_type=deposit.THUMBNAIL_TYPE.value,
        name=names.clean(file.name, deposit.THUMBNAIL_TYPE),
        inline=True,
    )
