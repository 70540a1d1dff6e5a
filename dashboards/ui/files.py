"""Choosing, sending, seeing and enlarging files. The browser sends them to the door at `/files` by itself; pages only
learn their ids.

The scripts are files that Streamlit serves from our own origin: written inline they would run from a blob, which our
policy refuses. Streamlit finds such files by a manifest of an installed package. We are none, so the manifest is
handed in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

DOOR = "/files"
FOLDER = "components"
IMAGES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP"}
DOCUMENTS = {".pdf": "PDF"}
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class File:
    """A stored file; `size` in bytes, `url` on our own origin."""

    id: str
    name: str
    size: int
    content_type: str
    url: str


def upload(
    key: str,
    label: str,
    *,
    purpose: str,
    kinds: Mapping[str, str] = IMAGES,
    max_bytes: int = 10 * MEGABYTE,
    max_files: int = 10,
    help: str = "",
    sent: Sequence[File] = (),
) -> list[File]:
    """Lets a person choose files, sends them, and returns those that are stored.

    Args:
        key: another one after the form was stored, so that the next form begins without files.
        purpose: what the files are for, a word of the service.
        kinds: allowed endings with the words for them.
        sent: those that were sent before, where the form goes on with a draft.
    """
    st.markdown(label + (f"  \n:gray[:small[{help}]]" if help else ""))
    begin = [vars(file) for file in sent]
    known = (st.session_state.get(key) or {}).get("files")
    stored = begin if known is None else known
    result = component("upload", '<div class="files"></div>')(
        key=key,
        data={
            "url": f"{DOOR}?{urlencode({'purpose': purpose})}",
            "accept": [*kinds],
            "types": "・".join(dict.fromkeys(kinds.values())),
            "max_bytes": max_bytes,
            "max_files": max_files,
            "files": stored,
        },
        default={"files": begin, "waiting": False},
        on_files_change=_nothing,
        on_waiting_change=_nothing,
    )
    return [File(**file) for file in result["files"] or []]


def stored(key: str) -> list[File]:
    """For callbacks: what has arrived by now may be more than what was drawn last."""
    return [File(**file) for file in (st.session_state.get(key) or {}).get("files") or []]


def is_waiting(key: str) -> bool:
    """Whether some of those that were chosen are on their way yet."""
    return bool((st.session_state.get(key) or {}).get("waiting"))


def previews(
    key: str,
    files: Sequence[File],
    *,
    stage: bool = False,
    labels: Mapping[str, str] = MappingProxyType({}),
    asked: tuple[str, str] | None = None,
) -> None:
    """Small pictures; a click enlarges one, to be turned and leafed through.

    Args:
        stage: one of them stands large above the others, for whoever types what it says, and stays when the page is
            drawn anew.
        labels: file id → what is said of it, in place of its size.
        asked: a file to be shown on the stage, and a word that is another one each time it is asked for.
    """
    listed = [{**vars(file), "label": labels.get(file.id, "")} for file in files]
    data = {"files": listed, "stage": stage, "asked": {"id": asked[0], "turn": asked[1]} if asked else None}
    component("previews", '<div class="files"></div>')(key=key, data=data)


def _nothing() -> None:
    """Streamlit wants a callback for each value that has a default."""


def component(name: str, html: str) -> Callable[..., Any]:
    """One of ours, by the name of its script in `components`."""
    # Each Streamlit process has a manager of its own, and so has each AppTest.
    manager = get_bidi_component_manager()
    if manager.get_component_asset_root(f"genba.{name}") is None:
        components = [ComponentConfig(script.stem, FOLDER) for script in _folder().glob("*.js")]
        manager.register_from_manifest(ComponentManifest("genba", "0", components), _folder().parent)
    return _renderer(name, html)


@cache
def _renderer(name: str, html: str) -> Callable[..., Any]:
    return st.components.v2.component(f"genba.{name}", html=html, css="files.css", js=f"{name}.js")


def _folder() -> Path:
    return Path(__file__).parents[1] / FOLDER
