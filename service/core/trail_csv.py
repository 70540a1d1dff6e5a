"""The audit trail as a file for a spreadsheet: streamed, so that years of it need no memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from typing import Any

from service.core import trail
from service.core.db import Scopes, transaction
from service.core.times import TOKYO

# Excel reads UTF-8 as such only behind this mark.
BOM = "\ufeff"
# A spreadsheet runs a cell that begins like this; an apostrophe in front makes it text again.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
HEADERS = ("日時", "業務", "操作者", "氏名", "操作", "対象", "対象のID", "変更内容", "接続元")
_PIECE = 64 * 1024


def rows(scopes: Scopes, seen: Collection[str], wanted: trail.Wanted) -> Iterator[str]:
    """The file in pieces, from a transaction of its own: the request's is closed before the answer begins."""
    piece = io.StringIO()
    writer = csv.writer(piece)
    piece.write(BOM)
    writer.writerow(HEADERS)
    with transaction(scopes) as db:
        for entry in trail.all_entries(db, seen, wanted):
            writer.writerow(map(harmless, _cells(entry)))
            if piece.tell() > _PIECE:
                yield piece.getvalue()
                piece.seek(0)
                piece.truncate()
    yield piece.getvalue()


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _cells(entry: dict[str, Any]) -> list[str]:
    return [
        f"{entry['at'].astimezone(TOKYO):%Y/%m/%d %H:%M:%S}",
        entry["area_title"],
        entry["actor"],
        entry["actor_name"] or "",
        entry["action_title"],
        entry["subject_title"],
        entry["subject_id"],
        "\n".join(f"{change.title}: {change.before or '–'} → {change.after or '–'}" for change in entry["changes"]),
        "" if entry["address"] == "-" else entry["address"],
    ]
