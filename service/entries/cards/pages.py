"""Serves the parent's card (`scanner_station/card`): a page, what it is made of, and the worker that opens it without a
network. Nothing here asks the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Response

from service.core.pages import shell
from service.core.problems import NotFound
from service.entries.cards.rules import PATH

ROOM = Path(__file__).parents[3] / "scanner_station" / "card"
WORKER = "worker.js"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
HEADERS = {
    **shell.HEADERS,
    "Content-Security-Policy": "; ".join((*shell.POLICY, "worker-src 'self'")),
}
# Browsers ask each time; without a network the worker's own copy is used.
_FRESH = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

router = APIRouter(include_in_schema=False)


@lru_cache(maxsize=1)
def _files() -> Mapping[str, bytes]:
    """By name. The worker begins with the version of all of them and their addresses."""
    found = {path.name: path.read_bytes() for path in sorted(ROOM.iterdir()) if path.suffix in _TYPES}
    page = (ROOM / "card.html").read_bytes()
    version = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (page, *found.values())))
    names = [PATH, *(f"{PATH}/{name}" for name in found if name != WORKER)]
    told = json.dumps({"version": version.hexdigest()[:12], "files": names})
    return found | {WORKER: f"const CARD = {told};\n".encode() + found[WORKER]}


@router.get(PATH)
async def page() -> Response:
    return Response((ROOM / "card.html").read_bytes(), headers=HEADERS, media_type="text/html")


@router.get(f"{PATH}/{{name}}")
async def asset(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise NotFound("指定されたファイルは見つかりません。画面を読み込み直してください。")
    # The page itself stands above the worker's folder.
    scope = {"Service-Worker-Allowed": PATH} if name == WORKER else {}
    return Response(content, headers=_FRESH | scope, media_type=_TYPES[Path(name).suffix])
