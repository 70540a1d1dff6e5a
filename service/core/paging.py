"""Lists come in pages: `items`, `total`, and a cursor that stays true while rows are added."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from service.core.problems import Invalid

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=200)]


class Page(BaseModel, Generic[Item]):
    """`total` counts all hits, not only this page; `next_cursor` is null on the last page."""

    items: list[Item]
    total: int
    next_cursor: str | None = None


def write_cursor(*position: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> list[str | int]:
    """The position written in the cursor; each part must be of the kind given.

    Raises:
        Invalid: the cursor was not made by `write_cursor` for this list.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        position = None
    fits = isinstance(position, list) and len(position) == len(kinds)
    if not fits or not all(type(part) is kind for part, kind in zip(position, kinds, strict=True)):
        raise Invalid("ページの位置（cursor）が正しくありません。最初のページから開き直してください。")
    if any(abs(part) >= 2**63 if isinstance(part, int) else not _is_text(part) for part in position):
        raise Invalid("ページの位置（cursor）が正しくありません。最初のページから開き直してください。")
    listed: list[str | int] = position
    return listed


def _is_text(part: str) -> bool:
    """What PostgreSQL takes for text: no NUL, no lone surrogate."""
    return "\x00" not in part and part.isprintable()
