"""The vendors' objects that can be read later by id: SMS with their status, calls, sessions, refunds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.store import MAX_OBJECTS, Store


class VendorObjects:
    """The objects of one vendor."""

    def __init__(self, store: Store, vendor: str) -> None:
        self._sql, self._vendor = store.sql, vendor

    def add(self, kind: str, object_id: str, content: Mapping[str, Any], tag: str = "") -> None:
        self._sql.execute(
            "INSERT INTO things (vendor, kind, id, tag, content) VALUES (?, ?, ?, ?, ?)",
            [self._vendor, kind, object_id, tag, json.dumps(content, ensure_ascii=False)],
        )
        self._sql.execute("DELETE FROM things WHERE seq <= (SELECT max(seq) FROM things) - ?", [MAX_OBJECTS])

    def update(self, kind: str, object_id: str, content: Mapping[str, Any]) -> None:
        self._sql.execute(
            "UPDATE things SET content = ? WHERE vendor = ? AND kind = ? AND id = ?",
            [json.dumps(content, ensure_ascii=False), self._vendor, kind, object_id],
        )

    def remove(self, kind: str, object_id: str) -> None:
        self._sql.execute(
            "DELETE FROM things WHERE vendor = ? AND kind = ? AND id = ?", [self._vendor, kind, object_id]
        )

    def get(self, kind: str, object_id: str) -> dict[str, Any] | None:
        row = self._sql.execute(
            "SELECT content FROM things WHERE vendor = ? AND kind = ? AND id = ?", [self._vendor, kind, object_id]
        ).fetchone()
        return dict(json.loads(row["content"])) if row else None

    def newest(self, kind: str, tag: str | None = None, limit: int = 100_000) -> list[dict[str, Any]]:
        rows = self._sql.execute(
            """SELECT content FROM things WHERE vendor = :vendor AND kind = :kind AND (:tag IS NULL OR tag = :tag)
            ORDER BY seq DESC LIMIT :limit""",
            {"vendor": self._vendor, "kind": kind, "tag": tag, "limit": limit},
        )
        return [dict(json.loads(row["content"])) for row in rows]
