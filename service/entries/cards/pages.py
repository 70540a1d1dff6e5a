"""Serves the parent's card (`scanner_station/card`): a page, its files, and the service worker that opens it
offline. No database access."""

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

FOLDER = Path(__file__).parents[3] / "scanner_station" / "card"
WORKER = "worker.js"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
HEADERS = {
    **shell.HEADERS,
    "Content-Security-Policy": "; ".join((*shell.POLICY, "worker-src 'self'")),
}
# Browsers ask each time; offline, the service worker uses its own copy.
_ASSET_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

router = APIRouter(include_in_schema=False)


@lru_cache(maxsize=1)
def _files() -> Mapping[str, bytes]:
    """By name. The worker starts with the version of all files and their paths."""
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}
    page = (FOLDER / "card.html").read_bytes()
    version = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (page, *files.values())))
    names = [PATH, *(f"{PATH}/{name}" for name in files if name != WORKER)]
    config = json.dumps({"version": version.hexdigest()[:12], "files": names})
    return files | {WORKER: f"const CARD = {config};\n".encode() + files[WORKER]}


@router.get(PATH)
async def page() -> Response:
    return Response((FOLDER / "card.html").read_bytes(), headers=HEADERS, media_type="text/html")


@router.get(f"{PATH}/{{name}}")
async def asset(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise NotFound("指定されたファイルは見つかりません。画面を読み込み直してください。")
    # The page's path is above the worker's folder.
    scope = {"Service-Worker-Allowed": PATH} if name == WORKER else {}
    return Response(content, headers=_ASSET_HEADERS | scope, media_type=_TYPES[Path(name).suffix])
