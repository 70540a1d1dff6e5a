"""Serves the scan station (`scanner_station/`): two pages, what they are made of, and the worker that opens them
without a network. Nothing here asks the database."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Response

from service.core.pages import shell
from service.core.problems import NotFound

ROOM = Path(__file__).parents[2] / "scanner_station"
# All paths of the station begin so; none of the API does.
START = "/entry-exit-"
PATH = "/entry-exit-station"
PAGES = {"/entry-exit-login": "login.html", "/entry-exit-registration": "registration.html"}
WORKER = "/entry-exit-sw.js"
_ENDINGS = {".css", ".js", ".png", ".svg", ".webmanifest"}
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}
HEADERS = {
    **shell.HEADERS,
    "Content-Security-Policy": "; ".join((*shell.POLICY, "worker-src 'self'", "manifest-src 'self'")),
}
# Browsers ask each time; without a network the worker's own copy of one version is used.
_FRESH = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

router = APIRouter(include_in_schema=False)


@lru_cache(maxsize=1)
def _files() -> Mapping[str, bytes]:
    found = {path.name: path.read_bytes() for path in sorted(ROOM.iterdir()) if path.suffix in _ENDINGS}
    return found | {"shell.js": _shell(found)}


def _shell(files: Mapping[str, bytes]) -> bytes:
    """What belongs together, under a name that changes with any of it: for the worker, and for heartbeats."""
    whole = hashlib.sha256()
    for content in (*files.values(), *((ROOM / page).read_bytes() for page in PAGES.values())):
        whole.update(hashlib.sha256(content).digest())
    names = [f"{PATH}/{name}" for name in (*files, "shell.js") if name != "sw.js"]
    told = json.dumps({"version": whole.hexdigest()[:12], "files": [*PAGES, *names]})
    return f"self.GENBA_STATION = {told};\n".encode()


def _page(name: str) -> Response:
    return Response((ROOM / name).read_bytes(), headers=HEADERS, media_type="text/html")


@router.get("/entry-exit-login")
def log_in() -> Response:
    return _page("login.html")


@router.get("/entry-exit-registration")
def registration() -> Response:
    return _page("registration.html")


@router.get(WORKER)
def worker() -> Response:
    """At the root, so that its scope can hold both pages and their files."""
    return asset("sw.js")


@router.get(f"{PATH}/{{name}}")
def asset(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise NotFound("指定されたファイルは見つかりません。画面を読み込み直してください。")
    ending = Path(name).suffix
    kind = _TYPES.get(ending) or mimetypes.types_map[ending]
    return Response(content, headers=_FRESH, media_type=kind)
