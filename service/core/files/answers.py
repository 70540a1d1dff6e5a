"""A stored file as an HTTP response: streamed, with range requests, cached only by the user's own browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from service.core.files import names
from service.core.files.storage import storage
from service.core.problems import RangeNotSatisfiable

# For a file that is shown inside a page: whatever it is, nothing in it may run, load or send.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def answer(
    request_headers: Headers,
    *,
    key: str,
    size: int,
    etag: str,
    content_type: str,
    name: str,
    inline: bool,
    changed_at: datetime | None = None,
) -> Response:
    """The whole file, the requested range (206), or Not Modified (304).

    Raises:
        RangeNotSatisfiable: the range begins after the end.
        Unavailable: the storage cannot be reached.
    """
    tag = f'"{etag}"'
    headers = {
        "ETag": tag,
        # The content of a URL never changes, but permissions can: the browser has to revalidate each time.
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "Content-Disposition": names.disposition(name, inline=inline),
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if tag in (request_headers.get("if-none-match") or "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    start, end, status = 0, size, 200
    if (requested_range := request_headers.get("range")) and request_headers.get("if-range", tag) == tag:
        part = _part(requested_range, size)
        if part is not None:
            start, end, status = *part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    body = await storage().stream(key, start, end)
    return StreamingResponse(_bytes(body), status, headers, content_type)


async def _bytes(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield bytes(chunk)


def _part(range_header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for a range that we do not support: then the whole file."""
    match = _RANGE.fullmatch(range_header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
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
