"""Serves the scan station (`scanner_station/`): two pages, what they are made of, and the worker that opens them
without a network. Nothing here asks the database."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
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
_ENDINGS = {".css", ".html", ".js", ".png", ".svg", ".webmanifest"}
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}
HEADERS = {
    **shell.HEADERS,
    "Content-Security-Policy": "; ".join((*shell.POLICY, "worker-src 'self'", "manifest-src 'self'")),
}
# Browsers ask each time; without a network the worker's own copy of one version is used.
_FRESH = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Room:
    """All files as they were when this process began, and the name of that version: it changes with any of them."""

    files: Mapping[str, bytes]
    version: str


@lru_cache(maxsize=1)
def room() -> Room:
    files = {path.name: path.read_bytes() for path in sorted(ROOM.iterdir()) if path.suffix in _ENDINGS}
    whole = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in files.values()))
    version = whole.hexdigest()[:12]
    served = [f"{PATH}/{name}" for name in (*files, "shell.js") if name not in ("sw.js", *PAGES.values())]
    told = json.dumps({"version": version, "files": [*PAGES, *served]})
    return Room(files | {"shell.js": f"self.GENBA_STATION = {told};\n".encode()}, version)


def _content(name: str, version: str | None) -> bytes:
    """While a newer version is rolled out, one process has the old files and another the new ones: who asks for a
    version gets that one or nothing, never a mixture."""
    content = room().files.get(name)
    if content is None or version not in (None, room().version):
        raise NotFound("指定されたファイルは見つかりません。画面を読み込み直してください。")
    return content


@router.get("/entry-exit-login")
def log_in(v: str | None = None) -> Response:
    return Response(_content("login.html", v), headers=HEADERS, media_type="text/html")


@router.get("/entry-exit-registration")
def registration(v: str | None = None) -> Response:
    return Response(_content("registration.html", v), headers=HEADERS, media_type="text/html")


@router.get(WORKER)
def worker() -> Response:
    """At the root, so that its scope can hold both pages and their files."""
    return asset("sw.js")


@router.get(f"{PATH}/{{name}}")
def asset(name: str, v: str | None = None) -> Response:
    # A page goes out by its own path alone, under its policy.
    content = _content("" if name in PAGES.values() else name, v)
    ending = Path(name).suffix
    kind = _TYPES.get(ending) or mimetypes.types_map[ending]
    return Response(content, headers=_FRESH, media_type=kind)
