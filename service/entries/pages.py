"""Serves the scan station (`scanner_station/`): two pages, their files, and the service worker that opens them offline.
No database access."""

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

STATION_FOLDER = Path(__file__).parents[2] / "scanner_station"
# Prefix of all paths of the station; no API path has it.
PATH_PREFIX = "/entry-exit-"
PATH = "/entry-exit-station"
PAGES = {"/entry-exit-login": "login.html", "/entry-exit-registration": "registration.html"}
WORKER = "/entry-exit-sw.js"
_SUFFIXES = {".css", ".html", ".js", ".png", ".svg", ".webmanifest"}
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}
HEADERS = {
    **shell.HEADERS,
    "Content-Security-Policy": "; ".join((*shell.POLICY, "worker-src 'self'", "manifest-src 'self'")),
}
# Browsers ask each time; offline, the service worker uses its own copy of one version.
_ASSET_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class StationFiles:
    """All files as they were when this process started, and their version, which changes with any file."""

    files: Mapping[str, bytes]
    version: str


@lru_cache(maxsize=1)
def station_files() -> StationFiles:
    files = {path.name: path.read_bytes() for path in sorted(STATION_FOLDER.iterdir()) if path.suffix in _SUFFIXES}
    whole = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in files.values()))
    version = whole.hexdigest()[:12]
    served = [f"{PATH}/{name}" for name in (*files, "shell.js") if name not in ("sw.js", *PAGES.values())]
    config = json.dumps({"version": version, "files": [*PAGES, *served]})
    return StationFiles(files | {"shell.js": f"self.GENBA_STATION = {config};\n".encode()}, version)


def _content(name: str, version: str | None) -> bytes:
    """During a rollout, one process has the old files and another the new ones: a client that requests a version gets
    that version or NotFound, never a mixture."""
    content = station_files().files.get(name)
    if content is None or version not in (None, station_files().version):
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
    """At the root, so that its scope includes both pages and their files."""
    return asset("sw.js")


@router.get(f"{PATH}/{{name}}")
def asset(name: str, v: str | None = None) -> Response:
    # A page is served only at its own path, with its security policy.
    content = _content("" if name in PAGES.values() else name, v)
    suffix = Path(name).suffix
    media_type = _TYPES.get(suffix) or mimetypes.types_map[suffix]
    return Response(content, headers=_ASSET_HEADERS, media_type=media_type)
