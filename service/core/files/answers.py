"""A stored file as an HTTP answer: streamed, in parts if asked for, kept by nobody but the browser it was made for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from service.core.files import names
from service.core.files.storage import storage
from service.core.problems import RangeNotSatisfiable

# Shown inside a page: nothing in it may run, load or send, whatever it turns out to be.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def answer(
    asked: Headers,
    *,
    key: str,
    size: int,
    etag: str,
    content_type: str,
    name: str,
    inline: bool,
    changed_at: datetime | None = None,
) -> Response:
    """The whole of it, the part asked for (206), or the word that it has not changed (304).

    Raises:
        RangeNotSatisfiable: the part lies behind the end.
        Unavailable: the storage is away.
    """
    tag = f'"{etag}"'
    headers = {
        "ETag": tag,
        # The same address always has the same content, but who may see it can change: asked again each time.
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "Content-Disposition": names.disposition(name, inline=inline),
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if tag in (asked.get("if-none-match") or "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    start, end, status = 0, size, 200
    if (wanted := asked.get("range")) and asked.get("if-range", tag) == tag:
        part = _part(wanted, size)
        if part is not None:
            start, end, status = *part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    body = await storage().stream(key, start, end)
    return StreamingResponse(_bytes(body), status, headers, content_type)


async def _bytes(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield bytes(chunk)


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for what we do not understand, which means the whole."""
    found = _RANGE.fullmatch(wanted.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or end <= start:
        raise RangeNotSatisfiable(
            "指定された範囲はファイルの大きさを超えています。最初から取得し直してください。", size
        )
    return start, end
