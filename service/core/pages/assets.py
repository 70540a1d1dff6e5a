"""Static files of the public pages, each with a hash of its content in its name, so that browsers can cache them for a
year and never show an old one."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

PATH = "/public/static"
STATIC_FOLDER = Path(__file__).parent / "static"
# Swagger UI from a wheel, because a closed network cannot reach the usual CDN.
SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")


@dataclass(frozen=True)
class Asset:
    content: bytes
    content_type: str


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    spec = find_spec("fastapi_swagger")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("fastapi-swagger is not installed; see requirements.txt")
    swagger = Path(spec.submodule_search_locations[0]) / "resources"
    return {
        path.name: path for path in (*STATIC_FOLDER.iterdir(), *(swagger / name for name in SWAGGER)) if path.is_file()
    }


@lru_cache(maxsize=1)
def _by_public_name() -> dict[str, Asset]:
    assets = {}
    for name, path in _files().items():
        content = path.read_bytes()
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        # Newer systems guess text/javascript, older ones application/javascript; browsers accept both.
        assets[_public_name(name, content)] = Asset(content, content_type)
    return assets


def _public_name(name: str, content: bytes) -> str:
    stem, _, extension = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{extension}"


@lru_cache(maxsize=64)
def url(name: str) -> str:
    """For templates: the URL of a file by its plain name. Raises KeyError when there is no such file."""
    return f"{PATH}/{_public_name(name, _files()[name].read_bytes())}"


def find(public_name: str) -> Asset | None:
    return _by_public_name().get(public_name)
